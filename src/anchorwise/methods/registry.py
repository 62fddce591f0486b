"""Every method, a line each: Python calls it by the name imported here, configurations by that of its file."""

from anchorwise.methods.a_info_nce import AInfoNCE as AInfoNCE
from anchorwise.methods.albef import ALBEF as ALBEF
from anchorwise.methods.astrea import Astrea as Astrea
from anchorwise.methods.barlow_twins import BarlowTwins as BarlowTwins
from anchorwise.methods.beclr import BECLR as BECLR
from anchorwise.methods.byol import BYOL as BYOL
from anchorwise.methods.clip import CLIP as CLIP
from anchorwise.methods.clip_rocket import ClipRocket as ClipRocket
from anchorwise.methods.cocosoda import CoCoSoDa as CoCoSoDa
from anchorwise.methods.dcd import DCD as DCD
from anchorwise.methods.dino import DINO as DINO
from anchorwise.methods.esimcse import ESimCSE as ESimCSE
from anchorwise.methods.mmc_sketch import MMCSketch as MMCSketch
from anchorwise.methods.moco import MoCo as MoCo
from anchorwise.methods.moco_v3 import MoCoV3 as MoCoV3
from anchorwise.methods.msd import MSD as MSD
from anchorwise.methods.nnclr import NNCLR as NNCLR
from anchorwise.methods.pcl import PCL as PCL
from anchorwise.methods.pixpro import PixPro as PixPro
from anchorwise.methods.sepclr import SepCLR as SepCLR
from anchorwise.methods.simclr import SimCLR as SimCLR
from anchorwise.methods.simcse import SimCSE as SimCSE
from anchorwise.methods.simlap import SimLAP as SimLAP
from anchorwise.methods.simsiam import SimSiam as SimSiam
from anchorwise.methods.swav import SwAV as SwAV
from anchorwise.methods.vicreg import VICReg as VICReg
