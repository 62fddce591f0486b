"""The epoch whose encoder is kept, where a watched number chooses it and not the end of the training."""

import math
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.evaluation.base import JudgeConfig, Metric
from anchorwise.evaluation.registry import judges_of


@final
class BestEpoch:
    """An encoder's weights at the moment when a number was best; of equal ones the first counts.

    Args:
        metric: The number, and which end of it is a merit.

    Attributes:
        value: Of that moment; None before anything was watched.
        step: Steps done by then.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.value: float | None = None
        self.step = 0
        self._weights: dict[str, Tensor] = {}

    @torch.no_grad()
    def look(self, values: Mapping[str, float], encoder: nn.Module, *, step: int) -> None:
        """Remember the encoder if it is the best so far."""
        value = values.get(self.metric.name)
        if (
            value is None
            or math.isnan(value)
            or (self.value is not None and self.metric.sign * (value - self.value) <= 0.0)
        ):
            return
        self.value, self.step = value, step
        self._weights = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}

    def put_back(self, encoder: nn.Module) -> None:
        """Give the encoder the weights of that moment; those it has stay where nothing was watched."""
        if self.value is not None:
            encoder.load_state_dict(self._weights)

    def saved(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"value": self.value, "step": self.step, "weights": self._weights}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up what was saved.

        Raises:
            KeyError: If a part is missing.
            ValueError: If a part cannot be one.
        """
        value = saved["value"]
        self.value = None if value is None else _checks.number("value", value)
        self.step, self._weights = _checks.count("step", saved["step"], 0), dict(saved["weights"])


def best_epoch(name: str, judges: tuple[JudgeConfig, ...], *, is_watched: bool) -> BestEpoch:
    """Return what remembers the best epoch by a watched number.

    Args:
        name: Of the number.
        judges: Who watches.
        is_watched: Whether they are asked at all.

    Raises:
        ValueError: If none of them watches such a number, or it has no better end.
    """
    metrics = {metric.name: metric for judge in judges_of(judges) for metric in judge.watched}
    chosen = metrics[_checks.one_of("train.keep_best", name, [*metrics])]
    if chosen.higher_is_better is None:
        raise ValueError(f"train.keep_best must be a number of which one end is better, got {name!r}")
    if not is_watched:
        raise ValueError(f"train.keep_best={name} needs looks at the encoder; set train.knn_every_epochs above 0")
    return BestEpoch(chosen)
