"""Objectives that are equal, or proportional, to each other by their formulas."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from anchorwise import (
    CLIP,
    DCL,
    DCLW,
    DHEL,
    FMICL,
    HCL,
    KCL,
    MEOW,
    MVDHEL,
    WEINCE,
    AdaMEOW,
    AlignUniform,
    AsymmetricInfoNCE,
    AveragedViews,
    Blend,
    ConstantGate,
    CrossViewInfoNCE,
    InfoNCE,
    MoCo,
    MoCoV3,
    MVInfoNCE,
    Outcome,
    PairwiseViews,
    PolyView,
    PublishedGate,
    SepCLR,
    SimLAP,
    SoftTargets,
    SogCLR,
    SupCon,
    SupReMix,
    SwAV,
)
from tests.contracts import batches

# Both sides are computed in float64, in another order.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}
ONE_EACH = torch.arange(24)


def _gradients(loss: Tensor, *views: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, views)


@pytest.mark.parametrize("temperature", [0.5, 0.05])
@pytest.mark.parametrize(
    ("make", "given"),
    [
        (SupCon, {"labels": ONE_EACH}),
        (lambda temperature: HCL(temperature=temperature, beta=0.0, positive_prior=0.0), {}),
        (lambda temperature: PolyView(temperature=temperature, mean="geometric"), {}),
        (lambda temperature: PolyView(temperature=temperature, mean="arithmetic"), {}),
        (AveragedViews, {}),
        (lambda temperature: PairwiseViews(objective=InfoNCE(temperature=temperature)), {}),
        (lambda temperature: WEINCE(temperature=temperature, gate=ConstantGate(0.0)), {}),
    ],
    ids=["sup_con", "hcl", "geometric", "arithmetic", "averaged", "pairwise", "weince"],
)
def test_what_reduces_to_info_nce(make, given, temperature: float):
    views = [view.requires_grad_() for view in batches.ordinary()]
    loss, expected = make(temperature=temperature)(*views, **given), InfoNCE(temperature=temperature)(*views)
    torch.testing.assert_close(loss, expected, **CLOSE)
    torch.testing.assert_close(_gradients(loss, *views), _gradients(expected, *views), **CLOSE)


def test_the_released_scale_of_sup_con_is_temperature_over_base_temperature():
    views = batches.ordinary()
    scaled = SupCon(temperature=0.5, base_temperature=0.07)(*views, labels=ONE_EACH)
    torch.testing.assert_close(scaled, InfoNCE(temperature=0.5)(*views) * 0.5 / 0.07, **CLOSE)


def test_dcl_is_the_mean_of_its_two_directions():
    # Each direction as the public implementations write it: own view beside the other view, the diagonal left out.
    view0, view1 = (torch.nn.functional.normalize(view) for view in batches.ordinary())
    directions = []
    for anchors, keys in ((view0, view1), (view1, view0)):
        cross, own = anchors @ keys.T / 0.1, anchors @ anchors.T / 0.1
        diagonal = torch.eye(len(anchors), dtype=torch.bool)
        others = torch.cat([cross.masked_fill(diagonal, -torch.inf), own.masked_fill(diagonal, -torch.inf)], dim=1)
        directions.append((others.logsumexp(dim=1) - cross.diagonal()).mean())
    torch.testing.assert_close(DCL(temperature=0.1)(view0, view1), (directions[0] + directions[1]) / 2, **CLOSE)


def test_mv_dhel_with_two_views_is_dhel():
    views = batches.ordinary()
    torch.testing.assert_close(MVDHEL(temperature=0.3)(*views), DHEL(temperature=0.3)(*views), **CLOSE)


def test_the_symmetrised_dhel_is_another_loss_than_half_of_the_released_one():
    views = batches.ordinary()
    assert (DHEL()(*views) / 2 - DHEL(uniformity_weight=0.5)(*views)).abs() > 0.1


def test_the_first_step_of_sog_clr_has_the_gradient_of_dcl_times_temperature():
    views = [view.requires_grad_() for view in batches.ordinary()]
    loss = SogCLR(num_samples=24, temperature=0.2, gamma=1.0)(*views, ids=ONE_EACH)
    expected = 0.2 * DCL(temperature=0.2)(*views)
    torch.testing.assert_close(_gradients(loss, *views), _gradients(expected, *views), **CLOSE)
    # The mean of exponentials in place of their sum is all that the values differ in.
    torch.testing.assert_close(loss, expected - 0.2 * math.log(46), **CLOSE)


def test_the_two_denominators_of_mv_info_nce_are_two_losses():
    views = batches.ordinary()
    scores = torch.nn.functional.normalize(torch.cat(views))
    pairs = (scores @ scores.T / 0.5).exp()
    samples, sides = torch.arange(48) % 24, torch.arange(48) // 24
    positives = (pairs * ((samples == samples[:, None]) & (sides != sides[:, None]))).sum(dim=1).view(2, -1).sum(dim=0)
    all_but_itself = (pairs - pairs.diagonal().diag()).sum(dim=1).view(2, -1).sum(dim=0)
    other_views = (pairs * (sides != sides[:, None])).sum(dim=1).view(2, -1).sum(dim=0)
    for within_view, denominator in ((True, all_but_itself), (False, other_views)):
        expected = -(positives / denominator).log().mean()
        torch.testing.assert_close(MVInfoNCE(within_view=within_view)(*views), expected, **CLOSE)


def test_f_micl_with_kullback_leibler_is_a_quadratic_alignment_and_a_mean_gaussian():
    view0, view1 = (torch.nn.functional.normalize(view) for view in batches.ordinary())
    alignment = (view0 - view1).square().sum(dim=1).mean()
    gaussian = (-torch.pdist(view0).square()).exp().mean()
    torch.testing.assert_close(FMICL()(view0, view1), alignment + 40.0 * gaussian - 1.0, **CLOSE)


def test_the_gaussian_energy_of_kcl_is_the_exponential_of_uniformity():
    view0, view1 = batches.ordinary()
    same = AlignUniform(align_weight=0.0)(view0, view0)
    energy = (KCL(energy_weight=3.0)(view0, view0) - KCL(energy_weight=1.0)(view0, view0)) / 4.0
    torch.testing.assert_close(energy, same.exp(), **CLOSE)
    assert view1.shape == view0.shape


def test_moco_with_the_batch_as_its_queue_is_a_ctr_of_moco_v3():
    view0, view1 = batches.ordinary()
    queued = MoCo(temperature=0.2)(view0, view1, queue=view1, ids=ONE_EACH, queue_ids=ONE_EACH)
    one_way = CrossViewInfoNCE(temperature=0.2, both_directions=False)
    torch.testing.assert_close(queued, one_way(view0, view1), **CLOSE)
    both = MoCoV3(temperature=0.2)(view0, view1, keys=(view0, view1))
    torch.testing.assert_close(both, 0.4 * (one_way(view0, view1) + one_way(view1, view0)), **CLOSE)


def test_an_empty_queue_gives_no_loss():
    view0, view1 = batches.ordinary()
    for given in (
        {"queue": view0[:0]},
        {"queue": view0[:0], "queue_ids": torch.empty(0, dtype=torch.int64)},
        {"queue": view0, "queue_ids": torch.full((24,), -1)},
    ):
        assert MoCo()(view0, view1, **given) == 0.0


def test_clip_is_the_mean_of_rows_and_columns():
    image, text = batches.ordinary()
    logits = torch.nn.functional.normalize(image) @ torch.nn.functional.normalize(text).T * 9.0
    targets = torch.arange(24)
    rows, columns = (torch.nn.functional.cross_entropy(side, targets) for side in (logits, logits.T))
    torch.testing.assert_close(CLIP()(image, text, logit_scale=torch.tensor(9.0)), (rows + columns) / 2, **CLOSE)


def test_soft_targets_without_softness_are_moco_v3s_and_clips():
    views = batches.ordinary()
    soft = SoftTargets(alpha=0.0)(*views, keys=views)
    torch.testing.assert_close(soft, CLIP()(*views), **CLOSE)


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_label_smoothing_is_that_of_cross_entropy(smoothing: float):
    image, text = batches.ordinary()
    logits = torch.nn.functional.normalize(image) @ torch.nn.functional.normalize(text).T / 0.07
    sides = (logits, logits.T)
    expected = sum(torch.nn.functional.cross_entropy(side, ONE_EACH, label_smoothing=smoothing) for side in sides) / 2
    torch.testing.assert_close(CLIP(label_smoothing=smoothing)(image, text), expected, **CLOSE)
    soft = SoftTargets(alpha=0.0, label_smoothing=smoothing)
    torch.testing.assert_close(soft(image, text, keys=(image, text)), expected, **CLOSE)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_asymmetric_hard_negatives_are_those_of_hcl(beta: float):
    views = batches.ordinary()
    hard = HCL(temperature=0.5, beta=beta, positive_prior=0.12).detail(*views)
    ours = AsymmetricInfoNCE(temperature=0.5, beta=beta, positive_prior=0.12).detail(*views)
    torch.testing.assert_close(ours.per_anchor, hard.per_anchor[:24], **CLOSE)


def test_the_common_term_of_sep_clr_is_align_and_uniform():
    views, nothing = batches.ordinary(), torch.zeros(24, 2, dtype=torch.float64)
    common = SepCLR(temperature=0.2, joint_entropy_weight=0.0)(*views, salients=(nothing, nothing), targets=ONE_EACH)
    same = AlignUniform(align_weight=2.5, uniform_weight=2.0, t=2.5)(*views)
    torch.testing.assert_close(common, same, rtol=1e-12, atol=1e-11)


def test_the_joint_entropy_of_sep_clr_is_the_released_one():
    views = batches.ordinary()
    salients = [0.3 * view[:, :2] for view in views]
    terms = SepCLR().detail(*views, salients=salients, targets=torch.ones(24, dtype=torch.bool)).stats
    released = []
    for common, salient in zip(views, salients, strict=True):
        unit = torch.nn.functional.normalize(common)
        of_both = (-(torch.cdist(unit, unit) ** 2)).exp() * (-(torch.cdist(salient, salient) ** 2)).exp()
        released.append(of_both.mean(dim=1).log().mean())
    torch.testing.assert_close(terms["joint"], torch.stack(released).mean(), rtol=1e-7, atol=1e-9)


def test_sup_re_mix_of_equal_labels_is_sup_con():
    views, same = batches.ordinary(), torch.ones(24)
    ours = SupReMix(temperature=0.1, mixing=0.2)(*views, labels=same)
    torch.testing.assert_close(ours, SupCon(temperature=0.1)(*views, labels=same.long()), **CLOSE)


def test_open_gates_and_equal_weights_are_one_directional_info_nce():
    views, given = batches.ordinary(), {"labels": ONE_EACH, "partners": ONE_EACH}
    one_way = CrossViewInfoNCE(temperature=0.1, both_directions=False)(*views)
    torch.testing.assert_close(SimLAP()(*views, gates=torch.ones_like(views[0]), **given), one_way, **CLOSE)
    weighed = AdaMEOW(temperature=0.1)(*views, network=lambda pairs: 0.0 * pairs.sum(dim=-1, keepdim=True))
    # Every weight is a half, the positive's too.
    torch.testing.assert_close(weighed, one_way - math.log(2.0), **CLOSE)


def test_nodes_in_clusters_of_their_own_are_each_others_negatives_as_often_as_there_are_clusterings():
    views, own = batches.ordinary(), torch.arange(len(batches.ordinary()[0]))
    clusters = torch.stack([own, own.flip(0), own.roll(1)], dim=1)
    units = [torch.nn.functional.normalize(view) for view in views]
    logits = units[0] @ units[1].T / 0.1
    others = logits.masked_fill(torch.eye(len(own), dtype=torch.bool), -torch.inf).logsumexp(dim=1)
    decoupled = (others - logits.diagonal()).mean()
    counted = MEOW(temperature=0.1, both_directions=False)(*views, clusters=clusters)
    torch.testing.assert_close(counted, decoupled + math.log(3.0), **CLOSE)


def test_weights_of_one_make_ada_meow_one_directional_info_nce():
    views = batches.ordinary()
    network = torch.nn.Sequential(
        torch.nn.Linear(views[0].shape[1], 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)
    ).double()
    torch.nn.init.zeros_(network[2].weight)
    torch.nn.init.constant_(network[2].bias, 50.0)
    weighed = AdaMEOW(temperature=0.1)(*views, network=network)
    torch.testing.assert_close(weighed, CrossViewInfoNCE(temperature=0.1, both_directions=False)(*views), **CLOSE)


def test_an_empty_queue_of_swav_is_none():
    views, prototypes = batches.ordinary(), torch.eye(6, dtype=torch.float64)
    empty = SwAV()(*views, prototypes=prototypes, queues=(views[0][:0], views[1][:0]))
    torch.testing.assert_close(empty, SwAV()(*views, prototypes=prototypes), rtol=0.0, atol=0.0)


@pytest.mark.parametrize("jointly", [False, True])
def test_queues_of_swav_with_an_empty_slot_take_no_part(jointly: bool):
    views, prototypes = batches.ordinary(), torch.eye(6, dtype=torch.float64)
    objective = SwAV(jointly=jointly)
    full = [-view for view in views]
    half = [torch.cat([full[0][:1].new_zeros(1, 6), full[0]]), full[1]]
    by_itself, with_half, with_full = (
        objective(*views, prototypes=prototypes, queues=queues) for queues in (None, half, full)
    )
    assert torch.equal(with_half, by_itself)
    assert not torch.allclose(with_full, by_itself, rtol=1e-3)


def test_an_even_split_of_the_gradient_halves_one_sided_info_nce():
    views = [view.requires_grad_() for view in batches.ordinary()]
    even = AsymmetricInfoNCE(alpha=0.5)(*views)
    plain = InfoNCE().detail(*views)
    torch.testing.assert_close(even, plain.per_anchor[:24].mean(), **CLOSE)
    shares = [_gradients(AsymmetricInfoNCE(alpha=alpha)(*views), *views) for alpha in (0.0, 0.5, 1.0)]
    # The gradient is linear in alpha, and all of it goes somewhere at the ends.
    for to_anchor, half, to_key in zip(*shares, strict=True):
        torch.testing.assert_close(2 * half, to_anchor + to_key, **CLOSE)


def test_detached_weights_of_dclw_change_the_gradient_only():
    views = [view.requires_grad_() for view in batches.ordinary()]
    kept, detached = DCLW()(*views), DCLW(detach_weights=True)(*views)
    torch.testing.assert_close(kept, detached, **CLOSE)
    assert (_gradients(kept, *views)[0] - _gradients(detached, *views)[0]).abs().max() > 1e-4


def _assert_same_lambda(outcome: Outcome, weince: Outcome) -> None:
    torch.testing.assert_close(outcome.stats["lambda"].mean(), weince.stats["lambda"].mean(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("gate", [ConstantGate(0.3), PublishedGate(), "likelihood"])
def test_a_blend_of_many_views_reads_what_weince_reads(gate):
    views, blend = batches.clustered(), Blend(gate=gate, exponent=2.0)
    _assert_same_lambda(MVInfoNCE(blend=blend).detail(*views), WEINCE(gate=gate, exponent=2.0).detail(*views))


@pytest.mark.parametrize("gate", [ConstantGate(0.3), "likelihood"])
def test_a_blend_of_labels_of_one_sample_each_is_weince(gate):
    views, blend = batches.clustered(), Blend(gate=gate, exponent=2.0)
    outcome = SupCon(temperature=0.5, blend=blend).detail(*views, labels=ONE_EACH)
    weince = WEINCE(gate=gate, exponent=2.0).detail(*views)
    _assert_same_lambda(outcome, weince)
    torch.testing.assert_close(outcome.loss, weince.loss, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("gate", ["published", "hard"])
@pytest.mark.parametrize("exponent", ["batch", "anchor", "pooled"])
def test_sorted_tails_of_distinct_ids_are_those_without_ids(gate, exponent):
    views, weince = batches.clustered(), WEINCE(gate=gate, exponent=exponent)
    without = WEINCE(gate=gate, exponent=exponent).detail(*views)
    outcome = weince.detail(*views, ids=ONE_EACH)
    torch.testing.assert_close(outcome.per_anchor, without.per_anchor, rtol=1e-11, atol=1e-12)
    for name, value in without.stats.items():
        torch.testing.assert_close(outcome.stats[name], value, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("gate", ["published", "hard"])
def test_sorted_tails_of_labels_of_one_sample_each_are_weinces(gate):
    views, blend = batches.clustered(), Blend(gate=gate, exponent="batch")
    outcome = SupCon(temperature=0.5, blend=blend).detail(*views, labels=ONE_EACH)
    _assert_same_lambda(outcome, WEINCE(gate=gate, exponent="batch").detail(*views))


def test_the_losses_on_which_other_libraries_agree():
    golden = np.load(Path(__file__).parents[1] / "golden" / "nt_xent_peers.npz")
    views = [torch.from_numpy(golden[f"view{i}"]).double().requires_grad_() for i in (0, 1)]
    loss = InfoNCE(temperature=float(golden["temperature"]))(*views)
    assert loss.item() == pytest.approx(float(golden["loss"]), rel=1e-12)
    norm = torch.cat(_gradients(loss, *views)).norm().item()
    assert norm == pytest.approx(float(golden["grad_norm"]), rel=1e-9)
    # What the WEINCE authors' code gives on the same views, to the digits that are known, and of one view's gradient.
    loss = WEINCE(temperature=float(golden["temperature"]), gate="published", exponent="unit")(*views)
    assert loss.item() == pytest.approx(6.25299, abs=5e-6)
    assert _gradients(loss, *views)[0].norm().item() == pytest.approx(0.008746, abs=5e-7)
