"""Views of signals: what is drawn by seed, segment and view alone; whose segments meet; what is standardised."""

import pytest
import torch

from anchorwise.modalities.samples import moved
from anchorwise.modalities.sequences import LENGTHS, SIGNALS, Sequences
from anchorwise.modalities.series.policies import ECGViews, PlainViews, PPGViews
from anchorwise.modalities.series.samples import SeriesSamples
from anchorwise.modalities.series.standardise import Standardisation
from anchorwise.modalities.series.views import view_maker_of
from anchorwise.modalities.views import Masking, ViewPlan

PARTICIPANTS = torch.tensor([7, 7, 3, 7, 3, 9])
NAMES = ("a", "b")
ALL = {"cutout": 1.0, "magnitude_warp": 1.0, "time_warp": 1.0, "crop": 1.0, "scaling": 1.0, "noise": 1.0}


def samples_of(lengths: list[int]) -> SeriesSamples:
    """Return segments whose values say which they are."""
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(sum(lengths), 2, generator=generator)
    there = torch.tensor(lengths)
    names = tuple(map(str, range(len(lengths))))
    return SeriesSamples(Sequences(flat, there.cumsum(0) - there, there), NAMES, 32.0, PARTICIPANTS, names)


EQUAL, UNEQUAL = samples_of([20] * 6), samples_of([20, 12, 17, 20, 9, 11])
each_form = pytest.mark.parametrize("samples", [EQUAL, UNEQUAL], ids=["equal", "unequal"])


def _made(samples, policy, ids, seed=3, plan=ViewPlan()):  # noqa: B008
    views = view_maker_of(policy, plan, samples)
    ids = torch.tensor(ids)
    return views(views.collect(samples, ids, seed=seed), seed=seed)


def _tensor(view) -> torch.Tensor:
    return view if isinstance(view, torch.Tensor) else view[SIGNALS]


@each_form
@pytest.mark.parametrize("pairs", ["segment", "participant"])
def test_views_are_drawn_by_seed_segment_and_view_alone(samples, pairs):
    policy = PlainViews(**ALL, permutation=1.0, pairs=pairs)
    views = _made(samples, policy, range(6))
    alone = _made(samples, policy, [4])
    for view, own in zip(views, alone, strict=True):
        steps = _tensor(own).shape[2]
        torch.testing.assert_close(_tensor(view)[4:5, :, :steps], _tensor(own))
    assert not torch.allclose(_tensor(views[0]), _tensor(views[1]))
    assert not torch.allclose(_tensor(_made(samples, policy, range(6), seed=4)[0]), _tensor(views[0]))


def test_a_segments_views_are_of_that_segment_and_nothing_changes_by_a_chance_of_0():
    views = _made(EQUAL, PlainViews(), range(6), plan=ViewPlan(3))
    plain = view_maker_of(PlainViews(), ViewPlan(), EQUAL).plain(EQUAL.take(torch.arange(6)))
    assert len(views) == 3
    assert all(torch.equal(view, plain) for view in views)


@each_form
def test_a_participants_views_are_different_segments_of_the_same_participant(samples):
    policy = PlainViews(pairs="participant", standardise="none")
    met = set()
    for seed in range(30):
        views = [_tensor(view) for view in _made(samples, policy, range(6), seed=seed, plan=ViewPlan(3))]
        for number in range(6):
            own = samples.sequences.of(number).T
            assert torch.equal(views[0][number, :, : own.shape[1]], own)
            for view in views[1:]:
                which = next(i for i in range(6) if torch.equal(view[number, :, :9], samples.sequences.of(i).T[:, :9]))
                met.add((number, which))
    # Of the last participant there is one segment alone.
    assert met == {(0, 1), (0, 3), (1, 0), (1, 3), (3, 0), (3, 1), (2, 4), (4, 2), (5, 5)}


