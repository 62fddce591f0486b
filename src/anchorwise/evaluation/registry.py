"""Judges by name, the settings of any of them, and several of them at work."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from anchorwise._config import chosen_by_name
from anchorwise.evaluation.base import Judge, JudgeConfig, Metric
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.geometry_judge import GeometryJudge

JUDGES: dict[str, type[Judge[Any]]] = {"classification": Classification, "geometry": GeometryJudge}

if TYPE_CHECKING:
    AnyJudgeConfig = JudgeConfig
else:
    AnyJudgeConfig = chosen_by_name(judge.Config for judge in JUDGES.values())

# What features of labelled images are asked.
DEFAULT_JUDGES: tuple[AnyJudgeConfig, ...] = (Classification.Config(), GeometryJudge.Config())


def judges_of(configs: Sequence[JudgeConfig], *, device: torch.device | str = "cpu") -> list[Judge[Any]]:
    """Return the judges that such settings are of."""
    kinds = {judge.Config: judge for judge in JUDGES.values()}
    return [kinds[type(config)](config, device=device) for config in configs]


def metrics_of(configs: Sequence[JudgeConfig]) -> dict[str, Metric]:
    """Return what such judges measure, by name."""
    return {metric.name: metric for judge in judges_of(configs) for metric in judge.metrics}


def watched_metrics() -> dict[str, Metric]:
    """Return what any judge watches while an encoder trains, by name."""
    return {metric.name: metric for judge in JUDGES.values() for metric in judge.watched}


def warnings_of(numbers: Mapping[str, float]) -> list[str]:
    """Return in words what is wrong by numbers that judges measured or watched."""
    return [words for judge in JUDGES.values() if (words := judge.warning(numbers))]
