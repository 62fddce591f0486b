"""Methods by name, and the settings of any of them."""

from typing import Annotated

from pydantic import Field

from anchorwise.methods.base import Method
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

AnyMethodConfig = Annotated[
    SimCLR.Config | MoCo.Config | MoCoV3.Config | SwAV.Config | NNCLR.Config | BYOL.Config | SimSiam.Config,
    Field(discriminator="name"),
]
