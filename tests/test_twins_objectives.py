"""The twins of the other objectives, checked on cases worked by hand before anything is checked against them."""

import math

import pytest

from tests.contracts.cases import BY_HAND
from tests.twins import assigned, global_loss, kernels, labelled, multi_view, two_view
from tests.twins.core import EYE

# Logits are the scores.
PLAIN = two_view.scaled(1.0)
E = math.e


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        # One negative, in the other view.
        (two_view.cross_view(EYE, EYE, PLAIN), [math.log(E + 1) - 1] * 4),
        (two_view.cross_view(EYE, EYE, PLAIN, both=False), [math.log(E + 1) - 1] * 2),
        # A positive at 1 has odds 2 / 1e-6 at the floor, and two negatives odds 1 each.
        (two_view.arctanh(EYE, EYE), [math.log(2e6 + 2) - math.log(2e6)] * 4),
        # The pair itself: -log sigmoid(2 - 1); the other: -log sigmoid(-(0 - 1)).
        (two_view.siglip(EYE, EYE, 2.0, -1.0), [2 * math.log(1 + 1 / E)] * 2),
        # A queue of the opposite direction (score -1) and of the second sample; the first entry is not kept.
        (
            two_view.moco(EYE[:1], EYE[:1], [[1.0, 1.0], [-1.0, 0.0], [0.0, 1.0]], PLAIN, lambda i, k: k > 0),
            [math.log(E + 1 / E + 1) - 1],
        ),
        (two_view.moco_v3(EYE, EYE, (EYE, EYE), PLAIN, 4.0), [4 * (math.log(E + 1) - 1)] * 4),
        # Two negatives at 0, positive left out.
        (two_view.dcl(EYE, EYE, PLAIN), [math.log(2) - 1] * 4),
        # Equal positives: every weight is 2 - 1.
        (two_view.dclw(EYE, EYE, PLAIN, 0.5), [math.log(2) - 1] * 4),
        # One other row in the view, at 0; both views' terms count for the sample, so twice per anchor.
        (two_view.dhel(EYE, EYE, PLAIN), [-1.0] * 4),
        (two_view.dhel(EYE, [[-1.0, 0.0], [0.0, 1.0]], two_view.scaled(0.5), both=False), [2.0, -2.0]),
        # N = 2, R = 2, so Ng = max((2 - 0.1 * 2 e) / 0.9, 2 / e) = (2 - 0.2 e) / 0.9.
        (two_view.hcl(EYE, EYE, 1.0, 0.1, 1.0), [math.log((E + (2 - 0.2 * E) / 0.9) / E)] * 4),
        # (2 - 0.5 * 2 e) / 0.5 is below 0, and the floor 2 / e acts.
        (two_view.hcl(EYE, EYE, 1.0, 0.5, 0.0), [math.log((E + 2 / E) / E)] * 4),
        # Equal negatives have weight 1 whatever the bell.
        (two_view.adnce(EYE, EYE, PLAIN, 0.7, 0.5), [math.log(E + 2) - 1] * 4),
        # A further negative at -1 from the first sample and 0 from the second.
        (
            two_view.cross_view(EYE, EYE, PLAIN, both=False, negatives=[[-2.0, 0.0]]),
            [math.log(E + 1 + 1 / E) - 1, math.log(E + 2) - 1],
        ),
        # A target of 0.1 on the other key, at 0, and 0.9 on the own one, at 1.
        (two_view.smoothed(EYE, EYE, PLAIN, 0.2), [math.log(E + 1) - 0.9] * 4),
        # N = 2 and R = 2 as for HCL, with twice the positive in the numerator.
        (two_view.asymmetric_hard(EYE, EYE, 1.0, 2.0, 0.1, 1.0), [math.log(1 + (2 - 0.2 * E) / 1.8 / E)] * 2),
        (two_view.asymmetric(EYE, EYE, 1.0, 2.0), [math.log(2 * E + 2) - math.log(2 * E)] * 2),
        # d^2 is 0 for a positive and 2 for the other row of the view.
        (kernels.kcl(EYE, EYE, "gaussian", 1.0, 3.0), [-2 + 6 / E**2] * 4),
        (kernels.kcl(EYE, EYE, "log", 1.0, 3.0), [-3 * math.log(3)] * 4),
        (kernels.kcl(EYE, EYE, "imq", 1.0, 3.0), [-2 + 6 / math.sqrt(3)] * 4),
        (kernels.kcl(EYE, EYE, "gaussian_riesz", 2.0, 3.0), [-2 + 3.0] * 4),
        (kernels.kcl(EYE, EYE, "riesz", -2.0, 3.0), [2 * 2e-6 - 12.0] * 4),
        # G is 2 for the positive and 2 / e^2 for the other row.
        (kernels.f_micl(EYE, EYE, "kl", 1.0, 2.0, 3.0), [6 / E**2 - math.log(2) - 1] * 2),
        (kernels.f_micl(EYE, EYE, "pearson", 1.0, 2.0, 3.0), [3 * (4 / E**4 - 1) - 2.0] * 2),
        # log mean exp(-2 * 2) = -4, no distance of positives; opposite positives are 2 apart.
        (kernels.align_uniform(EYE, EYE), [-4.0] * 4),
        (kernels.align_uniform(EYE, [[-1.0, 0.0], [0.0, -1.0]], alpha=1.0), [2.0 - 4.0] * 4),
        # Three equal views: 6 ordered pairs at 1; denominators add 18 (or 12 across views) pairs at 0.
        (multi_view.mv_info_nce(EYE, EYE, EYE, logit=PLAIN), [math.log((6 * E + 9) / (6 * E))] * 2),
        (
            multi_view.mv_info_nce(EYE, EYE, EYE, logit=PLAIN, within_view=False),
            [math.log((6 * E + 6) / (6 * E))] * 2,
        ),
        # Three unordered pairs at 1 and one row at 0 in every denominator.
        (multi_view.mv_dhel(EYE, EYE, EYE, logit=PLAIN), [-math.log(3 * E)] * 2),
        (multi_view.poly_view(EYE, EYE, logit=PLAIN, mean="geometric"), [math.log(E + 2) - 1] * 4),
        (multi_view.poly_view(EYE, EYE, EYE, logit=PLAIN, mean="arithmetic"), [math.log(E + 3) - 1] * 6),
        (multi_view.pairwise(EYE, EYE, EYE, temperature=1.0), [math.log(E + 2) - 1] * 12),
        # The mean of a row and its opposite is 0, and so are all scores with it; within the view too.
        (
            multi_view.averaged([EYE[0]], [EYE[0]], [[-1.0, 0.0]], logit=PLAIN, normalise=False),
            [0.0] * 6,
        ),
        # Both samples in one class: three positives at 1, 0, 0 and the same three in the denominator.
        (labelled.sup_con(EYE, EYE, labels=[0, 0], logit=PLAIN), [math.log(E + 2) - 1 / 3] * 4),
        (labelled.sup_con(EYE, labels=[0, 1], logit=PLAIN), [0.0] * 2),
        # Inside the logarithm three positives at 1, 0, 0 add up to e + 2, which is all there is.
        (labelled.sup_con(EYE, EYE, labels=[0, 0], logit=PLAIN, average="none"), [0.0] * 4),
        (labelled.sup_con(EYE, EYE, labels=[0, 0], logit=PLAIN, average="inside"), [math.log(3)] * 4),
        # Three views of two samples, as solo-learn numbers them: two positives at 1 beside three negatives at 0.
        (
            labelled.sup_con(EYE, EYE, EYE, labels=[0, 1], logit=PLAIN, average="none"),
            [math.log(2 * E + 3) - math.log(2 * E)] * 6,
        ),
        (labelled.sup_con(EYE, EYE, labels=[0, 1], logit=PLAIN, num_anchor_views=1), [math.log(E + 2) - 1] * 2),
        # Image 1 is a positive of sample 0 and not the other way round: its two rows at 0 beside the own one at 1.
        (
            labelled.sup_con(EYE, EYE, mask=[[1, 1], [0, 1]], logit=PLAIN),
            [math.log(E + 2) - 1 / 3, math.log(E + 2) - 1] * 2,
        ),
        # Labels 0, 1, 2 of e1, e2, -e1. The ends have no positive. The middle's is halfway between the ends, at 0 and
        # of weight 1. Its rows are at 0, of weight 2; mixed half and half with it at 1/2, of weight 3/2.
        (
            labelled.sup_re_mix([*EYE, [-1.0, 0.0]], labels=[0, 1, 2], shares=0.5, temperature=1.0),
            [0.0, math.log(2 + 2 + 2 * 1.5 * math.exp(0.5) + 1), 0.0],
        ),
        # A window of 1 has no mixed positive; a label apart, its own second view is the only positive, at 1. The other
        # sample's rows are at 0, of weight 11; mixed with a share of 0.2 at 0.2, of weight 9.
        (
            labelled.sup_re_mix(EYE, EYE, labels=[0, 10], shares=0.2, temperature=1.0, window=1.0),
            [math.log(E + 2 * 11 + 2 * 9 * math.exp(0.2)) - 1] * 4,
        ),
        # Partners are the other class: the positive is at 0, and no key is of neither class. With itself as partner the
        # positive is at 1, halved twice by the gate, against the other one at 0.
        (labelled.sim_lap(EYE, EYE, labels=[0, 1], partners=[1, 0], gates=[[1.0, 1.0]] * 2, scale=1.0), [0.0] * 2),
        (
            labelled.sim_lap(EYE, EYE, labels=[0, 1], partners=[0, 1], gates=[[0.5, 0.5]] * 2, scale=1.0),
            [math.log(math.exp(0.25) + 1) - 0.25] * 2,
        ),
        # Scaled to length 1 after the gate, both cosines are what they were.
        (
            labelled.sim_lap(
                EYE, EYE, labels=[0, 1], partners=[0, 1], gates=[[0.5, 0.1]] * 2, scale=1.0, renormalise=True
            ),
            [math.log(E + 1) - 1] * 2,
        ),
        # Common rows: no alignment to lose, d^2 = 2, log e^-2 = -2. Salient rows 3 (target) and 1 (background, held at
        # 0): uniformity -9, none to align, 1 for the background (all of it on its row). Joint: log((1 + e^-11) / 2).
        (
            labelled.sep_clr(EYE, EYE, ([[3.0], [1.0]],) * 2, [1, 0], weights=(2.0, 0.5, 4.0, 1.0)),
            [
                -4.0 - 9.0 + math.log((1 + math.exp(-11)) / 2),
                -4.0 - 9.0 + 8.0 + math.log((1 + math.exp(-11)) / 2),
            ]
            * 2,
        ),
        # u is 1 for negatives at 0; temperature (0 + rho) - 1.
        (global_loss.sog_clr(EYE, EYE, [0, 1], temperature=0.5, rho=2.0), [0.0] * 4),
        # Logits are scores: log u is 0 for negatives at 0, and tau (0 + rho - 1).
        (global_loss.sog_clr(EYE, EYE, [0, 1], temperature=0.5, rho=2.0, logit=PLAIN), [0.5] * 4),
        (global_loss.fast_clip(EYE, EYE, [0, 1], temperature=0.5, rho=2.0, logit=PLAIN), [0.5] * 4),
        # One other key at 0: u is exp(-1 / tau).
        (global_loss.fast_clip(EYE, EYE, [0, 1], temperature=0.5, rho=2.0), [0.5 * (-2.0 + 2.0)] * 4),
        # exp(-1 / tau) each: tau (-1 / tau + rho).
        (global_loss.i_sog_clr(EYE, EYE, [0, 1]), [-1 + 0.4 * 0.1] * 4),
        (global_loss.ko_leo(EYE), [-math.log(math.sqrt(2))] * 2),
        # Distances 0 and 2: max(0 - 2 + 3, 0).
        (global_loss.triplet(EYE, EYE, EYE[::-1], margin=3.0), [1.0] * 4),
        # Of rows as they are, squared distances are 1, 2 and 1, and then 1, 4 and 5.
        (global_loss.triplet([[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]], normalise=False), [0.0, 1.0]),
        (global_loss.triplet([[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 2.0]], normalise=False), [0.0, 0.0]),
        # Each sample has its own prototype; balanced shares e^(1/eps) : 1 stay as they are.
        (
            assigned.swav(EYE, EYE, prototypes=EYE, temperature=1.0, epsilon=1.0),
            [math.log(E + 1) - E / (E + 1)] * 4,
        ),
        # One sample at one prototype and then at the other: a view by itself is spread evenly, both together are not.
        (
            assigned.swav(EYE[:1], EYE[1:], prototypes=EYE, temperature=1.0, epsilon=1.0),
            [math.log(E + 1) - 1 / 2] * 2,
        ),
        (
            assigned.swav(EYE[:1], EYE[1:], prototypes=EYE, temperature=1.0, epsilon=1.0, jointly=True),
            [math.log(E + 1) - 1 / (E + 1)] * 2,
        ),
        # Nothing is balanced: with a queue at -1 the shares e, 1 are twice their part of e + 1 + 1 / e + 1.
        (
            assigned.swav(
                *[EYE[:1]] * 2,
                prototypes=EYE,
                queues=([[-1.0, 0.0]],) * 2,
                temperature=1.0,
                epsilon=1.0,
                num_iterations=0,
            ),
            [2 * ((E + 1) * math.log(E + 1) - E) / (E + 2 + 1 / E)] * 2,
        ),
        # A queue with the first sample's row: the prototypes' sums are 2 e + 1 and e + 2, and one iteration divides.
        (
            assigned.swav(
                EYE, EYE, prototypes=EYE, queues=(EYE[:1],) * 2, temperature=1.0, epsilon=1.0, num_iterations=1
            ),
            [
                math.log(E + 1) - E * (E + 2) / (E * (E + 2) + 2 * E + 1),
                math.log(E + 1) - E * (2 * E + 1) / (E * (2 * E + 1) + E + 2),
            ]
            * 2,
        ),
        # Logits 1 / 0.5 for the own prototype, 0 for the other.
        (assigned.proto_nce(EYE, EYE, [0, 1], [0.5, 1.0]), [math.log(E**2 + 1) - 2, math.log(E + 1) - 1]),
        # Target 0.4 e / (e + 1) + 0.6 on the own key, with logits 1 and 0.
        (
            assigned.soft_targets(EYE, EYE, (EYE, EYE), logit_scale=1.0),
            [math.log(E + 1) - (0.4 * E / (E + 1) + 0.6)] * 4,
        ),
        # The same targets for logits 2 and 0.
        (
            assigned.soft_targets(EYE, EYE, (EYE, EYE), logit_scale=1.0, logit=two_view.scaled(0.5)),
            [math.log(E**2 + 1) - 2 * (0.4 * E / (E + 1) + 0.6)] * 4,
        ),
        # The same target, smoothed: 0.8 of it and 0.1 on each key.
        (
            assigned.soft_targets(EYE, EYE, (EYE, EYE), logit_scale=1.0, smoothing=0.2),
            [math.log(E + 1) - 0.8 * (0.4 * E / (E + 1) + 0.6) - 0.1] * 4,
        ),
        # Log-odds are the first entry of the sum: 2 and 1 for the first anchor, 1 and 0 for the second.
        (
            assigned.ada_meow(EYE, EYE, lambda pair: pair[0], temperature=1.0),
            [
                math.log(E / (1 + math.exp(-2)) + 1 / (1 + 1 / E)) - 1,
                math.log(1 / (1 + 1 / E) + E / 2) - 1,
            ],
        ),
        # Told apart by one of two clusterings: weight 1 for the other sample, at 0.
        (assigned.meow(EYE, EYE, [[0, 0], [0, 1]], temperature=1.0), [-1.0] * 4),
        *BY_HAND,
    ],
)
def test_a_twin_gives_the_number_worked_by_hand(losses: list[float], expected: list[float]):
    assert losses == pytest.approx(expected, rel=1e-7, abs=1e-12)


