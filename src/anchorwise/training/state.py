"""What a run is made of, and the part of it that changes and is saved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch

from anchorwise import _checks
from anchorwise.methods import Clock, Method
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Samples, View
from anchorwise.modalities.views import ViewMaker
from anchorwise.models.momentum import MomentumTwin
from anchorwise.objectives import Objective
from anchorwise.training.best import BestEpoch, best_epoch
from anchorwise.training.config import VERSION, RunConfig
from anchorwise.training.equal_views import refuse_equal_views
from anchorwise.training.online_probe import OnlineProbe
from anchorwise.training.optimizers import build_optimizer, restore_optimizer
from anchorwise.training.order import Order
from anchorwise.training.own import NO_PARTS, OwnParts


@dataclass
class RunState:
    """Model, objective and optimiser of a run, and how far it is.

    Attributes:
        config: Of the run, with what was left to the data and to the method filled in.
        model: The method, with its encoder and its objective.
        optimizer: Of the model.
        views: Draws the views that the method asks for.
        modality: What samples are.
        examples: Two samples in the form that the encoder takes them in.
        average: The encoder's moving average, if there is to be one.
        probe: What learns classes beside the method, if that was asked for.
        best: Remembers the encoder of the best epoch, if a number is to choose it.
        order: Decides which samples make a batch; None where no run goes on.
        step: Steps done.
        wall_time_s: Time spent in steps so far, over all processes that worked on the run one after the other.
        num_steps: Of the whole run, for the method's schedules.
        steps_per_epoch: Likewise.
    """

    config: RunConfig
    model: Method
    optimizer: torch.optim.Optimizer
    views: ViewMaker
    modality: Modality
    examples: Sequence[View]
    average: MomentumTwin | None = None
    probe: OnlineProbe | None = None
    best: BestEpoch | None = None
    order: Order | None = None
    step: int = 0
    wall_time_s: float = 0.0
    num_steps: int = 1
    steps_per_epoch: int = 1

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return self.model.objective

    @property
    def clock(self) -> Clock:
        """How far the run is."""
        return Clock(self.step, self.num_steps, self.steps_per_epoch)

    @property
    def kept(self) -> Encoder:
        """What is watched, kept and judged: the encoder, or its moving average."""
        return self.model.encoder if self.average is None else cast(Encoder, self.average.network)

    def frozen(self, encoder: Encoder | None = None) -> FrozenEncoder:
        """Return what is kept, or another encoder of the run, as it is now with what it expects of its input."""
        return self.modality.freeze(encoder or self.kept, self.config.encoder, self.views, self.examples)

    def trained(self) -> FrozenEncoder:
        """Return the trained encoder, not an average of it, with the others of the training beside it."""
        beside = {name: self.frozen(encoder) for name, encoder in self.model.beside.items()}
        return replace(self.frozen(self.model.encoder), beside=beside)

    def saved(self) -> dict[str, Any]:
        """Return everything that a resumed run needs beyond its configuration."""
        return {
            "step": self.step,
            "wall_time_s": self.wall_time_s,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "views": self.views.state_dict(),
            "average": {} if self.average is None else self.average.state_dict(),
            "probe": {} if self.probe is None else self.probe.saved(),
            "order": {} if self.order is None else self.order.saved(),
            "best": {} if self.best is None else self.best.saved(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up a saved state.

        Raises:
            KeyError: If a part is missing.
            ValueError: If a part cannot be one.
            RuntimeError: If weights are not those of this model.
        """
        self.step = _checks.count("step", saved["step"], 0)
        self.wall_time_s = _checks.at_least("wall_time_s", saved["wall_time_s"], 0.0)
        self.model.load_state_dict(saved["model"])
        restore_optimizer(self.optimizer, saved["optimizer"])
        if self.order is not None:
            self.order.restore(saved.get("order", {}))
        self._restore_beside_model(saved)
        if self.probe is not None and saved.get("probe"):  # Else it was asked for later on, and begins here.
            self.probe.restore(saved["probe"])
        if self.best is not None:
            self.best.restore(saved["best"])

    def restore_encoder(self, saved: dict[str, Any]) -> None:
        """Take up of a saved state, perhaps that of another method, what makes rows of samples.

        Raises:
            KeyError: If a part is missing.
            RuntimeError: If weights are not those of this encoder and its head.
        """
        weights, prefix = saved["model"], "online."
        online = {name.removeprefix(prefix): weights[name] for name in weights if name.startswith(prefix)}
        self.model.online.load_state_dict(online)
        self._restore_beside_model(saved)

    def _restore_beside_model(self, saved: dict[str, Any]) -> None:
        self.views.load_state_dict(saved["views"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])


def with_start(config: RunConfig) -> RunConfig:
    """Return the configuration with what tells its run from others: pretrained start, one's own code, the version.

    Raises:
        FileNotFoundError: If there is a start, and its file is not there.
        ValueError: If a class of one's own cannot be imported, or takes no such settings.
    """
    config = config.with_own_code()
    encoder = modality_of(config.modality).resolved_encoder(config.encoder)
    return config.model_copy(update={"encoder": encoder, "version": config.version or VERSION})


def initial_state(config: RunConfig, samples: Samples, device: torch.device, own: OwnParts = NO_PARTS) -> RunState:
    """Return the state before the first step; initial weights, but for the caller's own, depend on `train.seed` alone.

    Args:
        config: Of the run.
        samples: To train on.
        device: Where the model goes.
        own: Parts that stand in no configuration.

    Raises:
        ValueError: If parts do not fit together, the views of a sample are all the same, or the configuration is of
            another version of the code.
    """
    config = config.of_this_version().with_own_code()
    modality = own.modality_of(config)
    examples = modality.examples(samples)
    resolved = {
        "views": modality.resolved_views(config.views, config.data, samples),
        "encoder": modality.resolved_encoder(config.encoder, samples),
        "objective": config.whole_objective(),
    }
    config = config.model_copy(update=resolved)
    torch.manual_seed(config.train.seed)
    encoder = modality.new_encoder(config.encoder, examples)
    encoder.meet(samples)
    encoder.in_pieces_of(config.train.micro_batch_size)
    model = own.method_of(config, encoder).to(device)
    views = modality.view_maker(config.views, model.plan, samples).to(device)
    for size_px in views.sizes_px:
        encoder.check_size(size_px)
    model.meet(views)
    refuse_equal_views(model, views, samples, device)
    average = None if config.train.ema is None else MomentumTwin(model.encoder)
    optimizer = build_optimizer(config.optimizer, model, on_device=device.type == "cuda")
    probe = _online_probe(model.encoder, samples, device) if config.train.online_probe else None
    keep, is_watched = config.train.keep_best, config.train.knn_every_epochs > 0
    best = None if keep is None else best_epoch(keep, config.judges, is_watched=is_watched)
    return RunState(config, model, optimizer, views, modality, examples, average, probe, best)


def _online_probe(encoder: Encoder, samples: Samples, device: torch.device) -> OnlineProbe:
    if samples.labels is None:
        raise ValueError(
            "train.online_probe needs labels of the samples that are trained on, got none; leave it out, or label them"
        )
    probe = OnlineProbe(encoder.num_features, int(samples.labels.max()) + 1, device)
    probe.attach(encoder)  # After copies of the encoder were made, which are not to be looked at.
    return probe
