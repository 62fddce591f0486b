"""Orders that look at the model: hard batches and batches within clusters; what they chose is saved."""

import math
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anchorwise import InfoNCE
from anchorwise.pairs import unit_rows
from anchorwise.training import RunDirectory, apply_overrides, pretrain
from anchorwise.training.checkpoint import load_checkpoint
from anchorwise.training.hard_batches import HighestLoss, Spectral, affinities, losses_of, spectral_cut
from anchorwise.training.order import batch_sizes
from anchorwise.training.within_clusters import WithinClusters
from tests import processes
from tests.methods.training import ALL, method_of
from tests.training.conftest import tiny_run
from tests.training.stopping import send_at_step


def _rows(num: int, width: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    view0, view1 = unit_rows(torch.randn(2, num, width, generator=generator, dtype=torch.float64))
    return view0, view1


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(4)


def test_the_loss_of_a_batch_is_info_nce():
    rows, batches = _rows(12), torch.tensor([[0, 5, 7, 2], [11, 10, 1, 3]])
    expected = [InfoNCE(temperature=0.3)(rows[0][batch], rows[1][batch]).item() for batch in batches]
    assert losses_of(rows, batches, 0.3).tolist() == pytest.approx(expected, rel=1e-12)


def test_of_random_batches_those_of_the_highest_loss_are_taken_of_every_size():
    sizes, rows = [4, 4, 4, 2], _rows(14)
    order = HighestLoss(HighestLoss.Config(num_candidates=5, temperature=0.2), None, sizes)
    found, generator = order.batches_of(rows, _generator()), _generator()
    assert [len(batch) for batch in found] == sizes
    tried = [batch for _ in range(5) for batch in torch.randperm(14, generator=generator).split(sizes)]

    def loss(batch: Tensor) -> float:
        return InfoNCE(temperature=0.2)(rows[0][batch], rows[1][batch]).item()

    for size in (4, 2):
        best = sorted(map(loss, (batch for batch in tried if len(batch) == size)), reverse=True)[: sizes.count(size)]
        assert sorted(map(loss, (batch for batch in found if len(batch) == size)), reverse=True) == pytest.approx(best)


def test_affinities_are_those_of_the_source_up_to_a_factor():
    view0, view1 = _rows(5)
    found = affinities(view0, view1, 3, 0.5)
    cosines = [[float(view0[i] @ view1[j]) / 0.5 for j in range(5)] for i in range(5)]

    def slow(i: int, j: int) -> float:
        return math.prod(1 + 2 * math.exp(cosine - cosines[i][i]) for cosine in (cosines[i][j], cosines[j][i]))

    expected = torch.tensor([[0.0 if i == j else (slow(i, j) + slow(j, i)) / 2 for j in range(5)] for i in range(5)])
    assert torch.allclose(found / found.max(), (expected / expected.max()).double(), rtol=1e-6)


def test_spectral_batches_find_samples_that_are_alike_and_have_the_sizes_asked_for():
    groups = torch.arange(12) % 3
    close = (groups[:, None] == groups).double() + 0.01
    parts = spectral_cut(close.fill_diagonal_(0.0), [4, 4, 4], _generator())
    assert sorted(sorted(part.tolist()) for part in parts) == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    assert [len(part) for part in spectral_cut(close, [5, 5, 2], _generator())] == [5, 5, 2]


def test_every_sample_is_in_one_spectral_batch():
    order = Spectral(Spectral.Config(num_batches=2), None, sizes := [4, 4, 4, 4, 2])
    batches = order.batches_of(_rows(18), _generator())
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(batches).tolist()) == list(range(18))


def _clustered(classes: Tensor, sizes: list[int]) -> WithinClusters:
    order = object.__new__(WithinClusters)
    order.config, order.labels, order.sizes, order.classes = WithinClusters.Config(), None, sizes, classes
    return order


def test_every_batch_is_of_one_class_and_classes_get_their_share():
    classes = torch.tensor([0] * 30 + [1] * 20 + [2] * 3)
    order = _clustered(classes, batch_sizes(53, batch_size=5))
    batches = order.batches(53, seed=1, epoch=0)
    assert [len(batch) for batch in batches] == order.sizes
    of_batch = [set(classes[batch].tolist()) for batch in batches]
    assert all(len(found) == 1 for found in of_batch)
    assert [sum(found == {number} for found in of_batch) for number in range(3)] == [7, 4, 0]
    assert all(len(batch.unique()) == len(batch) for batch in batches)
    large = torch.cat([batch for batch, found in zip(batches, of_batch, strict=True) if found == {0}])
    assert torch.bincount(large, minlength=30)[:30].min() == 1


