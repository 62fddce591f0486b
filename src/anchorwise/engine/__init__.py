"""Row reductions of the scores between anchors and keys: no caller knows how, or where, they are computed."""

from anchorwise.engine.dense import (
    ExceedanceSums,
    Tail,
    exceedance_rows,
    logsumexp_rows,
    pooled_tail,
    scores_at,
    tail_rows,
)

__all__ = [
    "ExceedanceSums",
    "Tail",
    "exceedance_rows",
    "logsumexp_rows",
    "pooled_tail",
    "scores_at",
    "tail_rows",
]
