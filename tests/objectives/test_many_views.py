"""Objectives of any number of views, from 2 to 8 of them, against their slow twins."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from anchorwise import (
    MVDHEL,
    AveragedViews,
    InfoNCE,
    KoLeo,
    MVInfoNCE,
    Objective,
    PairwiseViews,
    PolyView,
    SupCon,
    SupReMix,
    SwAV,
)
from tests.contracts import batches
from tests.twins import assigned, global_loss, labelled, multi_view
from tests.twins.two_view import scaled

CLASSES = torch.tensor([0, 1, 0, 2, 1])
PROTOTYPES = batches.ordinary(num_samples=4, seed=3)[0]


def _views(num_views: int) -> list[Tensor]:
    base = batches.ordinary(num_samples=5, seed=0)[0]
    return [base + 0.5 * batches.ordinary(num_samples=5, seed=seed)[1] for seed in range(num_views)]


@pytest.mark.whole
@pytest.mark.parametrize("num_views", range(2, 9))
@pytest.mark.parametrize(
    ("objective", "twin", "given"),
    [
        (MVInfoNCE(temperature=0.2), partial(multi_view.mv_info_nce, logit=scaled(0.2)), {}),
        (MVDHEL(temperature=0.2), partial(multi_view.mv_dhel, logit=scaled(0.2)), {}),
        (PolyView(temperature=0.2), partial(multi_view.poly_view, logit=scaled(0.2), mean="geometric"), {}),
        (AveragedViews(temperature=0.2), partial(multi_view.averaged, logit=scaled(0.2), normalise=False), {}),
        (PairwiseViews(objective=InfoNCE(temperature=0.2)), partial(multi_view.pairwise, temperature=0.2), {}),
        (SupCon(temperature=0.2), partial(labelled.sup_con, logit=scaled(0.2)), {"labels": CLASSES}),
        (SupReMix(mixing=0.2), partial(labelled.sup_re_mix, shares=0.2), {"labels": CLASSES}),
        (SwAV(), assigned.swav, {"prototypes": PROTOTYPES}),
        (KoLeo(), global_loss.ko_leo, {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Objective) else "",
)
def test_any_number_of_views(
    objective: Objective, twin: Callable[..., list[float]], given: dict[str, Any], num_views: int
):
    views = _views(num_views)
    expected = twin(*(view.tolist() for view in views), **{name: value.tolist() for name, value in given.items()})
    found = objective.detail(*views, **given).per_anchor
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)