def test_a_second_visit_moves_u_by_gamma():
    twin = global_loss.Global(gamma=0.25, rho=0.0, temperature=1.0, shifted=False)
    twin.visit(EYE, EYE, [0, 1])
    # Negatives at 0 first (u = 1), then, with the second sample turned round, still 0; then at -1.
    twin.visit(EYE, [[1.0, 0.0], [0.0, -1.0]], [0, 1])
    assert twin.denominators[0] == pytest.approx(1.0)
    twin.visit([[1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]], [0, 1])
    assert twin.denominators[0] == pytest.approx(0.75 + 0.25 / E)


def test_modalities_remember_apart():
    twin = global_loss.Pairs(gamma=0.25, rho=0.0, temperature=1.0)
    twin.visit(EYE, EYE, [0, 1])
    # Images still see their own text at 1 and the other at 0; the first text now sees both images at 1.
    twin.visit([EYE[0], EYE[0]], EYE, [0, 1])
    assert twin.denominators[0][0] == pytest.approx(1 / E)
    assert twin.denominators[1][0] == pytest.approx(0.75 / E + 0.25)


def test_a_temperature_moves_against_its_slope():
    twin = global_loss.Global(gamma=0.5, rho=0.4, temperature=0.1, shifted=True)
    twin.visit(EYE, EYE, [0, 1])
    # log u = -10 and the weighted excess is -1: slope -10 + 0.4 + 10 = 0.4, momentum half of it.
    assert twin.temperatures[0] == pytest.approx(0.1 - 0.03 * 0.2)
    assert twin.denominators[0] == pytest.approx(math.exp(-10 * 0.1 / twin.temperatures[0]))
