"""Contrastive representation learning that takes the tail of the hardest negatives seriously.

    loss = anchorwise.WEINCE()(view0, view1)

Importing this package imports nothing; the first use of a name imports torch and nothing heavier. So the command line
can answer `--version`, and set up threads, before torch is there.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anchorwise import adapters as adapters
    from anchorwise import embeddings as embeddings
    from anchorwise import engine as engine
    from anchorwise import generation as generation
    from anchorwise import objectives as objectives
    from anchorwise import planning as planning
    from anchorwise import synthetic as synthetic
    from anchorwise import tails as tails
    from anchorwise._ranks import gather_rows as gather_rows
    from anchorwise._ranks import over_ranks as over_ranks
    from anchorwise.diagnostics.diagnosis import diagnose as diagnose
    from anchorwise.evaluation.evaluate import evaluate as evaluate
    from anchorwise.objectives.objective import Objective as Objective
    from anchorwise.objectives.objective import Outcome as Outcome
    from anchorwise.objectives.registry import *  # noqa: F403
    from anchorwise.tails import Blend as Blend
    from anchorwise.tails import CapGate as CapGate
    from anchorwise.tails import ConstantGate as ConstantGate
    from anchorwise.tails import HardGate as HardGate
    from anchorwise.tails import LikelihoodGate as LikelihoodGate
    from anchorwise.tails import PublishedGate as PublishedGate
    from anchorwise.training.door import pretrain as pretrain

__version__ = "0.2.0"

_PACKAGES = ("adapters", "embeddings", "engine", "generation", "objectives", "planning", "synthetic", "tails")
# Where names are; that of every objective is in `objectives`.
_HOMES = {
    "Objective": "objectives",
    "Outcome": "objectives",
    **dict.fromkeys(("Blend", "CapGate", "ConstantGate", "HardGate", "LikelihoodGate", "PublishedGate"), "tails"),
    **dict.fromkeys(("gather_rows", "over_ranks"), "_ranks"),
}
# These need the extra `cli`, so `from anchorwise import *` does without them.
_WITH_EXTRA = {"pretrain": "training.door", "diagnose": "diagnostics.diagnosis", "evaluate": "evaluation.evaluate"}

if not TYPE_CHECKING:  # A type checker would take every name that is not there for one that is.

    def __getattr__(name: str) -> Any:
        """Import what is asked for, at its first use; `__all__` too, for which the objectives have to be there."""
        if name == "__all__":
            return sorted({*_PACKAGES, *_HOMES, *_objectives()})
        if name in _PACKAGES:
            return import_module(f"{__name__}.{name}")
        home = {**_HOMES, **_WITH_EXTRA}.get(name)
        # What Python or an import of a module asks for is no objective, and needs no torch to know that.
        may_be_one = home is None and not name.startswith("_") and find_spec(f"{__name__}.{name}") is None
        if may_be_one and name in _objectives():
            home = "objectives"
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, getattr(import_module(f"{__name__}.{home}"), name))


def _objectives() -> list[str]:
    return [make.__name__ for make in import_module(f"{__name__}.objectives").OBJECTIVES.values()]


def __dir__() -> list[str]:
    return sorted({*globals(), *_PACKAGES, *_HOMES, *_WITH_EXTRA, *_objectives()})
