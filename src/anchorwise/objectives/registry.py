"""Objectives by name, and objectives from plain mappings as configuration files hold them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from anchorwise import _checks, tails
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
from anchorwise.objectives.objective import Objective
from anchorwise.objectives.pairwise_views import PairwiseViews
from anchorwise.objectives.poly_view import PolyView
from anchorwise.objectives.proto_nce import ProtoNCE
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

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "info_nce": InfoNCE,
    "weince": WEINCE,
    "weibit": Weibit,
    "selection": Selection,
    "mixture": Mixture,
    "hardest_regularised": hardest_regularised,
    "cross_view": CrossViewInfoNCE,
    "arctanh": ArctanhInfoNCE,
    "clip": CLIP,
    "siglip": SigLIP,
    "moco": MoCo,
    "moco_v3": MoCoV3,
    "dcl": DCL,
    "dclw": DCLW,
    "dhel": DHEL,
    "kcl": KCL,
    "f_micl": FMICL,
    "align_uniform": AlignUniform,
    "hcl": HCL,
    "adnce": ADNCE,
    "asymmetric": AsymmetricInfoNCE,
    "sup_con": SupCon,
    "sup_re_mix": SupReMix,
    "sim_lap": SimLAP,
    "sep_clr": SepCLR,
    "mv_info_nce": MVInfoNCE,
    "mv_dhel": MVDHEL,
    "poly_view": PolyView,
    "averaged_views": AveragedViews,
    "pairwise_views": PairwiseViews,
    "meow": MEOW,
    "ada_meow": AdaMEOW,
    "soft_targets": SoftTargets,
    "proto_nce": ProtoNCE,
    "swav": SwAV,
    "triplet": Triplet,
    "ko_leo": KoLeo,
    "i_sog_clr": ISogCLR,
    "sog_clr": SogCLR,
    "fast_clip": FastCLIP,
}
BLENDS: dict[str, Callable[..., tails.Blend]] = {"weince": tails.Blend}
GATES: dict[str, Callable[..., tails.Gate]] = {
    "likelihood": tails.LikelihoodGate,
    "published": tails.PublishedGate,
    "hard": tails.HardGate,
    "cap": tails.CapGate,
    "constant": tails.ConstantGate,
}
EXPONENTS: dict[str, Callable[..., tails.Exponent]] = {
    "batch": tails.BatchExponent,
    "anchor": tails.AnchorExponent,
    "lagged": tails.LaggedExponent,
    "pooled": tails.PooledExponent,
}
TAILS: dict[str, Callable[..., tails.TailEstimator]] = {"hill": tails.HillTail, "regression": tails.RegressionTail}

# Hyperparameters that are objects themselves, and where their names are looked up.
_PARTS: dict[str, Mapping[str, Callable[..., Any]]] = {
    "objective": OBJECTIVES,
    "objectives": OBJECTIVES,
    "weibit": OBJECTIVES,
    "softmax": OBJECTIVES,
    "blend": BLENDS,
    "gate": GATES,
    "exponent": EXPONENTS,
    "towards": EXPONENTS,
    "tail": TAILS,
}


def build(config: Mapping[str, Any]) -> Objective:
    """Return the objective that a mapping describes: its registered `name` beside its hyperparameters.

    A hyperparameter that is an object, such as a gate, is a mapping of the same form:

        {"name": "weince", "temperature": 0.2, "gate": {"name": "published", "margin": 6.0}}

    Raises:
        ValueError: If a name or a hyperparameter is unknown, or a value is refused.
    """
    return _build("objective", config, OBJECTIVES)


def _build(part: str, config: Mapping[str, Any], registry: Mapping[str, Callable[..., Any]]) -> Any:
    name = _checks.one_of(f"{part}.name", config.get("name"), registry)
    accepted = list(inspect.signature(registry[name]).parameters)
    arguments = {}
    for key, value in config.items():
        if key != "name":
            _checks.one_of(f"hyperparameter of {name}", key, accepted)
            arguments[key] = _value(key, value)
    try:
        return registry[name](**arguments)
    except TypeError as error:
        raise ValueError(f"{part} {name!r} cannot be built from {dict(config)!r}: {error}") from error


def _value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _build(key, value, _PARTS[_checks.one_of("a hyperparameter that takes a table", key, _PARTS)])
    if isinstance(value, list):
        return [_value(key, item) for item in value]
    return value
