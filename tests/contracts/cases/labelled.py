"""Objectives that know classes."""

from functools import partial

import torch
from torch import Tensor

from anchorwise import SupCon
from tests.contracts.cases.case import Call, Case
from tests.contracts.cases.two_view import BLEND
from tests.twins import labelled
from tests.twins.two_view import mixed, scaled


def _classes(num_images: int) -> Tensor:
    # Five classes of uneven sizes and, in a batch of 24, one image alone in its class.
    return torch.arange(num_images).remainder(5).masked_fill(torch.arange(num_images) == 7, 99)


def _with_labels(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), per_image={"labels": _classes(len(view0))})


def _one_view_with_labels(view0: Tensor, view1: Tensor) -> Call:
    # Made of both, so that both get a gradient.
    return Call((view0 + 0.5 * view1,), per_image={"labels": _classes(len(view0))})


CASES = [
    Case(
        "sup_con",
        SupCon,
        partial(labelled.sup_con, logit=scaled(0.1)),
        others={"temperature": 0.2, "base_temperature": 0.07, **BLEND},
        call=_with_labels,
    ),
    Case(
        "sup_con-one_view",
        SupCon,
        partial(labelled.sup_con, logit=mixed(0.5, 0.2, 3.0), scale=0.2 / 0.07),
        given={"temperature": 0.2, "base_temperature": 0.07, **BLEND},
        call=_one_view_with_labels,
    ),
]