def test_the_ranks_share_these_batches():
    order = _clustered(torch.arange(40) % 2, [8] * 5)
    alone = order.batches(40, seed=1, epoch=3)
    parts = [order.batches(40, seed=1, epoch=3, rank=rank, world_size=2) for rank in range(2)]
    assert all(torch.equal(torch.cat(shares), whole) for whole, *shares in zip(alone, *parts, strict=True))


def test_a_class_is_what_all_stages_say():
    # Clusters 0 and 1 of one stage, 0 and 1 of the other: four classes, where the last stage alone has two.
    first, second = torch.tensor([0, 0, 1, 1] * 5), torch.tensor([0, 1, 0, 1] * 5)
    order = _clustered(torch.empty(0), [])
    order.config = WithinClusters.Config(num_clusters=2)
    rows = [torch.nn.functional.one_hot(members, 2).float() for members in (first, second)]
    classes = order._classes_of(rows, seed=0)
    assert len(classes.unique()) == 4
    for number in range(4):
        chosen = classes == number
        assert len(set(zip(first[chosen].tolist(), second[chosen].tolist(), strict=True))) == 1


@pytest.mark.whole
@pytest.mark.parametrize("name", ["highest_loss", "spectral"])
def test_a_run_goes_on_with_the_batches_that_it_chose(name: str, tmp_path: Path, monkeypatch):
    config = tiny_run([f"order.name={name}", "train.num_epochs=2", "train.knn_every_epochs=0"])
    whole = pretrain(config, tmp_path / "a", show_progress=False)
    send_at_step(5, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path / "b", show_progress=False)
    saved = load_checkpoint(tmp_path / "b" / "checkpoint.safetensors")["order"]["chosen"]
    resumed = pretrain(config, tmp_path / "b", show_progress=False)
    assert torch.equal(load_checkpoint(resumed.checkpoint_file)["order"]["chosen"], saved)
    _assert_same_weights(whole, resumed)


@pytest.mark.whole
def test_a_second_stage_trains_within_the_clusters_of_the_first(tmp_path: Path, monkeypatch):
    quick = ["train.num_epochs=2", "train.knn_every_epochs=0", "train.batch_size=8"]
    first = pretrain(tiny_run(quick), tmp_path / "first", show_progress=False)
    stage = ["order.name=within_clusters", f"order.earlier=['{first.path}']", "order.num_clusters=3"]
    config = apply_overrides(tiny_run(quick), stage)
    whole = pretrain(config, tmp_path / "a", show_progress=False)
    assert len(load_checkpoint(whole.checkpoint_file)["order"]["classes"].unique()) == 3
    send_at_step(9, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path / "b", show_progress=False)
    _assert_same_weights(whole, pretrain(config, tmp_path / "b", show_progress=False))


def _assert_same_weights(whole: RunDirectory, resumed: RunDirectory) -> None:
    expected, found = (load_checkpoint(run.checkpoint_file)["model"] for run in (whole, resumed))
    assert [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])] == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["order.name=within_clusters"], r"order\.name=within_clusters needs order\.earlier, the folders of the runs"),
        (["order.name=within_clusters", "order.earlier=['nowhere']"], "nowhere holds no encoder.json"),
        (["order.name=highest_loss", "method.name=simlap"], r"order\.name=highest_loss needs a method of two views"),
        (
            ["method.name=pcl", "method.warmup_epochs=0"],
            r"method\.num_clusters must be at most the \d+ samples, got 1000",
        ),
        (
            ["method.name=moco", "method.num_queued=7"],
            r"method\.num_queued must be at least the \d+ samples of a batch",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(settings: list[str], words: str, tmp_path: Path):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        pretrain(tiny_run(settings), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


def test_classes_smaller_than_a_batch_are_refused_with_the_way_out():
    order = _clustered(torch.arange(12) % 4, [6, 6])
    with pytest.raises(
        ValueError, match=r"wants 6 samples of one class in a batch, and the largest of 4 classes has 3"
    ):
        order.before_epoch(ALL, method_of("simclr"), seed=0, epoch=0)


def _on_two_ranks(variables: dict[str, str], folder: Path) -> None:
    import os

    os.environ |= variables
    config = tiny_run(
        ["order.name=highest_loss", "encoder.norm=group", "train.num_epochs=1", "train.knn_every_epochs=0"]
    )
    pretrain(config, folder / "shared", show_progress=False)


@pytest.mark.whole
def test_two_ranks_choose_the_batches_of_one(tmp_path: Path):
    config = tiny_run(
        ["order.name=highest_loss", "encoder.norm=group", "train.num_epochs=1", "train.knn_every_epochs=0"]
    )
    alone = pretrain(config, tmp_path / "alone", show_progress=False)
    processes.side_by_side(_on_two_ranks, [(variables, tmp_path) for variables in processes.of_torchrun(2)])
    chosen = [
        load_checkpoint(run / "checkpoint.safetensors")["order"]["chosen"] for run in (alone.path, tmp_path / "shared")
    ]
    assert torch.equal(*chosen)
