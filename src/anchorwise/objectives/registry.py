"""Objectives by name, and objectives from plain mappings as configuration files hold them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_type_hints

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
from anchorwise.objectives.prediction import Prediction
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
from anchorwise.tails.names import made

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
    "prediction": Prediction,
    "proto_nce": ProtoNCE,
    "swav": SwAV,
    "triplet": Triplet,
    "ko_leo": KoLeo,
    "i_sog_clr": ISogCLR,
    "sog_clr": SogCLR,
    "fast_clip": FastCLIP,
}
BLENDS: dict[str, Callable[..., tails.Blend]] = {"weince": tails.Blend}

# Hyperparameters that are objects themselves, by what they are, and where their names are looked up.
_PARTS: Mapping[type, Mapping[Any, Callable[..., Any]]] = {
    Objective: OBJECTIVES,
    tails.Blend: BLENDS,
    tails.Gate: tails.GATES,
    tails.Exponent: tails.EXPONENTS,
    tails.TailEstimator: tails.TAILS,
}


def build(config: Mapping[str, Any]) -> Objective:
    """Return the objective that a mapping describes: its registered `name` beside its hyperparameters.

    A hyperparameter that is an object, such as a gate, is a mapping of the same form, or its name alone:

        {"name": "weince", "exponent": "anchor", "gate": {"name": "published", "margin": 6.0}}

    Raises:
        ValueError: If a name or a hyperparameter is unknown, or a value is refused.
    """
    return _build("objective", config, OBJECTIVES)


def _build(part: str, config: Mapping[str, Any], table: Mapping[Any, Callable[..., Any]]) -> Any:
    name = _checks.one_of(f"{part}.name", config.get("name"), table)
    accepted, hints = inspect.signature(table[name]).parameters, _hints(table[name])
    arguments = {}
    for key, value in config.items():
        if key != "name":
            _checks.one_of(f"hyperparameter of {name}", key, accepted)
            arguments[key] = _value(f"{name}.{key}", value, hints.get(key))
    return made(part, name, table, arguments)


def _value(key: str, value: Any, hint: Any) -> Any:
    if hint is bool and not isinstance(value, bool):
        # Any text would count as true, "no" as well.
        raise ValueError(f"{key} must be true or false, got {value!r}")
    table = _table_of(hint)
    if table is None:
        if isinstance(value, Mapping):
            raise ValueError(f"{key} takes no table, got {dict(value)!r}; give the value itself")
        return value
    if isinstance(value, str):
        value = {"name": value}
    if isinstance(value, Mapping):
        return _build(key, value, table)
    return [_value(key, item, hint) for item in value] if isinstance(value, list) else value


def _hints(make: Callable[..., Any]) -> dict[str, Any]:
    """Return what hyperparameters are annotated as."""
    return get_type_hints(make.__init__ if isinstance(make, type) else make)


def _table_of(hint: Any) -> Mapping[Any, Callable[..., Any]] | None:
    """Return the names of what fits an annotation such as `float | Exponent` or `Sequence[Objective]`."""
    for wanted in (hint, *get_args(hint)):
        for part, table in _PARTS.items():
            if isinstance(wanted, type) and issubclass(wanted, part):
                return {name: make for name, make in table.items() if wanted is part or make is wanted}
        inner = None if wanted is hint else _table_of(wanted)
        if inner is not None:
            return inner
    return None
