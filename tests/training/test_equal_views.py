"""Runs whose views of a sample are all the same: refused where nothing else tells them apart."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import anchorwise
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.training.state import initial_state
from tests.training.conftest import tiny_run

REFUSED = "views of a sample are equal"


@cache
def _samples() -> ImageSet:
    return load_splits(tiny_run().data).pretrain


def _begin(*settings: str) -> None:
    initial_state(tiny_run(["views.name=none", *settings]), _samples(), torch.device("cpu"))


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["views.flip_probability=1"],  # Both views are mirrored.
        ["method.num_views=3", "objective.name=mv_info_nce"],
        ["method.name=simsiam"],
        ["method.name=beclr", "method.num_neighbours=0"],
    ],
)
def test_equal_views_are_refused_before_the_first_step(settings: list[str]):
    with pytest.raises(ValueError, match=REFUSED):
        _begin(*settings)


@pytest.mark.parametrize(
    "settings",
    [
        ["views.crop_scale=[0.3,0.3]"],
        ["views.second.flip_probability=1"],
        ["method.name=dino", "method.num_small=2"],
        ["method.name=mmc_sketch", "encoder.name=vit", "encoder.width=32", "encoder.patch_px=2"],
        ["method.name=nnclr", "method.num_queued=64"],
        ["objective.name=sup_con"],
    ],
)
def test_views_that_differ_anywhere_and_what_learns_of_more_than_views_are_taken(settings: list[str]):
    _begin(*settings)


def _door(tmp_path: Path, encoder: nn.Module, views: Any) -> None:
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = {"train.device": "cpu", "train.knn_every_epochs": 0}
    parts = {"samples": images, "encoder": encoder, "views": views, "set": settings}
    anchorwise.pretrain(out=tmp_path / "run", **parts, epochs=1, batch_size=6, show_progress=False)


class _Dropped(nn.Module):
    """Dropout that no module of the network shows."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(rows, 0.5, self.training)


def test_a_callable_of_ones_own_that_draws_nothing_is_found_out(tmp_path: Path):
    flat = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64))
    with pytest.raises(ValueError, match=REFUSED):
        _door(tmp_path, flat, lambda image: 2.0 * image)
    assert not (tmp_path / "run").exists()
    assert not flat[1].num_batches_tracked  # The encoder was only tried.


def test_what_the_encoder_draws_tells_views_apart(tmp_path: Path):
    _door(tmp_path, nn.Sequential(nn.Flatten(), _Dropped()), lambda image: 2.0 * image)
