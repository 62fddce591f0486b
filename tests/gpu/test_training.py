"""Pretraining, evaluation and comparison on a CUDA device."""

from pathlib import Path

import pytest
import torch

from anchorwise.comparison import Workplace, compare
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.embed import embed_splits
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.results import Evaluation
from anchorwise.modalities.images import load_encoder
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.training import RunConfig, RunDirectory, apply_overrides, pretrain, recipe
from anchorwise.training import loop as loop_module
from anchorwise.training.checkpoint import load_checkpoint
from tests.comparison.conftest import tiny_study
from tests.training.conftest import TINY

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
