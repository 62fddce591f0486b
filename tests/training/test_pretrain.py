import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from anchorwise._config import identity
from anchorwise.modalities.images import EncoderConfig, load_encoder
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.samples import Splits
from anchorwise.training import RunConfig, RunDirectory, apply_overrides, pretrain, recipe
from anchorwise.training import loop as loop_module
from anchorwise.training.checkpoint import load_checkpoint
from anchorwise.training.finite import NonFiniteLossError
from anchorwise.training.run_embeddings import trained_state
from anchorwise.training.state import RunState, initial_state
from tests import processes
from tests.training.conftest import TINY
from tests.training.stopping import run_killed_at, send_at_step

pytestmark = pytest.mark.whole

ANCHORWISE = str(Path(sys.executable).with_name("anchorwise"))


def _weights(directory: RunDirectory) -> dict[str, torch.Tensor]:
    return load_checkpoint(directory.checkpoint_file)["model"]


def _assert_same_weights(first: RunDirectory, second: RunDirectory) -> None:
    expected, actual = _weights(first), _weights(second)
    assert expected.keys() == actual.keys()
    for name in expected:
        assert torch.equal(expected[name], actual[name]), name


def test_a_run_leaves_everything_a_later_reader_needs(finished: RunDirectory):
    directory, lines = finished, finished.log()
    assert [line["step"] for line in lines if line["kind"] == "step"] == [1, 3, 5, 7, 9, 11]
    assert [line["epoch"] for line in lines if line["kind"] == "watch"] == [2, 3]
    assert {"loss", "above_chance", "lambda", "hardest_score", "tail_exponent", "samples_per_s", "lr"} <= lines[
        0
    ].keys()
    assert directory.summary()["num_steps"] == 12
    assert directory.config().views is not None
    assert "torch" in json.loads((directory.path / "environment.json").read_text())
    assert list((directory.path / "tensorboard").iterdir())
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(directory.encoder().encoder(images), load_encoder(directory.path).encoder(images))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny, finished: RunDirectory, tmp_path: Path):
    _assert_same_weights(finished, pretrain(tiny, tmp_path / "b", show_progress=False))
    other = pretrain(apply_overrides(tiny, ["train.seed=1"]), tmp_path / "c", show_progress=False)
    layers, other_layers = (_weights(run)["online.head.layers.0.weight"] for run in (finished, other))
    assert not torch.equal(layers, other_layers)


def test_configuration_is_on_disk_before_the_first_step(tiny: RunConfig, tmp_path: Path, monkeypatch):
    def no_step(*_: object) -> None:
        raise RuntimeError("first step")

    monkeypatch.setattr(loop_module, "train_step", no_step)
    with pytest.raises(RuntimeError, match="first step"):
        pretrain(tiny, tmp_path, show_progress=False)
    assert RunDirectory(tmp_path).config().train == tiny.train
    assert (tmp_path / "environment.json").is_file()


def test_a_run_killed_at_once_resumes_to_the_same_bits(tiny: RunConfig, tmp_path: Path):
    config = apply_overrides(tiny, ["objective.exponent.name=pooled", "objective.exponent.min_tail_points=64"])
    directory = RunDirectory(tmp_path / "killed")
    process = processes.start(run_killed_at, 6, config, directory.path)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert load_checkpoint(directory.checkpoint_file)["step"] == 4
    assert not directory.is_done
    resumed = pretrain(config, directory.path, show_progress=False)
    whole = pretrain(config, tmp_path / "whole", show_progress=False)
    _assert_same_weights(whole, resumed)
    average = [
        load_checkpoint(run.checkpoint_file)["model"]["objective.blend.exponent.average"] for run in (whole, resumed)
    ]
    assert torch.equal(*average)
    steps = [[line["step"] for line in run.log()] for run in (whole, resumed)]
    assert steps[0] == steps[1]


