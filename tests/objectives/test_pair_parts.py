"""Objectives whose pairs need more than a score: what else gets a gradient, what is drawn, and how blocks are cut."""

import pytest
import torch
from torch import nn

from anchorwise import AdaMEOW, CrossViewInfoNCE, GISTEmbed, Objective, SepCLR, SimLAP, SupReMix
from anchorwise.objectives.parts import blocks
from anchorwise.objectives.sup_re_mix import mixing_shares
from tests.contracts import batches
from tests.contracts.cases import CASES
from tests.twins import labelled

SMALL = batches.ordinary(num_samples=6, width=4)
CLASSES = torch.tensor([0, 1, 0, 2, 1, 0])


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)).double()


def test_the_gate_gets_its_gradient():
    gates = torch.rand(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    partners = CLASSES.roll(1)
    assert torch.autograd.gradcheck(
        lambda gate: SimLAP()(*SMALL, labels=CLASSES, partners=partners, gates=gate), [gates]
    )


@pytest.mark.whole
def test_salient_rows_get_their_gradient_and_held_ones_only_their_own_term():
    targets = torch.tensor([1, 0, 1, 1, 0, 0])
    salients = [0.1 * view.clone().requires_grad_() for view in SMALL]
    assert torch.autograd.gradcheck(
        lambda *rows: SepCLR(temperature=0.2)(*SMALL, salients=rows, targets=targets), salients
    )
    free = SepCLR(background_weight=0.0)(*SMALL, salients=salients, targets=targets)
    for gradient in torch.autograd.grad(free, salients):
        assert (gradient[targets == 0] == 0).all()
        assert (gradient[targets == 1] != 0).any()


@pytest.mark.parametrize("value", [0, 1])
def test_a_batch_of_one_kind_lacks_the_terms_over_the_other(value: int):
    salients = [0.1 * view for view in SMALL]
    terms = SepCLR().detail(*SMALL, salients=salients, targets=torch.full((6,), value)).stats
    assert (terms["background"] == 0) == (value == 1)
    # Held at 0 the background is all one point, of uniformity 0.
    assert (terms["salient"].abs() < 1e-12) == (value == 0)


def test_distances_of_long_salient_rows_keep_their_digits():
    salients = [0.1 * view.float() + 300.0 for view in SMALL]
    narrow = SepCLR()(*(view.float() for view in SMALL), salients=salients, targets=torch.ones(6, dtype=torch.bool))
    wide = SepCLR()(*SMALL, salients=[rows.double() for rows in salients], targets=torch.ones(6, dtype=torch.bool))
    torch.testing.assert_close(narrow.double(), wide, rtol=1e-5, atol=0.0)


def test_the_network_of_ada_meow_gets_its_gradient():
    network = _network()
    names, values = zip(*network.named_parameters(), strict=True)

    def loss(*parameters: torch.Tensor) -> torch.Tensor:
        held = dict(zip(names, parameters, strict=True))
        return AdaMEOW()(*SMALL, network=lambda pairs: torch.func.functional_call(network, held, (pairs,)))

    assert torch.autograd.gradcheck(loss, [value.detach().requires_grad_() for value in values])


@pytest.mark.parametrize("mixing", [(2.0, 8.0), (5.0, 5.0)])
def test_mixing_shares_are_those_of_the_generator(mixing: tuple[float, float]):
    labels = torch.arange(24) % 7
    loss = SupReMix(mixing=mixing).detail(
        *batches.ordinary(), labels=labels, generator=torch.Generator().manual_seed(3)
    )
    shares = mixing_shares(mixing, torch.ones(48, dtype=torch.float64), torch.Generator().manual_seed(3))
    views = [view.tolist() for view in batches.ordinary()]
    expected = torch.tensor(labelled.sup_re_mix(*views, labels=labels.tolist(), shares=shares.tolist()))
    torch.testing.assert_close(loss.per_anchor, expected.double(), rtol=1e-6, atol=1e-9)


def test_mixing_shares_follow_the_beta_distribution():
    shares = mixing_shares((2.0, 8.0), torch.ones(300), torch.Generator().manual_seed(0)).flatten()
    # Mean 0.2 and variance 2 * 8 / (10^2 * 11); within 5 standard errors of 90,000 draws.
    assert shares.mean().item() == pytest.approx(0.2, abs=5 * (0.0145 / 90_000) ** 0.5)
    assert shares.var().item() == pytest.approx(16 / 1100, rel=0.03)


@pytest.mark.parametrize("name", ["sup_re_mix", "ada_meow"])
def test_blocks_of_anchors_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch):
    (case,) = [case for case in CASES if case.name == name]
    results = []
    for entries in (blocks.BLOCK_ENTRIES, 1):
        monkeypatch.setattr(blocks, "BLOCK_ENTRIES", entries)
        views = [view.requires_grad_() for view in batches.ordinary()]
        loss = case.loss(*views)
        results.append((loss.detach(), *torch.autograd.grad(loss, views)))
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)


def test_only_one_block_of_pairs_is_held_for_the_gradient(monkeypatch: pytest.MonkeyPatch):
    """Bytes that autograd keeps grow with the batch and not with its square."""
    monkeypatch.setattr(blocks, "BLOCK_ENTRIES", 1)
    network = _network()

    def kept(num_samples: int) -> int:
        views = [view.requires_grad_() for view in batches.ordinary(num_samples, width=4)]
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: sizes.append(saved.numel()), lambda _: None):
            objective: Objective = AdaMEOW()
            objective(*views, network=network)
        return sum(sizes)

    assert kept(64) < 2.5 * kept(32)


def test_a_guide_that_leaves_all_makes_contrast_between_views_and_one_that_leaves_none_no_loss():
    views = torch.randn(2, 6, 4, dtype=torch.float64)
    apart, alike = torch.eye(6, dtype=torch.float64), torch.ones(6, 2, dtype=torch.float64)
    between = GISTEmbed(temperature=0.1, same_view=False)
    plain = CrossViewInfoNCE(temperature=0.1, both_directions=False)(*views)
    torch.testing.assert_close(between(*views, guides=(apart, apart)), plain, rtol=1e-12, atol=0)
    assert float(GISTEmbed(margin=0.1)(*views, guides=(alike, alike))) == 0


def test_a_guide_gets_no_gradient():
    views = torch.randn(2, 6, 4, dtype=torch.float64)
    guides = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    rows = views.clone().requires_grad_()
    GISTEmbed(temperature=0.1)(*rows, guides=tuple(guides)).backward()
    assert guides.grad is None
    assert bool(rows.grad.isfinite().all())


def test_a_linear_layer_that_sees_every_row_once_weighs_pairs_as_one_that_sees_every_pair():
    generator = torch.Generator().manual_seed(3)
    views = torch.randn(2, 9, 5, dtype=torch.float64, generator=generator).requires_grad_()
    network = torch.nn.Sequential(torch.nn.Linear(5, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).double()
    found = []
    for weigh in (network, lambda sums: network(sums)):
        loss = AdaMEOW()(*views, network=weigh)
        found.append([loss, *torch.autograd.grad(loss, [views, *network.parameters()])])
    for factored, plain in zip(*found, strict=True):
        torch.testing.assert_close(factored, plain, rtol=1e-12, atol=1e-12)
