"""Row reductions of the scores between anchors and keys: no caller knows how, or where, they are computed."""

from anchorwise.engine.dense import (
    ExceedanceSums,
    Tail,
    attend_rows,
    exceedance_rows,
    logsumexp_rows,
    pooled_tail,
    scores_at,
    sum_rows,
    tail_rows,
)

__all__ = [
    "ExceedanceSums",
    "Tail",
    "attend_rows",
    "exceedance_rows",
    "logsumexp_rows",
    "pooled_tail",
    "scores_at",
    "sum_rows",
    "tail_rows",
]
