"""Pretraining: configuration, recipes, the loop, checkpoints, run directories."""

from anchorwise import _extras

_extras.needed("pydantic")

from anchorwise.training.config import ObjectiveConfig, OptimizerConfig, RunConfig, TrainConfig
from anchorwise.training.loop import pretrain
from anchorwise.training.overrides import apply_overrides
from anchorwise.training.recipes import RECIPES, load_config, recipe
from anchorwise.training.run_directory import RunDirectory

__all__ = [
    "RECIPES",
    "ObjectiveConfig",
    "OptimizerConfig",
    "RunConfig",
    "RunDirectory",
    "TrainConfig",
    "apply_overrides",
    "load_config",
    "pretrain",
    "recipe",
]
