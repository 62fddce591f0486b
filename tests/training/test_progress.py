import io
import math
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.registry import JUDGES, warnings_of
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.objectives import InfoNCE, Prediction, Weibit
from anchorwise.training import RunConfig, RunDirectory, apply_overrides, pretrain
from anchorwise.training import loop as loop_module
from anchorwise.training import progress as progress_module
from anchorwise.training.distributed import Ranks
from anchorwise.training.measured import measured
from anchorwise.training.progress import RunProgress
from anchorwise.training.state import initial_state
from tests.evaluation.widest import WidestColumn
from tests.training.conftest import tiny_run

NUMBERS = {
    "loss": 4.411,
    "above_chance": -0.433,
    "lambda": 0.21,
    "exponent": 3.0,
    "hardest_score": 0.885,
    "knn_accuracy": 0.891,
    "effective_rank": 34.21,
    "samples_per_s": 12_375.0,
}
WORDS = [
    *("loss 4.411", "above chance -0.433", "lambda 0.21", "exponent 3.0", "hardest 0.885"),
    *("kNN 89.1%", "effective rank 34.2", "12375 samples/s"),
]


def test_in_80_columns_nothing_of_a_run_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=80)
    monkeypatch.setattr(progress_module, "Console", lambda **_: terminal)
    with RunProgress(num_steps=2400, done=48, heading="pretraining with x\x1b]0;y", show=True) as progress:
        progress.step(600, NUMBERS)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert r"pretraining with x\x1b]0;y" in text
    last = text[text.rindex("600/2400") - 10 :]
    assert "━" in last
    assert re.search(r"\d:\d\d:\d\d|-:--:--", last)
    assert all(word in " ".join(last.split()) for word in WORDS)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"spread": 0.01}, "collapsed: all features are nearly alike (spread 0.01"),
        ({"effective_rank": 1.2, "spread": 0.6}, "collapsed: the features lie on a line (effective rank 1.20)"),
        ({"embedding_spread": 0.002}, "collapsed: all embeddings are nearly alike (spread 0.002"),
        ({"effective_rank": 28.0, "spread": 0.28, "embedding_spread": 0.77}, ""),
    ],
)
def test_a_collapse_is_said_in_words(capsys, numbers: dict[str, float], words: str):
    with RunProgress(num_steps=2, done=0, heading="begins", show=True) as progress:
        progress.step(1, numbers)
    line = capsys.readouterr().out.splitlines()[1]
    assert words in line
    assert ("collapsed" in line) == bool(words)


def test_a_new_judge_is_on_the_line_of_progress_by_its_registration(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(JUDGES, "widest", WidestColumn)
    with RunProgress(num_steps=2, done=0, heading="begins", show=True) as progress:
        progress.step(1, {"widest": 0.125})
    assert "step 1/2  widest column 12.50%" in capsys.readouterr().out


@pytest.mark.parametrize("rows", [torch.zeros(40, 6), torch.ones(40, 6), torch.rand(40, 1) @ torch.ones(1, 6)])
@pytest.mark.parametrize("labels", [None, [0, 1] * 20])
def test_collapsed_features_are_noticed_with_labels_and_without(rows, labels):
    features = Embeddings((rows.numpy(),), None if labels is None else np.array(labels))
    assert warnings_of(GeometryJudge(GeometryJudge.Config()).watch(features))


def test_an_objective_that_finds_no_positive_among_rows_has_no_chance_to_be_above():
    rows = torch.nn.functional.normalize(torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0)), dim=2)
    for objective, num_candidates in ((InfoNCE(), 15), (InfoNCE(num_hardest=4), 5), (Weibit(num_hardest=50), 15)):
        values = measured(objective, objective.detail(*rows), *rows)
        assert values["above_chance"] == pytest.approx(values["loss"] - math.log(num_candidates))
        blind = objective.detail(torch.ones(8, 5), torch.ones(8, 5))
        assert blind.loss.item() == pytest.approx(math.log(num_candidates), rel=1e-5)
    values = measured(Prediction(), Prediction().detail(*rows, keys=tuple(rows)), *rows)
    assert "above_chance" not in values


def test_a_run_says_what_begins_and_ends_with_its_last_evaluation(tiny: RunConfig, tmp_path: Path, capsys):
    pretrain(tiny, tmp_path / "run", show_progress=True)
    first, second, *_, last = capsys.readouterr().out.splitlines()
    assert first == "pretraining with weince temperature=0.2: 60 images of 1 x 8 x 8, batches of 16 on cpu"
    assert second == f"3 epochs, 12 steps, into {tmp_path / 'run'}"
    assert re.match(r"step 12/12  loss .*  lambda .*  kNN \d+\.\d%  .* 0 s left", last)


def test_a_run_that_goes_on_says_from_where(tiny: RunConfig, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    real_step = loop_module.train_step

    def failing_step(state, *given):
        if state.step == 6:
            raise RuntimeError("broken")
        return real_step(state, *given)

    with monkeypatch.context() as patched:
        patched.setattr(loop_module, "train_step", failing_step)
        with pytest.raises(RuntimeError, match="broken"):
            pretrain(tiny, tmp_path, show_progress=False)
    pretrain(tiny, tmp_path, show_progress=True)
    assert capsys.readouterr().out.splitlines()[2] == "goes on from step 4"


def test_a_run_is_watched_by_the_judges_of_its_configuration(tiny: RunConfig, tmp_path: Path):
    config = apply_overrides(tiny, ['judges=[{name="geometry"}]', "train.num_epochs=1", "train.knn_every_epochs=1"])
    lines = pretrain(config, tmp_path, show_progress=False).log()
    assert set(lines[-1]) == {"kind", "step", "epoch", "effective_rank", "spread"}
    with pytest.raises(ValueError, match="judges"):
        apply_overrides(tiny, ['judges=[{name="geometer"}]'])


def test_a_run_says_that_its_objective_is_told_the_labels_it_is_watched_by(tmp_path: Path):
    words = {name: _begun(tmp_path / name, f"objective.name={name}") for name in ("sup_con", "info_nce")}
    assert "accuracy while training, by which kept epochs" in words["sup_con"]
    assert "accuracy while training" not in words["info_nce"]


@pytest.mark.parametrize(("settings", "is_refused"), [(["train.drop_last=true"], False), ([], True)])
def test_a_last_batch_that_leaves_a_rank_one_sample_is_refused_before_anything_is_written(
    settings, is_refused, tmp_path
):
    config = tiny_run(["method.name=byol", "data.num_train_images=51", *settings])
    splits = load_splits(config.data)
    run = loop_module._Run(config, RunDirectory(tmp_path), splits, Ranks(0, 2, torch.device("cpu")), False)
    method = initial_state(config, splits.pretrain, torch.device("cpu")).model
    refused = pytest.raises(ValueError, match=r"a batch of 3 samples leaves one of 2 ranks a single sample")
    with refused if is_refused else nullcontext():
        run.check(method)


def _begun(folder: Path, *settings: str) -> str:
    config = tiny_run(settings)
    splits = load_splits(config.data)
    state = initial_state(config, splits.pretrain, torch.device("cpu"))
    return loop_module._Run(config, RunDirectory(folder), splits, Ranks(0, 1, torch.device("cpu")), False)._heading(
        state
    )
