"""Whoever loads the batches, they are the same, in order; what fails is raised, and nothing is left behind."""

import threading
from collections.abc import Callable
from contextlib import closing

import pytest
import torch
from torch.utils._pytree import tree_leaves

from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.own.samples import as_samples
from anchorwise.modalities.own.views import OwnViews
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import ViewMaker, ViewPlan
from anchorwise.training.loading import ByWorkers, InTurn, Loader, ReadAhead, Resident, Wanted, loader_of

CPU = torch.device("cpu")


class _Raw(ViewMaker):
    def forward(self, batch: Batch, *, seed: int | torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (batch.raw,)

    def plain(self, raw: torch.Tensor) -> torch.Tensor:
        return raw


@pytest.fixture
def images() -> ImageSet:
    pixels = torch.arange(20 * 4, dtype=torch.uint8).view(20, 1, 2, 2)
    labels, names = torch.arange(20) % 3, tuple(map(str, range(20)))
    return ImageSet(pixels, labels, ("a", "b", "c"), names, groups=torch.arange(20) // 2).with_brightness()


def _wanted(num: int = 6) -> list[Wanted]:
    return [Wanted(torch.randperm(20)[: 5 - step % 2], step) for step in range(num)]


@pytest.mark.parametrize(
    "make", [lambda images: Resident(images, images.whole(), CPU), lambda images: ReadAhead(images, CPU)]
)
def test_samples_that_wait_are_those_that_are_read_in_turn(images: ImageSet, make: Callable[[ImageSet], Loader]):
    wanted = _wanted()
    loaded = list(make(images).batches(wanted))
    for batch, expected in zip(loaded, InTurn(_Raw(), images).batches(wanted), strict=True):
        for part, other in zip(tree_leaves(batch.parts), tree_leaves(expected.parts), strict=True):
            assert part is other is None or torch.equal(part, other)


def test_reading_ahead_keeps_two_batches_ahead_and_ends_with_its_reader(images: ImageSet, monkeypatch):
    read = []
    monkeypatch.setattr(ReadAhead, "_read", lambda loader, ids: read.append(ids) or ids)
    with closing(ReadAhead(images, CPU).batches(_wanted(20))) as batches:
        for _ in range(3):
            next(batches)
    assert len(read) <= 5
    assert not [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_what_fails_while_reading_ahead_is_raised_where_its_batch_would_have_come(images: ImageSet):
    wanted = _wanted(4)
    wanted[2] = Wanted(torch.tensor([77]), 2)
    batches = ReadAhead(images, CPU).batches(wanted)
    assert len([next(batches), next(batches)]) == 2
    with pytest.raises(IndexError):
        next(batches)


class _Drawn(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == 19:
            raise OSError("disk of sample 19")
        return torch.full((1, 2, 2), float(index))


def _noisy(image: torch.Tensor) -> torch.Tensor:
    return image + torch.rand(1, 2, 2)


@pytest.mark.whole
def test_processes_that_read_ahead_make_the_same_views_and_raise_what_fails_in_them():
    samples = as_samples(_Drawn())
    views = OwnViews(_noisy, ViewPlan(), on_batches=False)
    loader = loader_of(views, samples, CPU, num_workers=2)
    assert isinstance(loader, ByWorkers)
    wanted = [Wanted(torch.tensor([step, step + 1]), step) for step in range(5)]
    for batch, expected in zip(loader.batches(wanted), InTurn(views, samples).batches(wanted), strict=True):
        assert all(torch.equal(*pair) for pair in zip(batch.raw, expected.raw, strict=True))
    with pytest.raises(OSError, match="disk of sample 19"):
        list(loader.batches([Wanted(torch.tensor([19]), 0)]))


def test_on_a_cpu_samples_in_memory_are_read_in_turn(images: ImageSet):
    assert isinstance(loader_of(_Raw(), images, CPU, num_workers=2), InTurn)
