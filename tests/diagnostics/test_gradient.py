import math

import numpy as np
import pytest
import torch

from anchorwise.diagnostics.gradient import (
    SHORTFALL,
    WEINCE,
    compare_links,
    effective_negatives,
    gradient_shares,
    softmax_name,
    sorted_scores,
)
from anchorwise.diagnostics.rows import usable_rows
from anchorwise.embeddings import Embeddings
from anchorwise.links import BlendLink, ShortfallLink, SoftmaxLink
from anchorwise.objectives import InfoNCE
from anchorwise.pairs import views_of

SCORES = torch.tensor([[0.9, 0.5, 0.1, -0.3], [0.8, 0.7, 0.6, -torch.inf]], dtype=torch.float64)


def shares_reference(scores, logit, slope):
    """Probability times slope of every negative, divided by their sum, in plain Python."""
    rows = []
    for row in scores.tolist():
        weights = [math.exp(logit(s)) * slope(s) if s > -math.inf else 0.0 for s in row]
        rows.append([weight / math.fsum(weights) for weight in weights])
    return np.array(rows)


def test_reference_matches_a_hand_worked_case():
    # exp(0) and exp(log 3): shares 1/4 and 3/4.
    found = shares_reference(torch.tensor([[0.0, 1.0]]), lambda s: s * math.log(3), lambda s: 1.0)
    assert found[0].tolist() == pytest.approx([0.25, 0.75])


def test_shares_equal_the_reference():
    temperature, alpha, blend = 0.3, 2.5, 0.4
    numbers = torch.full((2,), alpha, dtype=torch.float64)
    cases = [
        (SoftmaxLink(temperature), lambda s: s / temperature, lambda s: 1 / temperature),
        (ShortfallLink(numbers), lambda s: -alpha * math.log(1 - s), lambda s: alpha / (1 - s)),
        (
            BlendLink(torch.full_like(numbers, blend), temperature, numbers),
            lambda s: (1 - blend) * s / temperature - blend * alpha * math.log(1 - s),
            lambda s: (1 - blend) / temperature + blend * alpha / (1 - s),
        ),
    ]
    for link, logit, slope in cases:
        assert gradient_shares(SCORES, link).numpy() == pytest.approx(shares_reference(SCORES, logit, slope), rel=1e-12)


def test_shares_are_those_of_the_gradient_of_the_loss():
    view0, view1 = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    contrast = views_of(view0, view1).pooled()
    shares = gradient_shares(sorted_scores(contrast), SoftmaxLink(0.2))
    # The derivative of InfoNCE along each score, from the loss itself: move one key of one anchor's row.
    anchors = contrast.anchors
    scores = (anchors @ anchors.T).requires_grad_()
    candidates = scores.masked_fill(torch.eye(12, dtype=torch.bool), -torch.inf) / 0.2
    positive = scores[torch.arange(12), torch.arange(12).roll(6)] / 0.2
    loss = (candidates.logsumexp(dim=1) - positive).mean()
    assert loss.item() == pytest.approx(InfoNCE(temperature=0.2)(view0, view1).item())
    (gradient,) = torch.autograd.grad(loss, scores)
    gradient[torch.arange(12), torch.arange(12).roll(6)] = 0.0
    expected = (gradient / gradient.sum(dim=1, keepdim=True)).sort(dim=1, descending=True).values
    assert shares[:, :10].numpy() == pytest.approx(expected[:, :10].numpy(), rel=1e-9)


def test_effective_negatives_count_equal_shares():
    assert effective_negatives(torch.tensor([[0.25] * 4, [1.0, 0.0, 0.0, 0.0]])).tolist() == [4.0, 1.0]


@pytest.fixture(scope="module")
def report():
    rows = np.random.default_rng(0).standard_normal((400, 6)).astype(np.float32)
    return compare_links(
        usable_rows(Embeddings((rows, rows + 0.1))),
        batch_size=64,
        temperatures=(0.1, 0.5),
        weince_temperature=0.5,
        rng=np.random.default_rng(0),
    )


def test_every_link_shares_out_the_whole_gradient(report):
    assert report.num_negatives == 126
    assert list(report.shares) == [softmax_name(0.1), softmax_name(0.5), WEINCE, SHORTFALL]
    for shares in report.shares.values():
        assert len(shares.share_by_rank) == 126
        assert sum(shares.share_by_rank) == pytest.approx(1.0, abs=1e-4)
        assert np.all(np.diff(shares.share_by_rank) <= 1e-7)  # A harder negative never gets less.


def test_a_lower_temperature_looks_at_fewer_negatives(report):
    cold, warm = (np.median(report.shares[softmax_name(one)].effective_negatives) for one in (0.1, 0.5))
    assert cold < warm


def test_the_matched_temperature_has_the_shortfall_links_effective_negatives():
    rows = usable_rows(Embeddings((np.random.default_rng(1).standard_normal((400, 6)).astype(np.float32),)))

    def look(temperature):
        return compare_links(
            rows, batch_size=64, temperatures=(temperature,), weince_temperature=0.5, rng=np.random.default_rng(0)
        )

    matched = look(0.5).matched_temperature[0]
    again = look(matched)
    effective = again.shares[softmax_name(matched)].effective_negatives[0]
    assert effective == pytest.approx(again.shares[SHORTFALL].effective_negatives[0], rel=0.01)


def test_the_slope_temperature_is_room_over_exponent(report):
    # In a random batch the hardest negative leaves least room: the shortfall link is steepest there.
    values = [np.median(found) for found in report.slope_temperature.values()]
    assert list(report.slope_temperature) == [1, 5, 20, 50]
    assert values == sorted(values)
