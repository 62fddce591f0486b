"""Contrastive objectives, one per file; `registry` names them all."""

from typing import TYPE_CHECKING

from anchorwise.objectives.from_config import OBJECTIVES as OBJECTIVES
from anchorwise.objectives.from_config import build as build
from anchorwise.objectives.objective import Inputs as Inputs
from anchorwise.objectives.objective import Objective as Objective
from anchorwise.objectives.objective import Outcome as Outcome
from anchorwise.objectives.registry import *  # noqa: F403

if not TYPE_CHECKING:  # A type checker finds every name in the imports.
    __all__ = [
        "OBJECTIVES",
        "Inputs",
        "Objective",
        "Outcome",
        "build",
        *(make.__name__ for make in OBJECTIVES.values()),
    ]
