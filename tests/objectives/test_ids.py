"""Samples of one id are no negatives of each other: duplicates and known false negatives."""

import math
from functools import partial

import pytest
import torch

from anchorwise import (
    ADNCE,
    CLIP,
    DCL,
    DCLW,
    DHEL,
    FMICL,
    HCL,
    KCL,
    MVDHEL,
    WEINCE,
    AlignUniform,
    ArctanhInfoNCE,
    AsymmetricInfoNCE,
    AveragedViews,
    Blend,
    CapGate,
    CrossViewInfoNCE,
    InfoNCE,
    KoLeo,
    Mixture,
    MoCoV3,
    MVInfoNCE,
    Objective,
    PairwiseViews,
    PolyView,
    SigLIP,
    Weibit,
)
from anchorwise.engine import Tiled, use_backend
from anchorwise.pairs import views_of
from tests.contracts import batches
from tests.contracts.cases.case import with_ids
from tests.twins import global_loss, kernels, multi_view, two_view
from tests.twins.two_view import scaled

VIEWS = batches.ordinary()
IDS = with_ids(*VIEWS).per_sample["ids"]
COPIED = tuple(view.index_copy(0, torch.tensor([5]), 2.0 * view[:1]) for view in VIEWS)  # Image 5 is sample 0.
THREE = (*VIEWS, batches.ordinary(seed=8)[0])
QUEUE = batches.ordinary(num_samples=5, seed=9)[0]

TAKERS = {
    "cross_view": (CrossViewInfoNCE(), partial(two_view.cross_view, logit=scaled(0.07)), VIEWS, {}),
    "further": (
        CrossViewInfoNCE(),
        partial(two_view.cross_view, logit=scaled(0.07)),
        VIEWS,
        {"negatives": QUEUE},
    ),
    "siglip": (SigLIP(), partial(two_view.siglip, scale=10.0, bias=-10.0), VIEWS, {}),
    "arctanh": (ArctanhInfoNCE(), two_view.arctanh, VIEWS, {}),
    "moco_v3": (
        MoCoV3(),
        partial(two_view.moco_v3, logit=scaled(0.2), scale=0.8),
        VIEWS,
        {"keys": (VIEWS[1].roll(1, dims=1), VIEWS[0].roll(1, dims=1))},
    ),
    "dcl": (DCL(), partial(two_view.dcl, logit=scaled(0.1)), VIEWS, {}),
    "dclw": (DCLW(), partial(two_view.dclw, logit=scaled(0.1), sigma=0.5), VIEWS, {}),
    "dhel": (DHEL(), partial(two_view.dhel, logit=scaled(0.3)), VIEWS, {}),
    "adnce": (ADNCE(), partial(two_view.adnce, logit=scaled(0.4), mu=0.7, sigma=0.5), VIEWS, {}),
    "asymmetric": (
        AsymmetricInfoNCE(beta=1.0, positive_prior=0.12),
        partial(two_view.asymmetric_hard, temperature=0.5, weight=1.0, prior=0.12, beta=1.0),
        VIEWS,
        {},
    ),
    "kcl": (KCL(), partial(kernels.kcl, kernel="gaussian", t=2.0, weight=16.0), VIEWS, {}),
    "f_micl": (FMICL(), partial(kernels.f_micl, divergence="kl", t=1.0, height=1.0, weight=40.0), VIEWS, {}),
    "align_uniform": (AlignUniform(), kernels.align_uniform, VIEWS, {}),
    "ko_leo": (KoLeo(), global_loss.ko_leo, COPIED, {}),
    "mv_info_nce": (MVInfoNCE(), partial(multi_view.mv_info_nce, logit=scaled(0.5)), THREE, {}),
    "mv_dhel": (MVDHEL(), partial(multi_view.mv_dhel, logit=scaled(0.5)), THREE, {}),
    "poly_view": (PolyView(), partial(multi_view.poly_view, logit=scaled(0.5), mean="geometric"), THREE, {}),
    "averaged": (AveragedViews(), partial(multi_view.averaged, logit=scaled(0.5), normalise=False), THREE, {}),
    "pairwise": (PairwiseViews(), partial(multi_view.pairwise, temperature=0.5), THREE, {}),
}


def _lists(value):
    return tuple(map(_lists, value)) if isinstance(value, tuple) else value.tolist()


@pytest.mark.whole
@pytest.mark.parametrize("name", TAKERS)
def test_with_ids_the_loss_is_the_slow_twins(name: str):
    objective, twin, views, given = TAKERS[name]
    expected = twin(*map(_lists, views), **{key: _lists(value) for key, value in given.items()}, ids=IDS.tolist())
    for backend in ("dense", Tiled(size=7)):
        with use_backend(backend):
            outcome = objective.detail(*views, ids=IDS, **given)
        assert outcome.per_anchor.tolist() == pytest.approx(expected, rel=1e-9)
    assert not torch.equal(outcome.loss, objective(*views, **given))


