"""A run dies at a point at which it touches the disk, and the same command goes on."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from anchorwise import _files
from anchorwise.training import RunConfig, RunDirectory, apply_overrides, pretrain
from anchorwise.training.checkpoint import load_checkpoint
from tests.training.conftest import shortest_run

pytestmark = pytest.mark.whole

# What a run renames into its folder, in this order, and the first file before anything is in it.
POINTS = [("touch", 0), *(("replace", number) for number in range(8))]


class KilledError(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.fixture
def shortest() -> RunConfig:
    return shortest_run()


def _killed(config: RunConfig, out: Path, call: str, number: int) -> None:
    """Run, and die at that call; nothing cleans up after a kill, and its locks are let go."""
    with pytest.MonkeyPatch.context() as patch:
        calls = []

        def die(*_: object) -> None:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            raise KilledError

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def call(*given: object, **named: object) -> object:
                calls.append(given)
                return die() if len(calls) > number else real(*given, **named)

            return call

        patch.setattr(Path, call, counted(getattr(Path, call)))
        with pytest.raises(KilledError):
            pretrain(config, out, show_progress=False)


def _weights(directory: RunDirectory) -> dict[str, torch.Tensor]:
    return load_checkpoint(directory.checkpoint_file)["model"]


def test_a_run_killed_at_any_write_goes_on_to_the_same_weights_and_leaves_nothing(shortest: RunConfig, tmp_path: Path):
    whole = pretrain(shortest, tmp_path / "whole", show_progress=False)
    expected, names = _weights(whole), sorted(entry.name for entry in whole.path.iterdir())
    for call, number in POINTS:
        out = tmp_path / f"{call}{number}"
        _killed(shortest, out, call, number)
        assert any(_files.is_leftover(entry.name) for entry in out.iterdir())
        resumed = pretrain(shortest, out, show_progress=False)
        assert all(torch.equal(weight, expected[name]) for name, weight in _weights(resumed).items())
        assert sorted(entry.name for entry in out.iterdir()) == names


def test_what_earlier_versions_left_of_their_first_file_does_not_stop_a_run(shortest: RunConfig, tmp_path: Path):
    (tmp_path / ".config.json.abc.json").touch()
    assert pretrain(shortest, tmp_path, show_progress=False).is_done


def test_a_second_process_waits_for_the_first_and_finds_its_run_done(shortest: RunConfig, tmp_path: Path, capsys):
    directory = RunDirectory(tmp_path)
    with directory.alone():
        second = threading.Thread(target=pretrain, args=(shortest, tmp_path))
        second.start()
        second.join(timeout=2.0)
        assert second.is_alive()
        assert not directory.config_file.exists()
    second.join()
    assert directory.is_done
    assert f"another process works on {tmp_path}; waiting for it" in capsys.readouterr().out


def test_a_full_disk_at_a_checkpoint_is_named_and_the_run_goes_on_with_room(shortest: RunConfig, tmp_path: Path):
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    longer = apply_overrides(shortest, ["train.num_epochs=2"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorwise.training.checkpoint.save_file", lambda *_, **__: full())
        with pytest.raises(OSError, match=r"checkpoint.safetensors cannot be written: No space left on device"):
            pretrain(longer, tmp_path, show_progress=False)
    assert pretrain(longer, tmp_path, show_progress=False).is_done
