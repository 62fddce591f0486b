"""Row reductions of the scores between anchors and keys: no caller knows how, or where, they are computed."""

from typing import TYPE_CHECKING

from anchorwise.engine.backend import use_backend
from anchorwise.engine.calls import (
    attend_rows,
    cross_entropy_rows,
    exceedance_rows,
    logsumexp_rows,
    pooled_tail,
    scores_at,
    sum_rows,
    tail_rows,
    tail_summaries,
)
from anchorwise.engine.dense import Dense
from anchorwise.engine.moments import moment_rows
from anchorwise.engine.request import Backend
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.engine.tiled.backend import Tiled
from anchorwise.engine.triton.backend import Triton

__all__ = [
    "Backend",
    "Dense",
    "ExceedanceSums",
    "Tail",
    "Tiled",
    "Triton",
    "attend_rows",
    "cross_entropy_rows",
    "exceedance_rows",
    "logsumexp_rows",
    "moment_rows",
    "pooled_tail",
    "scores_at",
    "sum_rows",
    "tail_rows",
    "tail_summaries",
    "use_backend",
]

if not TYPE_CHECKING:  # A type checker would take every name that is not there for one that is.

    def __getattr__(name: str) -> None:
        """Say where a name has gone."""
        moved = {"plan": "anchorwise.planning.plan", "Cost": "anchorwise.planning.Cost"}
        way_out = f"; it is now {moved[name]}" if name in moved else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{way_out}")
