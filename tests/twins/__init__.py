"""Slow twins of the objectives: plain Python float64, written from the formulas, sharing no code with the package.

A view is a list of rows; a twin takes views and returns the losses of the anchors, view by view.
"""

from tests.twins import assigned, global_loss, kernels, labelled, multi_view, row_tails, two_view
from tests.twins.core import (
    Batch,
    Ids,
    Rows,
    blend_link,
    cosine,
    cross_entropy,
    info_nce,
    math,
    shortfall,
    sigmoid,
    softmax_link,
    weibit_link,
)
from tests.twins.tails import (
    Exceedances,
    gate_tail_size,
    hard_blend,
    hill_exponents,
    likelihood_blend,
    published_blend,
    regression_exponents,
    regressions,
)

__all__ = [
    "Batch",
    "Exceedances",
    "Ids",
    "Rows",
    "assigned",
    "blend_link",
    "cosine",
    "cross_entropy",
    "gate_tail_size",
    "global_loss",
    "hard_blend",
    "hill_exponents",
    "info_nce",
    "kernels",
    "labelled",
    "likelihood_blend",
    "math",
    "multi_view",
    "published_blend",
    "regression_exponents",
    "regressions",
    "row_tails",
    "shortfall",
    "sigmoid",
    "softmax_link",
    "two_view",
    "weibit_link",
]
