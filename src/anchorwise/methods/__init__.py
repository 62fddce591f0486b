"""Who encodes what, and which rows meet: one method per file; `registry` names them all.

A method is a module: views of a batch in, the objective's outcome out.
"""

from typing import TYPE_CHECKING

from anchorwise.methods.base import Method as Method
from anchorwise.methods.base import MethodConfig as MethodConfig
from anchorwise.methods.base import Projected as Projected
from anchorwise.methods.base import Step as Step
from anchorwise.methods.from_config import METHODS as METHODS
from anchorwise.methods.from_config import AnyMethodConfig as AnyMethodConfig
from anchorwise.methods.outlook import AllRows as AllRows
from anchorwise.methods.outlook import Clock as Clock
from anchorwise.methods.outlook import Outlook as Outlook
from anchorwise.methods.registry import *  # noqa: F403
from anchorwise.modalities.samples import Batch as Batch
from anchorwise.modalities.views import ViewPlan as ViewPlan

if not TYPE_CHECKING:  # A type checker finds every name in the imports.
    __all__ = [
        "METHODS",
        "AllRows",
        "AnyMethodConfig",
        "Batch",
        "Clock",
        "Method",
        "MethodConfig",
        "Projected",
        "Step",
        "ViewPlan",
        *(make.__name__ for make in METHODS.values()),
    ]
