"""Runs that begin with somebody's weights, hold parts of them still, and keep a moving average."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.pretrained import load_pretrained
from anchorwise.training import RunConfig, RunDirectory, pretrain
from anchorwise.training.run_embeddings import trained_state
from anchorwise.training.state import initial_state, with_start
from tests.training.conftest import tiny_run


def _run(start: Path) -> RunConfig:
    return tiny_run(
        [
            f"encoder.pretrained={start}",
            'encoder.freeze=["layers.0", "layers.1"]',
            "train.num_epochs=1",
            "train.ema=0.9",
            "train.micro_batch_size=7",
        ]
    )


@pytest.fixture(scope="module")
def begun(finished: RunDirectory, tmp_path_factory) -> tuple[RunDirectory, str]:
    """A run that began with the encoder of another, and what it said."""
    start = tmp_path_factory.mktemp("start") / "start.safetensors"
    start.write_bytes((finished.path / "encoder.safetensors").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        said = list[str]()
        patch.setattr("builtins.print", lambda *words, **how: said.append(" ".join(map(str, words))))
        run = pretrain(_run(start), tmp_path_factory.mktemp("begun") / "run")
    return run, "\n".join(said)


def test_it_says_in_a_line_what_it_starts_from(begun):
    run, said = begun
    start = run.config().encoder.pretrained
    assert f"starts from {start}: " in said
    assert "tensors, called backbone.* there" in said


def test_what_is_held_still_is_as_it_was_and_the_rest_has_moved(begun, finished):
    start, kept = (load_file(run.path / "encoder.safetensors") for run in (finished, begun[0]))
    for name, weight in kept.items():
        is_still = name.startswith(("backbone.layers.0.", "backbone.layers.1."))
        assert torch.equal(weight, start[name]) == is_still, name


def test_the_average_is_kept_and_the_encoder_itself_is_not_lost(begun):
    run, _ = begun
    kept, itself = (load_file(folder / "encoder.safetensors") for folder in (run.path, run.without_average))
    last = trained_state(run, load_splits(run.config().data))
    name = "backbone.layers.5.residual.0.weight"
    assert not torch.equal(kept[name], itself[name])
    assert torch.equal(kept[name], last.kept.state_dict()[name].contiguous())
    assert torch.equal(itself[name], last.model.encoder.state_dict()[name].contiguous())


def test_a_checkpoint_is_a_start_too_with_the_trained_encoder_of_those_in_it(begun):
    run, _ = begun
    last = trained_state(run, load_splits(run.config().data))
    backbone = copy.deepcopy(last.kept.backbone)
    load_pretrained(backbone, run.checkpoint_file)
    expected = last.model.encoder.backbone.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in backbone.state_dict().items())


def test_the_file_is_part_of_what_the_run_is_and_its_place_is_not(begun, tmp_path):
    run, _ = begun
    start = run.config().encoder.pretrained
    moved = tmp_path / "elsewhere.safetensors"
    moved.write_bytes(start.read_bytes())
    assert pretrain(_run(moved), run.path, show_progress=False) == run
    save_file({name: weight + 1 for name, weight in load_file(start).items()}, moved)
    with pytest.raises(ValueError, match=r"encoder\.pretrained_digest is '\w+', not '\w+'"):
        pretrain(_run(moved), run.path, show_progress=False)


@pytest.mark.whole
def test_a_digest_that_is_there_is_believed_and_a_trained_state_needs_no_file(begun, tmp_path):
    run, _ = begun
    config = run.config()
    gone = config.encoder.model_copy(update={"pretrained": tmp_path / "gone.safetensors"})
    assert with_start(config.model_copy(update={"encoder": gone})).encoder == gone
    assert trained_state(run, load_splits(config.data)).model.encoder.origin == ""


def test_a_digest_that_is_not_the_files_is_refused(begun):
    start = begun[0].config().encoder.pretrained
    config = tiny_run([f"encoder.pretrained={start}", "encoder.pretrained_digest=0123"])
    with pytest.raises(ValueError, match=r"the file of encoder\.pretrained_digest=0123, got .*leave the digest out"):
        initial_state(config, load_splits(config.data).pretrain, torch.device("cpu"))
