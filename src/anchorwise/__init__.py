"""Contrastive representation learning that takes the tail of the hardest negatives seriously.

    loss = anchorwise.WEINCE()(view0, view1)

Importing this package imports nothing; the first use of a name imports torch and nothing heavier. So the command line
can answer `--version`, and set up threads, before torch is there.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anchorwise import adapters, embeddings, engine, objectives, synthetic, tails
    from anchorwise._ranks import gather_rows, over_ranks
    from anchorwise.diagnostics.diagnosis import diagnose as diagnose
    from anchorwise.evaluation.judge import evaluate as evaluate
    from anchorwise.objectives import (
        ADNCE,
        CLIP,
        DCL,
        DCLW,
        DHEL,
        FMICL,
        HCL,
        KCL,
        MEOW,
        MVDHEL,
        WEINCE,
        AdaMEOW,
        AlignUniform,
        ArctanhInfoNCE,
        AsymmetricInfoNCE,
        AveragedViews,
        CrossViewInfoNCE,
        FastCLIP,
        InfoNCE,
        ISogCLR,
        KoLeo,
        Mixture,
        MoCo,
        MoCoV3,
        MVInfoNCE,
        Objective,
        Outcome,
        PairwiseViews,
        PolyView,
        Prediction,
        ProtoNCE,
        Selection,
        SepCLR,
        SigLIP,
        SimLAP,
        SoftTargets,
        SogCLR,
        SupCon,
        SupReMix,
        SwAV,
        Triplet,
        Weibit,
        hardest_regularised,
    )
    from anchorwise.tails import Blend, CapGate, ConstantGate, HardGate, LikelihoodGate, PublishedGate

__version__ = "0.1.0"

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
    "WEINCE",
    "AdaMEOW",
    "AlignUniform",
    "ArctanhInfoNCE",
    "AsymmetricInfoNCE",
    "AveragedViews",
    "Blend",
    "CapGate",
    "ConstantGate",
    "CrossViewInfoNCE",
    "FastCLIP",
    "HardGate",
    "ISogCLR",
    "InfoNCE",
    "KoLeo",
    "LikelihoodGate",
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
    "PublishedGate",
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
    "adapters",
    "embeddings",
    "engine",
    "gather_rows",
    "hardest_regularised",
    "objectives",
    "over_ranks",
    "synthetic",
    "tails",
]

# These need the extra `cli`, so `from anchorwise import *` does without them.
_WITH_EXTRA = {"diagnose": "diagnostics.diagnosis", "evaluate": "evaluation.judge"}
_HOMES = ("objectives", "tails", "_ranks")  # Where the names of `__all__` are that are no packages.

if not TYPE_CHECKING:  # A type checker would take every name that is not there for one that is.

    def __getattr__(name: str) -> Any:
        """Import what is asked for, at its first use."""
        if name in _WITH_EXTRA:
            return globals().setdefault(name, getattr(import_module(f"{__name__}.{_WITH_EXTRA[name]}"), name))
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if find_spec(f"{__name__}.{name}") is not None:
            return import_module(f"{__name__}.{name}")
        homes = (import_module(f"{__name__}.{home}") for home in _HOMES)
        return globals().setdefault(name, next(getattr(home, name) for home in homes if hasattr(home, name)))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_WITH_EXTRA})
