"""Standard errors by influence, against the jackknife that leaves out one row at a time."""

import math

import pytest
import torch

from anchorwise.evaluation.geometry import class_alignment, effective_rank, pair_kernels, uniformity
from anchorwise.evaluation.influence import class_alignment_error, effective_rank_error, uniformity_error

LABELS = torch.arange(80) % 4


def rows_of(width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(4, width, generator=generator)
    scales = torch.linspace(0.2, 2.0, width)
    return (centres[LABELS] + torch.randn(80, width, generator=generator)) * scales


def jackknife(measure):
    """Return the standard error of `measure(kept rows)` in plain Python."""
    values = [measure(torch.arange(80) != left_out) for left_out in range(80)]
    mean = sum(values) / 80
    return math.sqrt(79 / 80 * sum((value - mean) ** 2 for value in values))


def test_the_reference_matches_a_hand_worked_case():
    # The mean of 0, ..., 79 has the standard error s / sqrt(n) with s^2 = n (n + 1) / 12 = 540.
    numbers = torch.arange(80.0)
    assert jackknife(lambda kept: float(numbers[kept].mean())) == pytest.approx(math.sqrt(540 / 80))


@pytest.mark.parametrize("width", [5, 20])
def test_the_error_of_the_effective_rank_is_the_jackknifes(width):
    rows = rows_of(width)
    expected = jackknife(lambda kept: effective_rank(rows[kept]))
    assert effective_rank_error(rows) == pytest.approx(expected, rel=0.1)  # They agree to first order in 1 / n.


def test_few_rows_to_a_column_have_no_error_of_the_rank():
    assert effective_rank_error(rows_of(21)) is None


def test_the_error_of_uniformity_is_the_jackknifes():
    rows = rows_of(5)
    expected = jackknife(lambda kept: uniformity(rows[kept]))
    assert uniformity_error(pair_kernels(rows)) == pytest.approx(expected, rel=0.05)


def test_the_error_of_the_class_alignment_is_the_jackknifes():
    rows = rows_of(5)
    expected = jackknife(lambda kept: class_alignment(rows[kept], LABELS[kept]))
    assert class_alignment_error(rows, LABELS) == pytest.approx(expected, rel=0.1)


def test_directions_of_mere_rounding_do_not_move_the_error_of_the_rank():
    flat = torch.cat([rows_of(5), torch.zeros(80, 3)], dim=1)
    assert effective_rank_error(flat) == pytest.approx(effective_rank_error(rows_of(5)), rel=1e-6)