def test_an_interrupt_ends_with_a_checkpoint_of_that_step(tiny, finished: RunDirectory, tmp_path: Path, monkeypatch):
    send_at_step(5, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 6 of 12; the same command goes on"):
        pretrain(tiny, tmp_path / "a", show_progress=False)
    assert load_checkpoint(RunDirectory(tmp_path / "a").checkpoint_file)["step"] == 6
    _assert_same_weights(finished, pretrain(tiny, tmp_path / "a", show_progress=False))


def test_balanced_batches_go_on_within_an_epoch_where_they_stopped(tiny: RunConfig, tmp_path: Path, monkeypatch):
    balanced = apply_overrides(tiny, ["order.name=class_balanced", "train.knn_every_epochs=0"])
    whole = pretrain(balanced, tmp_path / "a", show_progress=False)
    send_at_step(5, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="stopped after step"):
        pretrain(balanced, tmp_path / "b", show_progress=False)
    _assert_same_weights(whole, pretrain(balanced, tmp_path / "b", show_progress=False))


def test_an_interrupt_at_the_end_of_an_epoch_loses_no_line_of_the_log(tiny: RunConfig, tmp_path: Path, monkeypatch):
    send_at_step(7, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 8 of 12"):
        pretrain(tiny, tmp_path, show_progress=False)
    resumed = pretrain(tiny, tmp_path, show_progress=False)
    assert [line["epoch"] for line in resumed.log() if line["kind"] == "watch"] == [2, 3]


def test_an_interrupt_in_the_last_step_lets_the_run_finish(tiny: RunConfig, tmp_path: Path, monkeypatch):
    send_at_step(11, signal.SIGINT, monkeypatch)
    assert pretrain(tiny, tmp_path, show_progress=False).is_done


def test_a_run_can_be_started_from_another_thread(tiny: RunConfig, tmp_path: Path):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(pretrain, tiny, tmp_path, show_progress=False).result().is_done


def test_the_summary_has_the_rate_of_the_whole_run(tiny: RunConfig, tmp_path: Path, monkeypatch):
    real_step = loop_module.train_step

    def slow_first_step(state: RunState, *arguments):
        time.sleep(1.0 if state.step == 0 else 0.0)
        return real_step(state, *arguments)

    monkeypatch.setattr(loop_module, "train_step", slow_first_step)
    summary = pretrain(tiny, tmp_path, show_progress=False).summary()
    # Three epochs of 60 images; both numbers are rounded.
    assert summary["samples_per_s"] == pytest.approx(180 / summary["train_time_s"], rel=0.01)


def test_a_data_set_without_two_images_of_a_class_is_trained_without_knn(tiny: RunConfig, tmp_path: Path):
    for index in range(20):
        (tmp_path / "data" / f"class{index}").mkdir(parents=True)
        Image.new("L", (8, 8), 10 * index).save(tmp_path / "data" / f"class{index}" / "0.png")
    data = DataConfig(source=str(tmp_path / "data"))
    directory = pretrain(tiny.model_copy(update={"data": data}), tmp_path / "run", show_progress=False)
    assert "knn_accuracy" not in directory.summary()


def test_other_images_are_normalised_as_those_of_the_run_were(tiny: RunConfig, finished: RunDirectory):
    splits = load_splits(tiny.data)
    dark = replace(splits.train, images=splits.train.images // 4)
    state = trained_state(finished, Splits(dark, dark, None))
    assert state.views.normalisation.mean.flatten().tolist() == pytest.approx(finished.encoder().spec.mean)


def test_a_finished_run_is_not_trained_again(tiny: RunConfig, finished: RunDirectory):
    files = (finished.checkpoint_file, finished.path / "environment.json")
    before = [file.stat().st_mtime_ns for file in files]
    pretrain(tiny, finished.path, show_progress=False)
    assert [file.stat().st_mtime_ns for file in files] == before


def test_another_configuration_in_the_same_folder_is_refused(tiny: RunConfig, finished: RunDirectory):
    other = apply_overrides(tiny, ["train.batch_size=20"])
    with pytest.raises(ValueError, match=r"another configuration \(train.batch_size is 16, not 20\); choose another"):
        pretrain(other, finished.path, show_progress=False)


def test_what_makes_another_run_is_the_same_for_a_folder_and_for_a_study(tiny: RunConfig, tmp_path: Path):
    pretrain(tiny, tmp_path, show_progress=False)
    settings = ["data.root=elsewhere", "train.device=auto", "train.knn_every_epochs=1", "train.log_every_steps=7"]
    same = apply_overrides(tiny, [*settings, "train.checkpoint_every_epochs=2", "data.verify_checksums=false"])
    assert identity(same) == identity(tiny)
    directory = RunDirectory(tmp_path)
    splits = load_splits(tiny.data)
    directory.prepare(initial_state(same, splits.pretrain, torch.device("cpu")).config, splits.facts())
    assert identity(apply_overrides(tiny, ["train.amp=false"])) != identity(tiny)


def test_a_device_that_computes_nothing_is_refused_before_anything_is_written(tiny: RunConfig, tmp_path: Path):
    with pytest.raises(ValueError, match=r"train.device must be 'auto' or a torch device of this machine, got 'meta'"):
        pretrain(apply_overrides(tiny, ["train.device=meta"]), tmp_path, show_progress=False)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_files_is_refused(tiny: RunConfig, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds files that `anchorwise pretrain` did not write"):
        pretrain(tiny, tmp_path, show_progress=False)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tiny: RunConfig, tmp_path: Path):
    diverging = apply_overrides(tiny, ["optimizer.name=sgd", "optimizer.peak_lr=1e38", "optimizer.warmup_epochs=0"])
    with pytest.raises(NonFiniteLossError, match=r"the loss of step \d+ is nan; the last checkpoint is as it was"):
        pretrain(diverging, tmp_path, show_progress=False)
    assert not RunDirectory(tmp_path).is_done


def test_weights_that_are_not_finite_are_not_saved_over_good_ones(tiny: RunConfig, tmp_path: Path, monkeypatch):
    real_step = loop_module.train_step

    def overflowing_step(state: RunState, *arguments):
        outcome = real_step(state, *arguments)
        if state.step == 7:  # The last step of the second epoch: its loss was finite, its update is not.
            with torch.no_grad():
                next(state.model.parameters()).fill_(torch.inf)
        return outcome

    monkeypatch.setattr(loop_module, "train_step", overflowing_step)
    with pytest.raises(NonFiniteLossError, match="is not finite after step 7; the last checkpoint is as it was"):
        pretrain(tiny, tmp_path, show_progress=False)
    assert load_checkpoint(RunDirectory(tmp_path).checkpoint_file)["step"] == 4


@pytest.mark.parametrize("setting", ["encoder.name=timm/resnet19", "train.batch_size=100"])
def test_a_start_that_is_refused_leaves_the_folder_free(tiny: RunConfig, tmp_path: Path, setting: str):
    plain = tiny.model_copy(update={"encoder": EncoderConfig(name="small")})
    refused = apply_overrides(plain, [setting, "train.drop_last=true"])
    with pytest.raises(ValueError, match=r"in timm.list_models|drop_last leaves no batch"):
        pretrain(refused, tmp_path, show_progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "needs"), [("triplet", "takes 3 views"), ("moco", "needs queue")])
def test_an_objective_that_the_method_cannot_train_leaves_the_folder_free(tiny, tmp_path: Path, name, needs):
    with pytest.raises(
        ValueError, match=f"objective.name must be one that SimCLR can train, .*, got .*, which {needs}"
    ):
        pretrain(apply_overrides(tiny, [f"objective.name={name}"]), tmp_path, show_progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "settings",
    [
        ["objective.name=sup_con"],
        *([f"objective.name={name}", "objective.num_samples=60"] for name in ("sog_clr", "i_sog_clr")),
        ["objective.name=sup_re_mix", "data.values=brightness"],
    ],
)
def test_labels_and_image_numbers_reach_the_objectives_that_need_them(tiny: RunConfig, tmp_path: Path, settings):
    config = apply_overrides(tiny, ["train.num_epochs=1", *settings])
    assert pretrain(config, tmp_path, show_progress=False).summary()["num_steps"] == 4


def _by_torchrun(settings: list[str], path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    words = [word for setting in settings for word in ("--set", setting)]
    command = [*torchrun, ANCHORWISE, "pretrain", "digits", "--out", str(path), *words]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def _by_its_variables(settings: list[str], path: Path) -> None:
    config = apply_overrides(recipe("digits"), settings)
    processes.side_by_side(_rank, [(torchrun, config, path) for torchrun in processes.of_torchrun(2)])


def _rank(variables: dict[str, str], config: RunConfig, path: Path) -> None:
    os.environ |= variables
    pretrain(config, path, show_progress=False)


@pytest.mark.parametrize("started", [_by_its_variables, pytest.param(_by_torchrun, marks=pytest.mark.slow)])
@pytest.mark.parametrize("order", ["shuffled", "class_balanced"])
def test_two_ranks_with_uneven_batches_train_as_one_process_does(started, tiny: RunConfig, tmp_path: Path, order: str):
    # Group and layer normalisation, so that an image's embedding does not depend on its rank.
    alike = [*TINY, "encoder.norm=group", "method.head.norm=layer", "optimizer.name=sgd", "optimizer.peak_lr=0.01"]
    # One epoch in float32: rounding grows from step to step.
    alike += ["train.num_epochs=1", "train.amp=false"]
    alike += ["data.num_train_images=57", "views.name=none", "views.flip_probability=0.5"]
    alike += ["train.knn_every_epochs=0", f"order.name={order}"]
    together = RunDirectory(tmp_path / "two")
    started(alike, together.path)
    alone = pretrain(apply_overrides(tiny, alike), tmp_path / "one", show_progress=False)
    expected, actual = _weights(alone), _weights(together)
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], rtol=1e-4, atol=1e-5)