def test_an_anchor_counts_only_the_rows_of_other_ids():
    # Every cosine is 1 or 0: anchor 0 has the rows of samples 2 and 3 at 0, and not those of sample 1 at 1.
    view = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    outcome = InfoNCE(temperature=1.0).detail(view, view, ids=torch.tensor([0, 0, 1, 2]))
    assert outcome.per_anchor[0].item() == pytest.approx(math.log(math.e + 4) - 1)
    # Without ids the duplicate's two rows are negatives at 1.
    assert InfoNCE(temperature=1.0).detail(view, view).per_anchor[0].item() == pytest.approx(math.log(3 + 4 / math.e))


@pytest.mark.parametrize("objective", [InfoNCE(), WEINCE(), Weibit(num_hardest=5), DCL(), SigLIP(), KCL(), HCL()])
def test_ids_that_all_differ_change_nothing(objective: Objective):
    ids = torch.arange(24).flip(0) * 10**15 - 3
    torch.testing.assert_close(objective(*VIEWS, ids=ids), objective(*VIEWS), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("gate", ["likelihood", CapGate(0.3)])
def test_gate_and_exponent_read_what_the_loss_counts(gate):
    # Copies of the first half, under its ids: the tails are those of a batch without the copies, each point twice.
    half = [view[:12] for view in VIEWS]
    doubled = [torch.cat([view, view]) for view in half]
    ids = torch.arange(12).repeat(2)
    stats = WEINCE(gate=gate, exponent="anchor").detail(*doubled, ids=ids).stats
    alone = WEINCE(gate=gate, exponent="anchor").detail(*half).stats
    torch.testing.assert_close(stats["hardest_shortfall"][:12], alone["hardest_shortfall"][:12])
    if "tail_points" in stats:
        torch.testing.assert_close(stats["tail_points"][:12], 2 * alone["tail_points"][:12])


def test_fewer_negatives_than_the_hardest_asked_for_are_all_of_them():
    ids = torch.arange(24).div(12, rounding_mode="floor")  # Every anchor has 24 negatives of 46.
    for objective in (InfoNCE(num_hardest=40), Weibit(exponent=4.0, num_hardest=40)):
        whole = InfoNCE() if isinstance(objective, InfoNCE) else Weibit(exponent=4.0)
        torch.testing.assert_close(objective(*VIEWS, ids=ids), whole(*VIEWS, ids=ids))


@pytest.mark.parametrize("gate", ["published", "hard"])
def test_a_gate_that_sorts_tails_reads_nothing_where_an_anchor_has_no_negative(gate: str):
    objective = WEINCE(gate=gate, exponent="anchor")
    views = [view.clone().requires_grad_() for view in VIEWS]
    outcome = objective.detail(*views, ids=torch.zeros(24, dtype=torch.long))
    outcome.loss.backward()
    assert outcome.loss.item() == 0.0
    assert all((view.grad == 0.0).all() for view in views)
    # Two samples of two ids have each other alone: too few for a tail, and a loss.
    two = objective.detail(*(view[:2] for view in VIEWS), ids=torch.tensor([7, 9]))
    assert two.loss.isfinite()
    assert two.stats["evidence"].abs().max() == 0.0


@pytest.mark.parametrize("objective", [DCL(), DHEL(), KCL(), FMICL(), MVDHEL(), AlignUniform(), DCLW()])
def test_a_batch_of_one_id_is_refused_as_one_sample_is(objective: Objective):
    with pytest.raises(ValueError, match="needs at least 2 samples, got 1"):
        objective(*VIEWS, ids=torch.zeros(24, dtype=torch.int64))


@pytest.mark.parametrize("objective", [InfoNCE(blend=Blend()), HCL(), ADNCE(), CLIP(label_smoothing=0.1), Weibit()])
def test_a_batch_of_one_id_has_loss_zero_and_no_gradient(objective: Objective):
    views = [view.clone().requires_grad_() for view in VIEWS]
    loss = objective(*views, ids=torch.zeros(24, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0.0
    assert all((view.grad == 0).all() for view in views)


def test_mixtures_hand_ids_to_the_parts_that_take_them():
    mixture = Mixture(objectives=(InfoNCE(), Weibit(exponent=4.0)), weights=(1.0, 0.5))
    expected = InfoNCE()(*VIEWS, ids=IDS) + 0.5 * Weibit(exponent=4.0)(*VIEWS, ids=IDS)
    torch.testing.assert_close(mixture(*VIEWS, ids=IDS), expected)


def test_ko_leo_of_one_row_counts_it_as_one_that_coincides():
    row = torch.ones(1, 4, requires_grad=True)
    loss = KoLeo()(row)
    loss.backward()
    assert loss.item() == pytest.approx(-0.5 * math.log(2e-6))
    assert row.grad is not None
    assert not row.grad.any()


def test_ids_may_be_any_whole_numbers_beside_further_negatives():
    ids = torch.arange(24) - 1  # -1 is a sample's name here, and no sign of anything.
    objective = CrossViewInfoNCE()
    torch.testing.assert_close(objective(*VIEWS, ids=ids, negatives=QUEUE), objective(*VIEWS, negatives=QUEUE))


def test_views_know_how_many_samples_differ():
    views = views_of(*VIEWS, ids=IDS)
    assert views.num_distinct == 20
    assert views.num_others.tolist() == [19 if i % 5 == 0 else 23 for i in range(24)]
    assert views_of(*VIEWS).num_distinct == 24
