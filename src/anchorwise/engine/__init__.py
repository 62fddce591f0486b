"""Row reductions of the scores between anchors and keys: no caller knows how, or where, they are computed."""

from anchorwise.engine.backend import use_backend
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
