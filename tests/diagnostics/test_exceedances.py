import math

import numpy as np
import pytest
import torch

from anchorwise.diagnostics import exceedances as module
from anchorwise.diagnostics.exceedances import pooled_exceedances


def views(n=12, d=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    view0 = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return view0, view0 + 0.1 * torch.randn(n, d, generator=generator, dtype=torch.float64)


def cosines_reference(*views):
    """Cosines of all pairs of rows of different images, in plain Python, descending."""
    rows = [(i, row) for view in views for i, row in enumerate(view.tolist())]
    found = []
    for a, (i, first) in enumerate(rows):
        for j, second in rows[a + 1 :]:
            if i != j:
                dot = sum(x * y for x, y in zip(first, second, strict=True))
                found.append(dot / math.sqrt(sum(x * x for x in first) * sum(y * y for y in second)))
    return sorted(found, reverse=True)


def test_reference_matches_a_hand_worked_case():
    # Two orthogonal images, identical views: the four pairs across images have cosine 0, the two within are no pairs.
    assert cosines_reference(torch.eye(2), torch.eye(2)) == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("num_views", [1, 2])
def test_exceedances_equal_the_reference(num_views, monkeypatch):
    chosen = views()[:num_views]
    expected = cosines_reference(*chosen)
    count = round(0.2 * len(expected))
    for chunk_scores in (1 << 22, 60):
        monkeypatch.setattr(module, "CHUNK_SCORES", chunk_scores)
        found = pooled_exceedances(*chosen, quantile=0.8)
        assert found.num_negatives == len(expected) == found.histogram.sum()
        assert found.threshold == pytest.approx(expected[count], abs=1e-14)
        assert found.values + found.threshold == pytest.approx(np.array(expected[:count]), abs=1e-14)
        assert found.num_duplicates == 0


def test_exact_duplicates_are_counted_and_left_out():
    view0, view1 = views()
    view0[5] = 3.0 * view0[2]  # One image twice, at another scale.
    found = pooled_exceedances(view0, view1, quantile=0.8)
    assert found.num_duplicates == 1
    assert found.num_negatives == len(cosines_reference(view0, view1)) - 1
    assert len(found.values) == round(0.2 * found.num_negatives)
    assert found.threshold + found.values.max() < 1.0 - 1e-6


def test_a_collapsed_encoder_has_no_exceedances():
    found = pooled_exceedances(torch.ones(10, 4), quantile=0.5)
    assert len(found.values) == 0
    assert found.num_duplicates == 45


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "views must be one or more matrices .* got none"),
        ((torch.ones(1, 3),), "views must have at least two images"),
        ((torch.full((3, 3), torch.inf),), "views must be finite"),
    ],
)
def test_unusable_views_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        pooled_exceedances(*arguments)


@pytest.mark.parametrize("quantile", [0.0, 1.0, 99.0])
def test_a_quantile_outside_zero_and_one_is_refused(quantile):
    with pytest.raises(ValueError, match="quantile must lie between 0 and 1"):
        pooled_exceedances(torch.eye(3), quantile=quantile)
