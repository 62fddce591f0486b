"""Methods by name, and the settings of any of them."""

from typing import TYPE_CHECKING

from anchorwise._config import chosen_by_name
from anchorwise.methods.base import Method, MethodConfig
from anchorwise.methods.byol import BYOL
from anchorwise.methods.moco import MoCo
from anchorwise.methods.moco_v3 import MoCoV3
from anchorwise.methods.nnclr import NNCLR
from anchorwise.methods.simclr import SimCLR
from anchorwise.methods.simsiam import SimSiam
from anchorwise.methods.swav import SwAV

METHODS: dict[str, type[Method]] = {
    "simclr": SimCLR,
    "moco": MoCo,
    "moco_v3": MoCoV3,
    "swav": SwAV,
    "nnclr": NNCLR,
    "byol": BYOL,
    "simsiam": SimSiam,
}

if TYPE_CHECKING:
    AnyMethodConfig = MethodConfig
else:
    AnyMethodConfig = chosen_by_name(method.Config for method in METHODS.values())