def test_a_view_is_as_long_as_its_segment_and_empty_behind_it():
    views = _made(UNEQUAL, PlainViews(**ALL, pairs="participant"), range(6))
    assert views[0][LENGTHS].tolist() == [20, 12, 17, 20, 9, 11]
    assert set(views[1][LENGTHS][[2, 4]].tolist()) == {9, 17}
    for view in views:
        for row, length in enumerate(view[LENGTHS].tolist()):
            assert view[SIGNALS][row, :, length:].abs().sum() == 0
            assert view[SIGNALS][row, :, :length].abs().sum() > 0


@pytest.mark.whole
@pytest.mark.parametrize("name", [name for name in ALL])
def test_each_change_comes_by_its_own_chance(name: str):
    def changed(chance: float) -> float:
        views = view_maker_of(PlainViews(**{name: chance}), ViewPlan(2), EQUAL)
        plain = views.plain(EQUAL.take(torch.arange(6)))
        made = torch.stack([torch.cat(_made(EQUAL, PlainViews(**{name: chance}), range(6), seed=s)) for s in range(40)])
        return float((made != torch.cat([plain, plain])).flatten(2).any(dim=2).float().mean())

    assert changed(0.0) == 0.0
    assert changed(0.5) == pytest.approx(0.5, abs=0.1)
    assert changed(1.0) > 0.99


def test_segments_are_brought_to_one_scale_each_by_itself_or_all_by_that_of_the_set():
    each = Standardisation("segment", (0.0, 0.0), (1.0, 1.0))(UNEQUAL.take(torch.arange(6)))
    for row, length in enumerate(each[LENGTHS].tolist()):
        torch.testing.assert_close(each[SIGNALS][row, :, :length].mean(dim=1), torch.zeros(2), atol=1e-6, rtol=0)
        torch.testing.assert_close(each[SIGNALS][row, :, :length].std(dim=1, correction=0), torch.ones(2))
    views = view_maker_of(PlainViews(standardise="set"), ViewPlan(), UNEQUAL)
    plain = views.plain(UNEQUAL.take(torch.arange(6)))
    steps = torch.cat([plain[SIGNALS][row, :, :length] for row, length in enumerate(plain[LENGTHS].tolist())], dim=1)
    torch.testing.assert_close(steps.mean(dim=1), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(steps.std(dim=1, correction=0), torch.ones(2))


def test_a_channel_that_is_flat_becomes_0_at_any_height():
    flat = torch.full((1, 1, 50), 1234.567)
    assert Standardisation("segment", (0.0,), (1.0,))(flat).abs().max() == 0.0


def test_a_step_reads_no_value_and_what_is_collected_stays_on_the_host():
    views = view_maker_of(PPGViews(pairs="participant", crop=1.0), ViewPlan(), EQUAL).to("meta")
    batch = views.collect(EQUAL, torch.arange(6), seed=3)
    assert batch.raw.device.type == "cpu"
    made = views(batch.to(torch.device("meta")), seed=torch.zeros((), dtype=torch.int64, device="meta"))
    assert [view.shape for view in made] == [(6, 2, 20)] * 2
    assert views.plain(moved(EQUAL.take(torch.arange(2)), "meta")).shape == (2, 2, 20)


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        (ViewPlan(2, num_small=2), "small views"),
        (ViewPlan(2, masking=Masking(2)), "masks"),
        (ViewPlan(2, num_negatives=1), "hard negatives"),
    ],
)
def test_views_that_there_are_none_of_are_refused(plan, what):
    with pytest.raises(ValueError, match=f"needs {what}, which signals do not have"):
        view_maker_of(ECGViews(), plan, EQUAL)


def test_pairs_of_participants_with_one_segment_each_are_refused_with_the_way_out():
    alone = EQUAL.subset(torch.tensor([0, 2, 5]))
    with pytest.raises(ValueError, match=r"needs participants with two segments or more, got one of each; cut record"):
        view_maker_of(PPGViews(pairs="participant"), ViewPlan(), alone)


def test_shares_stand_in_order():
    with pytest.raises(ValueError, match="must have its lower number first"):
        PPGViews(cutout_share=(0.5, 0.3))
