"""Pretraining: configuration, recipes, the loop, checkpoints, run directories."""

from anchorwise import _extras

_extras.needed("pydantic")

from anchorwise.training.config import ObjectiveConfig, RunConfig, TrainConfig
from anchorwise.training.loop import pretrain
from anchorwise.training.optimizers import LARS, SGD, AdamW, OptimizerConfig
from anchorwise.training.overrides import apply_overrides
from anchorwise.training.recipes import RECIPES, load_config, recipe
from anchorwise.training.run_directory import RunDirectory

__all__ = [
    "LARS",
    "RECIPES",
    "SGD",
    "AdamW",
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
