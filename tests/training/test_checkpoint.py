from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from anchorwise.training.checkpoint import load_checkpoint, save_checkpoint


def test_nested_state_comes_back_as_it_was(tmp_path: Path):
    shared = torch.arange(6.0).view(2, 3)
    state = {
        "step": 7,
        "none": None,
        "state": {0: {"step": torch.tensor(3.0), "moment": shared}, 1: {"moment": shared.T}},
        "groups": [{"lr": 0.1, "betas": (0.9, 0.999), "params": [0, 1]}],
    }
    save_checkpoint(tmp_path / "c.safetensors", state)
    loaded = load_checkpoint(tmp_path / "c.safetensors")
    assert (loaded["step"], loaded["none"]) == (7, None)
    assert loaded["groups"] == [{"lr": 0.1, "betas": [0.9, 0.999], "params": [0, 1]}]
    assert torch.equal(loaded["state"][0]["moment"], shared)
    assert torch.equal(loaded["state"][1]["moment"], shared.T)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"step": 1})
    with pytest.raises(TypeError):
        save_checkpoint(path, {"step": object()})
    assert load_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_checkpoint_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "missing")
    save_file({"x": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no checkpoint of a run"):
        load_checkpoint(tmp_path / "other.safetensors")
    whole = (tmp_path / "other.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"cut.safetensors cannot be used: .*; remove it to start the run afresh"):
        load_checkpoint(tmp_path / "cut.safetensors")
