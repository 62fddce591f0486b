"""Row reductions of the scores between anchors and keys: no caller knows how, or where, they are computed."""

from anchorwise.engine.backend import use_backend
from anchorwise.engine.base import Backend
from anchorwise.engine.calls import (
    attend_rows,
    exceedance_rows,
    logsumexp_rows,
    pooled_tail,
    scores_at,
    sum_rows,
    tail_rows,
    tail_summaries,
)
from anchorwise.engine.costs import Cost, plan
from anchorwise.engine.dense import Dense
from anchorwise.engine.results import ExceedanceSums, Tail, Watch
from anchorwise.engine.tiled.backend import Tiled

__all__ = [
    "Backend",
    "Cost",
    "Dense",
    "ExceedanceSums",
    "Tail",
    "Tiled",
    "Watch",
    "attend_rows",
    "exceedance_rows",
    "logsumexp_rows",
    "plan",
    "pooled_tail",
    "scores_at",
    "sum_rows",
    "tail_rows",
    "tail_summaries",
    "use_backend",
]
