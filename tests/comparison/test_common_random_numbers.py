"""Two objectives of one seed start from the same weights and see the same views, bit by bit."""

import pytest
import torch

from anchorwise.comparison import Study
from anchorwise.methods import Projected
from anchorwise.objectives import InfoNCE
from anchorwise.training import pretrain


def _seen(study: Study, objective: str, seed: int, monkeypatch, path) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return initial weights and all views that the encoder is trained on."""
    weights, views, forward = [], [], Projected.forward

    def recording(self: Projected, images: torch.Tensor) -> torch.Tensor:
        if not weights:
            weights.extend(weight.detach().clone() for weight in self.state_dict().values())
        if self.training:
            views.append(images.detach().clone())
        return forward(self, images)

    point = study.objectives[objective].grid[0]
    with monkeypatch.context() as patched:
        patched.setattr(Projected, "forward", recording)
        pretrain(study.run_config("digits", objective, point, seed=seed), path, show_progress=False)
    return weights, views


def _same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.whole
@pytest.mark.parametrize("objective", ["dcl", "arctanh"])
def test_objectives_of_a_seed_share_weights_order_and_views(study: Study, objective: str, monkeypatch, tmp_path):
    weights, views = _seen(study, "info_nce", 7, monkeypatch, tmp_path / "a")
    other_weights, other_views = _seen(study, objective, 7, monkeypatch, tmp_path / "b")
    assert len(views) == 2
    assert _same(weights, other_weights)
    assert _same(views, other_views)


def test_an_objective_that_draws_random_numbers_moves_no_views(study: Study, monkeypatch, tmp_path):
    _, views = _seen(study, "info_nce", 7, monkeypatch, tmp_path / "a")
    detail = InfoNCE.detail

    def drawing(self: InfoNCE, *views: torch.Tensor):
        torch.rand(100)
        return detail(self, *views)

    monkeypatch.setattr(InfoNCE, "detail", drawing)
    _, other_views = _seen(study, "info_nce", 7, monkeypatch, tmp_path / "b")
    assert _same(views, other_views)


def test_another_seed_shares_nothing(study: Study, monkeypatch, tmp_path):
    weights, views = _seen(study, "info_nce", 7, monkeypatch, tmp_path / "a")
    other_weights, other_views = _seen(study, "info_nce", 8, monkeypatch, tmp_path / "b")
    assert not torch.equal(weights[0], other_weights[0])
    assert not torch.equal(views[0], other_views[0])
