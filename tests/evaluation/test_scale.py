"""What is said of features does not depend on the unit that they are measured in."""

import numpy as np
import pytest
import torch

from anchorwise.embeddings import as_embeddings
from anchorwise.evaluation.geometry import alignment, class_alignment, covariance_spectrum, effective_rank, uniformity
from anchorwise.evaluation.knn import knn_accuracies
from anchorwise.evaluation.linear import fit_probe
from anchorwise.evaluation.recall import recalls_within
from anchorwise.evaluation.rows import judged_rows
from anchorwise.pairs import unit_rows

SCALES = [2.0**-140, 2.0**-80, 2.0**64, 2.0**120]


def clustered(seed=0, num_rows=60, width=6):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_rows) % 3
    centres = torch.randn(3, width, generator=torch.Generator().manual_seed(9))
    # Whole multiples of 1/8, so that no scale rounds them.
    return torch.round(8.0 * (centres[labels] + torch.randn(num_rows, width, generator=generator))) / 8.0, labels


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    "measure",
    [
        lambda rows, labels: recalls_within(rows, labels, max_neighbors=5),
        lambda rows, labels: knn_accuracies(rows[::2], labels[::2], rows[1::2], labels[1::2], max_neighbors=5),
        lambda rows, _: uniformity(rows),
        lambda rows, _: alignment(rows[::2], rows[1::2]),
        class_alignment,
        lambda rows, _: effective_rank(rows),
        lambda rows, _: covariance_spectrum(rows).tolist(),
    ],
    ids=["recall", "knn", "uniformity", "alignment", "class_alignment", "effective_rank", "spectrum"],
)
def test_measures_are_the_same_at_any_scale(measure, scale):
    rows, labels = clustered()
    assert measure(scale * rows, labels) == measure(rows, labels)


@pytest.mark.parametrize("scale", SCALES)
def test_the_probe_is_the_same_at_any_scale(scale):
    rows, labels = clustered()
    expected, probe = fit_probe(rows, labels, penalty=1e-3), fit_probe(scale * rows, labels, penalty=1e-3)
    assert torch.equal(probe.weight, expected.weight)
    assert torch.equal(probe.logits(scale * rows), expected.logits(rows))


def test_float64_rows_beyond_float32_keep_their_direction():
    rows = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for scale in (1e-300, 1e300):
        assert torch.allclose(unit_rows(scale * rows), unit_rows(rows), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("size", "shown"), [(1e200, "1e+200"), (1e-200, "1e-200")])
def test_numbers_that_float32_cannot_hold_are_refused_with_the_way_out(size, shown):
    with pytest.raises(ValueError, match=rf"sizes from 1.4e-45 to 3.4e\+38, got {shown.replace('+', '[+]')}; multiply"):
        judged_rows(as_embeddings(np.full((3, 2), size)))


def test_small_numbers_beside_others_are_no_reason_to_refuse_rows():
    assert judged_rows(as_embeddings(np.array([[1.0, 1e-200], [0.0, 0.0]]))).tolist() == [[1.0, 0.0], [0.0, 0.0]]
