"""Contrastive objectives, one per file."""

from anchorwise.objectives.ada_meow import AdaMEOW
from anchorwise.objectives.adnce import ADNCE
from anchorwise.objectives.align_uniform import AlignUniform
from anchorwise.objectives.arctanh import ArctanhInfoNCE
from anchorwise.objectives.asymmetric import AsymmetricInfoNCE
from anchorwise.objectives.averaged_views import AveragedViews
from anchorwise.objectives.clip import CLIP
from anchorwise.objectives.cross_view import CrossViewInfoNCE
from anchorwise.objectives.dcl import DCL
from anchorwise.objectives.dclw import DCLW
from anchorwise.objectives.dhel import DHEL
from anchorwise.objectives.f_micl import FMICL
from anchorwise.objectives.fast_clip import FastCLIP
from anchorwise.objectives.hcl import HCL
from anchorwise.objectives.i_sog_clr import ISogCLR
from anchorwise.objectives.info_nce import InfoNCE
from anchorwise.objectives.kcl import KCL
from anchorwise.objectives.ko_leo import KoLeo
from anchorwise.objectives.meow import MEOW
from anchorwise.objectives.mixture import Mixture, hardest_regularised
from anchorwise.objectives.moco import MoCo
from anchorwise.objectives.moco_v3 import MoCoV3
from anchorwise.objectives.mv_dhel import MVDHEL
from anchorwise.objectives.mv_info_nce import MVInfoNCE
from anchorwise.objectives.objective import Inputs, Objective, Outcome
from anchorwise.objectives.pairwise_views import PairwiseViews
from anchorwise.objectives.poly_view import PolyView
from anchorwise.objectives.prediction import Prediction
from anchorwise.objectives.proto_nce import ProtoNCE
from anchorwise.objectives.registry import OBJECTIVES, build
from anchorwise.objectives.selection import Selection
from anchorwise.objectives.sep_clr import SepCLR
from anchorwise.objectives.siglip import SigLIP
from anchorwise.objectives.sim_lap import SimLAP
from anchorwise.objectives.soft_targets import SoftTargets
from anchorwise.objectives.sog_clr import SogCLR
from anchorwise.objectives.sup_con import SupCon
from anchorwise.objectives.sup_re_mix import SupReMix
from anchorwise.objectives.swav import SwAV
from anchorwise.objectives.triplet import Triplet
from anchorwise.objectives.weibit import Weibit
from anchorwise.objectives.weince import WEINCE

__all__ = [
    "ADNCE",
    "CLIP",
    "DCL",
    "DCLW",
    "DHEL",
    "FMICL",
    "HCL",
    "KCL",
    "MEOW",
    "MVDHEL",
    "OBJECTIVES",
    "WEINCE",
    "AdaMEOW",
    "AlignUniform",
    "ArctanhInfoNCE",
    "AsymmetricInfoNCE",
    "AveragedViews",
    "CrossViewInfoNCE",
    "FastCLIP",
    "ISogCLR",
    "InfoNCE",
    "Inputs",
    "KoLeo",
    "MVInfoNCE",
    "Mixture",
    "MoCo",
    "MoCoV3",
    "Objective",
    "Outcome",
    "PairwiseViews",
    "PolyView",
    "Prediction",
    "ProtoNCE",
    "Selection",
    "SepCLR",
    "SigLIP",
    "SimLAP",
    "SoftTargets",
    "SogCLR",
    "SupCon",
    "SupReMix",
    "SwAV",
    "Triplet",
    "Weibit",
    "build",
    "hardest_regularised",
]
