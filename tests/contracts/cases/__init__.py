"""The objectives under contract, by family."""

from tests.contracts.cases import assigned, kernels, labelled, multi_view, stateful, tails, two_view
from tests.contracts.cases.case import Call, Case

CASES = [
    *tails.CASES,
    *two_view.CASES,
    *kernels.CASES,
    *multi_view.CASES,
    *labelled.CASES,
    *stateful.CASES,
    *assigned.CASES,
]

__all__ = ["CASES", "Call", "Case"]
