"""Log-sums and cross-entropies of whole rows: the gradient written by hand is the one that torch makes of the steps."""

import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anchorwise import CLIP, WEINCE, InfoNCE, Weibit
from anchorwise.engine import cross_entropy_rows, logsumexp_rows, use_backend
from anchorwise.links import ArctanhLink, BlendLink, Link, ShortfallLink, SoftmaxLink
from anchorwise.objectives import Objective
from anchorwise.pairs import Contrast, Views, unit_rows, views_of

NUM_SAMPLES = 5


def _rows(num_views: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_views, NUM_SAMPLES, 4, generator=generator, dtype=torch.float64)


def _per_anchor(contrast: Contrast, lowest: float) -> Tensor:
    return torch.linspace(lowest, lowest + 0.8, len(contrast.anchors), dtype=torch.float64)


LINKS: dict[str, Callable[[Contrast, Tensor], Link]] = {
    "temperature": lambda contrast, scale: SoftmaxLink(0.3),
    "learnt scale": lambda contrast, scale: SoftmaxLink(1.0, scale),
    "a scale each": lambda contrast, scale: SoftmaxLink(1.0, scale * _per_anchor(contrast, 0.5)),
    "shortfall": lambda contrast, scale: ShortfallLink(4.0 * _per_anchor(contrast, 0.5), 0.99),
    "blend": lambda contrast, scale: BlendLink(_per_anchor(contrast, 0.1), 0.5, 3.0 * _per_anchor(contrast, 0.2)),
    "blend of a learnt scale": lambda contrast, scale: BlendLink(
        _per_anchor(contrast, 0.1), 1.0, 3.0 * _per_anchor(contrast, 0.2), scale=scale
    ),
    "learnt exponent": lambda contrast, scale: ShortfallLink(scale * _per_anchor(contrast, 0.5)),
    "no closed form": lambda contrast, scale: ArctanhLink(),
}
CONTRASTS: dict[str, Callable[[Views], Contrast]] = {
    "pooled": lambda views: views.pooled(),
    "pooled without its own view": lambda views: views.pooled(same_view=False),
    "across": lambda views: views.across(0, 1),
}
IDS = {"distinct": None, "ids": torch.tensor([7, 3, 7, 1, 0]), "one id": torch.zeros(NUM_SAMPLES, dtype=torch.int64)}


def _reduce(rows: Tensor, scale: Tensor, link, contrast, ids) -> tuple[Tensor, Tensor]:
    made = contrast(views_of(*rows, ids=ids))
    with use_backend("dense"):
        losses, _ = cross_entropy_rows(made, link(made, scale))
        # An empty row is minus infinity, from which there is no way on.
        sums = logsumexp_rows(made, link(made, scale)).clamp_min(-1e3)
    return losses, sums


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("contrast", CONTRASTS.values(), ids=CONTRASTS)
@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_gradients_are_those_of_the_steps(link, contrast, ids, monkeypatch: pytest.MonkeyPatch):
    factors = torch.linspace(-1.0, 2.0, 20, dtype=torch.float64)

    def found() -> list[Tensor]:
        rows, scale = _rows().requires_grad_(), torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
        results = _reduce(rows, scale, link, contrast, ids)
        total = sum((result * factors[: len(result)]).sum() for result in results)
        gradients = torch.autograd.grad(total, [rows, scale], allow_unused=True)
        return [*(result.detach() for result in results), *(each for each in gradients if each is not None)]

    by_hand = found()
    monkeypatch.setattr("anchorwise.engine.whole_rows.hand_written_gradients_serve", lambda: False)
    torch.testing.assert_close(by_hand, found(), rtol=1e-12, atol=1e-13)


@pytest.mark.whole
@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("ids", [None, IDS["ids"]], ids=["distinct", "ids"])
def test_they_can_be_differentiated_again(link, ids):
    def losses(rows: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return _reduce(rows, scale, link, CONTRASTS["pooled"], ids)

    inputs = (_rows().requires_grad_(), torch.tensor(3.0, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(losses, inputs, check_batched_grad=True, fast_mode=False)
    assert torch.autograd.gradgradcheck(losses, inputs, fast_mode=True)


def test_the_positives_of_a_contrast_are_where_it_says():
    rows = _rows()
    units = unit_rows(rows)
    views = views_of(*rows)
    own = (units[0] * units[1]).sum(dim=1)
    for contrast, expected in ((views.pooled(), own.repeat(2)), (views.across(0, 1), own)):
        _, scores = cross_entropy_rows(contrast, SoftmaxLink(0.3))
        torch.testing.assert_close(scores, expected)
        torch.testing.assert_close(contrast.positive_scores, expected)
    with pytest.raises(ValueError, match="positives must be keys: say in first_positive"):
        cross_entropy_rows(views.within(0), SoftmaxLink(0.3))


def test_backends_agree_about_cross_entropies():
    contrast = views_of(*_rows()).pooled()
    link = SoftmaxLink(0.3)
    results = []
    for backend in ("dense", "tiled"):
        with use_backend(backend):
            results.append(cross_entropy_rows(contrast, link))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(
    "objective", [InfoNCE(), CLIP(), WEINCE(), Weibit()], ids=lambda objective: type(objective).__name__
)
def test_a_loss_that_is_kept_keeps_no_scores(objective: Objective):
    # As in a list of the losses of an epoch: what the backward pass has used is gone, though the loss is there.
    views = [torch.randn(31, 4, requires_grad=True) for _ in range(2)]
    loss = objective(*views)
    assert _num_matrices() > 0
    loss.backward()
    assert _num_matrices() == 0


def _num_matrices() -> int:
    gc.collect()
    return sum(isinstance(each, Tensor) and each.ndim == 2 and min(each.shape) >= 31 for each in gc.get_objects())
