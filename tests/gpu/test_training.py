"""Pretraining, evaluation and comparison on a CUDA device."""

import copy
import signal
from pathlib import Path

import pytest
import torch

import anchorwise
from anchorwise.comparison import Workplace, compare
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.embed import embed_splits
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.results import Evaluation
from anchorwise.modalities.images import load_encoder
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import POLICIES
from anchorwise.training import RunConfig, RunDirectory, apply_overrides, loading, pretrain, recipe
from anchorwise.training import loop as loop_module
from anchorwise.training.checkpoint import load_checkpoint
from tests.comparison.conftest import tiny_study
from tests.methods.training import on_images
from tests.training.conftest import TINY
from tests.training.stopping import send_at_step

pytestmark = pytest.mark.gpu


@pytest.fixture
def config() -> RunConfig:
    return apply_overrides(recipe("digits"), [*TINY, "train.device=cuda", "train.amp=true"])


def _weights(directory: RunDirectory) -> dict[str, torch.Tensor]:
    return load_checkpoint(directory.checkpoint_file)["model"]


def test_the_same_seed_gives_the_same_weights(config: RunConfig, tmp_path: Path):
    first, second = (_weights(pretrain(config, tmp_path / name, show_progress=False)) for name in ("a", "b"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_stopped_run_resumes_to_the_same_bits(config: RunConfig, tmp_path: Path, monkeypatch):
    real_step, calls = loop_module.train_step, []

    def stopped_step(*arguments):
        calls.append(None)
        if len(calls) == 6:
            raise RuntimeError("killed")
        return real_step(*arguments)

    monkeypatch.setattr(loop_module, "train_step", stopped_step)
    with pytest.raises(RuntimeError, match="killed"):
        pretrain(config, tmp_path / "a", show_progress=False)
    resumed = _weights(pretrain(config, tmp_path / "a", show_progress=False))
    whole = _weights(pretrain(config, tmp_path / "b", show_progress=False))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def _captured(config: RunConfig, *settings: str) -> RunConfig:
    return apply_overrides(config, ["train.captured=true", *settings])


def _assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert [name for name, value in first.items() if not torch.equal(value, second[name])] == []


@pytest.mark.parametrize("method", on_images)
def test_captured_steps_give_the_weights_of_those_that_are_not(method: str, config: RunConfig, tmp_path: Path):
    # Nine batches of 16, of which six are replayed, and three of 12.
    own = {"moco": ["num_queued=24"], "nnclr": ["num_queued=24"], "swav": ["num_queued=24", "queue_from_epoch=1"]}
    settings = [f"method.{setting}" for setting in own.get(method, [])]
    if method == "mmc_sketch":
        settings += ["encoder.name=vit", "encoder.width=32", "encoder.patch_px=2"]
    config = apply_overrides(config, [f"method.name={method}", *settings, "train.ema=0.9"])
    # A refusal is a warning, and a warning is an error here.
    captured = _weights(pretrain(_captured(config), tmp_path / "captured", show_progress=False))
    _assert_same(_weights(pretrain(config, tmp_path / "ordinary", show_progress=False)), captured)


@pytest.mark.parametrize(
    "settings",
    [
        ["optimizer.name=sgd", "optimizer.max_grad_norm=1"],
        ["optimizer.name=lars", "train.amp=false"],
        ["objective.name=weibit"],
        ["encoder.name=resnet18", "views.name=cifar"],
    ],
)
def test_so_do_those_of_other_updates_losses_and_encoders(settings: list[str], config: RunConfig, tmp_path: Path):
    if "encoder.name=resnet18" in settings:
        config = config.model_copy(update={"encoder": type(config.encoder)(name="resnet18")})
    config = apply_overrides(config, settings)
    captured = _weights(pretrain(_captured(config), tmp_path / "captured", show_progress=False))
    _assert_same(_weights(pretrain(config, tmp_path / "ordinary", show_progress=False)), captured)


def test_captured_steps_give_the_same_bits_twice_and_after_a_stop(config: RunConfig, tmp_path: Path, monkeypatch):
    config = _captured(config)
    first, second = (_weights(pretrain(config, tmp_path / name, show_progress=False)) for name in ("a", "b"))
    _assert_same(first, second)
    send_at_step(8, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path / "c", show_progress=False)
    _assert_same(first, _weights(pretrain(config, tmp_path / "c", show_progress=False)))


class _Dropping(torch.nn.Sequential):
    """Draws on the device in its forward pass."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, 32), torch.nn.Dropout(0.5))


class _Reading(_Dropping):
    """Reads a value on the host, which cannot be captured."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = super().forward(images)
        return rows * (1.0 if rows.detach().sum().item() > 0 else 2.0)


def _with_network(config: RunConfig, network: torch.nn.Module, out: Path) -> dict[str, torch.Tensor]:
    anchorwise.pretrain(config, out, encoder=network, show_progress=False)
    return _weights(RunDirectory(out))


def test_what_a_network_draws_in_captured_steps_is_what_it_draws_in_others(config: RunConfig, tmp_path: Path):
    torch.manual_seed(0)
    network = _Dropping()
    ordinary = _with_network(config, copy.deepcopy(network), tmp_path / "ordinary")
    _assert_same(ordinary, _with_network(_captured(config), copy.deepcopy(network), tmp_path / "captured"))


def test_a_network_that_reads_is_trained_step_by_step_and_that_is_said(config: RunConfig, tmp_path: Path):
    torch.manual_seed(0)
    network = _Reading()
    ordinary = _with_network(config, copy.deepcopy(network), tmp_path / "ordinary")
    with pytest.warns(UserWarning, match="steps are not captured"):
        captured = _with_network(_captured(config), copy.deepcopy(network), tmp_path / "captured")
    _assert_same(ordinary, captured)


@pytest.mark.parametrize("share", [0.25, 0.0])
def test_samples_on_the_device_and_samples_that_are_read_ahead_are_the_same(share: float, monkeypatch):
    monkeypatch.setattr(loading, "RESIDENT_SHARE", share)
    splits = load_splits(recipe("digits").data)
    views, device = RandomViews(POLICIES["digits"](), 1, 8), torch.device("cuda", 0)
    loader = loading.loader_of(views, splits.pretrain, device)
    assert isinstance(loader, loading.Resident if share else loading.ReadAhead)
    wanted = [loading.Wanted(torch.randperm(len(splits.pretrain))[:64], step) for step in range(6)]
    for batch, expected in zip(loader.batches(wanted), wanted, strict=True):
        assert torch.equal(batch.ids.cpu(), expected.ids)
        assert torch.equal(batch.raw.cpu(), splits.pretrain.images[expected.ids])
        assert torch.equal(batch.labels.cpu(), splits.pretrain.labels[expected.ids])


def test_a_run_begun_on_a_cpu_goes_on_here(config: RunConfig, tmp_path: Path, monkeypatch):
    send_at_step(5, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(apply_overrides(config, ["train.device=cpu"]), tmp_path, show_progress=False)
    assert pretrain(config, tmp_path, show_progress=False).is_done


def test_features_and_their_judgement_are_those_of_a_cpu(config: RunConfig, tmp_path: Path):
    directory = pretrain(config, tmp_path, show_progress=False)
    splits, stored = load_splits(config.data), load_encoder(directory.path)
    judged: list[Evaluation] = []
    for device in ("cpu", "cuda"):
        train, test = embed_splits(stored, splits, device=device)
        judged.append(evaluate(train, test, Classification.Config(split_seeds=(0, 1)), device=device))
    on_cpu, on_gpu = judged
    assert on_gpu.knn.accuracies == pytest.approx(on_cpu.knn.accuracies, abs=0.01)
    assert on_gpu.linear.accuracies == pytest.approx(on_cpu.linear.accuracies, abs=0.01)


def test_a_study_gives_the_same_with_several_runs_on_one_device(tmp_path: Path):
    study = tiny_study()
    study = study.model_copy(update={"train": study.train.model_copy(update={"device": "cuda"})})
    tables = []
    for num_workers in (1, 2):
        compare(Workplace(study, tmp_path / str(num_workers)), num_workers=num_workers, say=lambda _: None)
        tables.append((tmp_path / str(num_workers) / "verdicts.md").read_text())
    assert tables[0] == tables[1]
