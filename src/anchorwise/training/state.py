"""What a run is made of, and the part of it that changes and is saved."""

from dataclasses import dataclass
from typing import Any, cast

import torch

from anchorwise import _checks
from anchorwise.methods import METHODS, Clock, Method
from anchorwise.modalities.base import Encoder, FrozenEncoder, Modality, Samples, ViewMaker
from anchorwise.modalities.registry import AnyEncoderConfig, modality_of
from anchorwise.models.momentum import MomentumTwin
from anchorwise.objectives import Objective
from anchorwise.training.config import RunConfig
from anchorwise.training.optimizers import build_optimizer


@dataclass
class RunState:
    """Model, objective and optimiser of a run, and how far it is.

    Attributes:
        config: Of the run, with what was left to the data and to the method filled in.
        model: The method, with its encoder and its objective.
        optimizer: Of the model.
        views: Draws the views that the method asks for.
        modality: What samples are.
        encoder_config: What the configuration says of the encoder.
        average: The encoder's moving average, if there is to be one.
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
    encoder_config: AnyEncoderConfig
    average: MomentumTwin | None = None
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
        return self.modality.freeze(encoder or self.kept, self.encoder_config, self.views)

    def saved(self) -> dict[str, Any]:
        """Return everything that a resumed run needs beyond its configuration."""
        return {
            "step": self.step,
            "wall_time_s": self.wall_time_s,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "views": self.views.state_dict(),
            "average": {} if self.average is None else self.average.state_dict(),
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
        self.optimizer.load_state_dict(saved["optimizer"])
        self.views.load_state_dict(saved["views"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])


def with_start(config: RunConfig) -> RunConfig:
    """Return the configuration with what tells the encoder's pretrained start from others, where it has one.

    Raises:
        FileNotFoundError: If it has, and the file is not there.
    """
    encoder = modality_of(config.modality).resolved_encoder(config.encoder)
    return config if encoder is config.encoder else config.model_copy(update={"encoder": encoder})


def initial_state(config: RunConfig, samples: Samples, device: torch.device) -> RunState:
    """Return the state before the first step; initial weights depend on `train.seed` alone."""
    config, modality = with_start(config), modality_of(config.modality)
    resolved_views = modality.resolved_views(config.views, config.data, samples)
    config = config.model_copy(update={"views": resolved_views, "objective": config.whole_objective()})
    torch.manual_seed(config.train.seed)
    encoder = modality.new_encoder(config.encoder, samples)
    encoder.in_pieces_of(config.train.micro_batch_size)
    model = METHODS[config.method.name](encoder, config.whole_objective().build(), config.method).to(device)
    views = modality.view_maker(config.views, model.plan, samples).to(device)
    average = None if config.train.ema is None else MomentumTwin(model.encoder)
    return RunState(config, model, build_optimizer(config.optimizer, model), views, modality, config.encoder, average)
