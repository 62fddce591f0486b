"""What a run is made of, and the part of it that changes and is saved."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from anchorwise import _checks
from anchorwise.methods import METHODS, Clock, Method
from anchorwise.modalities.images import EncoderSpec, build_encoder
from anchorwise.modalities.images.augment import RandomViews, pixel_statistics, policy_for
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.objectives import Objective
from anchorwise.training.config import RunConfig
from anchorwise.training.optimizers import build_optimizer


@dataclass
class RunState:
    """Model, objective and optimiser of a run, and how far it is.

    Attributes:
        model: The method, with its encoder and its objective.
        optimizer: Of the model.
        augmentation: Draws the views that the method asks for.
        spec: What the encoder is and expects.
        step: Steps done.
        wall_time_s: Time spent in steps so far, over all processes that worked on the run one after the other.
        num_steps: Of the whole run, for the method's schedules.
        steps_per_epoch: Likewise.
    """

    model: Method
    optimizer: torch.optim.Optimizer
    augmentation: RandomViews
    spec: EncoderSpec
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

    def saved(self) -> dict[str, Any]:
        """Return everything that a resumed run needs beyond its configuration."""
        return {
            "step": self.step,
            "wall_time_s": self.wall_time_s,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "augmentation": self.augmentation.state_dict(),
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
        self.augmentation.load_state_dict(saved["augmentation"])


def resolved(config: RunConfig, images: ImageSet) -> RunConfig:
    """Return the configuration with what was left to the data filled in."""
    augment = config.augment or policy_for(config.data.source, images.image_size_px)
    return config.model_copy(update={"augment": augment})


def initial_state(config: RunConfig, images: ImageSet, device: torch.device) -> RunState:
    """Return the state before the first step; initial weights depend on `train.seed` alone."""
    mean, std = pixel_statistics(images.images)
    channels, size_px = images.num_channels, images.image_size_px
    spec = EncoderSpec(encoder=config.encoder, num_channels=channels, image_size_px=size_px, mean=mean, std=std)
    objective = config.objective.build()
    torch.manual_seed(config.train.seed)
    encoder = build_encoder(config.encoder, num_channels=channels, image_size_px=size_px)
    model = METHODS[config.method.name](encoder, objective, config.method)
    _channels_last(model.to(device))
    policy = config.augment or policy_for(config.data.source, size_px)
    plan = model.plan
    augmentation = RandomViews(
        policy, channels, size_px, mean=mean, std=std, num_views=plan.num_views, num_small=plan.num_small
    ).to(device)
    return RunState(model, build_optimizer(config.optimizer, model), augmentation, spec)


def _channels_last(model: nn.Module) -> None:
    # Convolutions are faster so, on CPUs and GPUs alike; the numbers are the same layer by layer.
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
