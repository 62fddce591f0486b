"""Changes of signals: what each does to a signal worked by hand."""

import pytest
import torch

from anchorwise.modalities.series.changes import (
    NUM_KNOTS,
    cut_out,
    gaussian,
    knot_curves,
    permuted,
    resampled,
    smooth,
    warped_places,
)

EIGHT = torch.arange(1.0, 9.0).expand(1, 1, 8)


@pytest.mark.parametrize(
    ("share", "place", "length", "left"),
    [
        (0.5, 0.0, 8, [0, 0, 0, 0, 5, 6, 7, 8]),
        (0.5, 1.0, 8, [1, 2, 3, 4, 0, 0, 0, 0]),
        (0.25, 0.5, 8, [1, 2, 3, 0, 0, 6, 7, 8]),
        (0.0, 0.5, 8, [1, 2, 3, 4, 5, 6, 7, 8]),
        (0.5, 1.0, 4, [1, 2, 0, 0, 5, 6, 7, 8]),  # Of what is there, not of what is padded.
    ],
)
def test_a_stretch_of_its_own_steps_is_cut_out(share: float, place: float, length: int, left: list[float]):
    made = cut_out(EIGHT, torch.tensor([share]), torch.tensor([place]), torch.tensor([length]))
    assert made.flatten().tolist() == left


def test_places_between_steps_are_on_straight_lines_and_whole_places_are_exact():
    made = resampled(EIGHT, torch.tensor([[0.0, 0.5, 3.0, 6.75, 7.0, 99.0]]))
    assert made.flatten().tolist() == [1.0, 1.5, 4.0, 7.75, 8.0, 8.0]


def test_a_curve_goes_through_its_knots_and_of_equal_knots_is_flat():
    knots = torch.tensor([[[1.0, -2.0, 0.5, 3.0, -1.0], [0.3, 0.3, 0.3, 0.3, 0.3]]])
    made = smooth(knots, knot_curves(), 9, torch.tensor([9]))[0]
    assert made[0, ::2].tolist() == pytest.approx(knots[0, 0].tolist(), abs=0.02)
    assert made[1].tolist() == pytest.approx([0.3] * 9, abs=1e-5)
    short = smooth(knots, knot_curves(), 9, torch.tensor([5]))[0]
    assert short[0, :5].tolist() == pytest.approx(knots[0, 0].tolist(), abs=0.02)


def test_time_starts_and_ends_with_the_signal_and_never_runs_backwards():
    speed = 1.0 + torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([30] * 10 + [12] * 10)
    places = warped_places(speed, lengths)
    assert torch.equal(places[:, 0], torch.zeros(20))
    torch.testing.assert_close(places.gather(1, lengths.unsqueeze(1) - 1).flatten(), lengths - 1.0)
    assert (places.diff(dim=1) > 0).all()
    even = warped_places(torch.ones(1, 5), torch.tensor([5]))
    assert even.flatten().tolist() == [0, 1, 2, 3, 4]


def test_channels_of_chosen_signals_change_their_places():
    signals = torch.arange(6.0).reshape(1, 3, 2).repeat(2, 1, 1)
    keys = torch.tensor([[0.5, 0.9, 0.1]] * 2)
    made = permuted(signals, keys, torch.tensor([True, False]))
    assert made[0, :, 0].tolist() == [4, 0, 2]
    assert torch.equal(made[1], signals[1])


def test_uniform_numbers_become_normal_ones_none_infinite():
    ends = gaussian(torch.tensor([0.0, 0.5, 1.0 - 2.0**-24]))
    assert torch.isfinite(ends).all()
    assert ends[0] == -ends[2]
    even = gaussian((torch.arange(10_000) + 0.5) / 10_000)
    assert even.mean().item() == pytest.approx(0.0, abs=1e-3)
    assert even.std().item() == pytest.approx(1.0, abs=1e-2)
    assert knot_curves().shape[1] == NUM_KNOTS
