"""Every method as `pretrain` runs it: stopped at any moment it goes on to the same weights; the encoder alone stays."""

import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anchorwise.training import RunConfig, RunDirectory, pretrain
from anchorwise.training.checkpoint import load_checkpoint
from tests import processes
from tests.methods.training import ENCODERS, on_images
from tests.training.conftest import tiny_run
from tests.training.stopping import run_killed_at, send_at_step

pytestmark = pytest.mark.whole

_SMALL = {
    "astrea": ["num_queued=24"],
    "beclr": ["num_queued=48", "num_clusters=3", "num_neighbours=2", "warmup_epochs=1", "cluster_epochs=1"],
    "clip_rocket": ["local_head.hidden_width=16", "local_head.output_width=8"],
    "meow": ["num_clusters=[3, 5]"],
    "moco": ["num_queued=24"],
    "nnclr": ["num_queued=24"],
    "pcl": ["num_queued=24", "num_clusters=[3, 5]", "warmup_epochs=1"],
    "swav": ["num_queued=24", "queue_from_epoch=1"],
}


def _config(name: str) -> RunConfig:
    settings = [f"method.name={name}", *(f"method.{setting}" for setting in _SMALL.get(name, []))]
    return tiny_run(
        [
            *settings,
            *ENCODERS.get(name, []),
            "method.head.hidden_width=16",
            "method.head.output_width=8",
            "train.knn_every_epochs=0",
        ]
    )


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory) -> Callable[[str], RunDirectory]:
    """Make the run of a method that nobody stopped, once."""

    @cache
    def run(name: str) -> RunDirectory:
        return pretrain(_config(name), tmp_path_factory.mktemp(name) / "run", show_progress=False)

    return run


def _state(run: RunDirectory) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.checkpoint_file)["model"]


def _assert_same(whole: RunDirectory, resumed: RunDirectory) -> None:
    expected, found = _state(whole), _state(resumed)
    assert expected.keys() == found.keys()
    assert [key for key, tensor in expected.items() if not torch.equal(tensor, found[key])] == []


# What a method carries along is looked at below; what a kill leaves behind is nothing of the method's.
@pytest.mark.parametrize("name", ["simclr", "moco", "pcl", "dino"])
def test_a_killed_run_resumes_to_the_same_bits(name: str, never_stopped, tmp_path: Path):
    process = processes.start(run_killed_at, 6, _config(name), tmp_path)
    process.join(processes.TIMEOUT_S)
    assert process.exitcode == -signal.SIGKILL
    assert load_checkpoint(RunDirectory(tmp_path).checkpoint_file)["step"] == 4
    _assert_same(never_stopped(name), pretrain(_config(name), tmp_path, show_progress=False))


@pytest.mark.parametrize("name", on_images)
def test_an_interrupted_run_resumes_to_the_same_bits(name: str, never_stopped, tmp_path: Path, monkeypatch):
    send_at_step(5, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 6 of 12"):
        pretrain(_config(name), tmp_path, show_progress=False)
    _assert_same(never_stopped(name), pretrain(_config(name), tmp_path, show_progress=False))


@pytest.mark.parametrize("name", on_images)
def test_nothing_but_the_encoder_is_kept(name: str, never_stopped):
    run = never_stopped(name)
    kept, prefix = load_file(run.path / "encoder.safetensors"), "online.encoder."
    trained = {key.removeprefix(prefix): tensor for key, tensor in _state(run).items() if key.startswith(prefix)}
    assert kept.keys() == trained.keys()
    assert all(torch.equal(tensor, trained[key]) for key, tensor in kept.items())
