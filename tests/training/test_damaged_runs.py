"""A run whose files are damaged, or whose images are others now, is refused by the name of the file."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from anchorwise.modalities.images import load_encoder
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.modality import Images
from anchorwise.modalities.samples import Splits
from anchorwise.training import RunDirectory, apply_overrides, pretrain
from anchorwise.training.checkpoint import load_checkpoint, save_checkpoint
from anchorwise.training.run_embeddings import embed_run_views
from tests.training.conftest import shortest_run

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run without its last file: it has trained to the end and has still to say so."""
    directory = pretrain(shortest_run(), tmp_path_factory.mktemp("stopped"), show_progress=False)
    directory.summary_file.unlink()
    return directory


@pytest.fixture
def run(stopped: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A copy of it to be damaged."""
    return RunDirectory(Path(shutil.copytree(stopped.path, tmp_path / "run")))


def _go_on(run: RunDirectory) -> None:
    pretrain(shortest_run(), run.path, show_progress=False)


def _with_checkpoint(run: RunDirectory, change: Callable[[dict[str, Any]], object]) -> None:
    state = load_checkpoint(run.checkpoint_file)
    change(state)
    save_checkpoint(run.checkpoint_file, state)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda state: state["model"]["online.head.layers.0.weight"].fill_(torch.nan),
            r"online\.head\.layers\.0\.weight is not finite",
        ),
        (lambda state: state.update(step=10**9), r"it is of step 1000000000 of a run of 1 steps"),
        (lambda state: state.update(step=-1), "step must be a whole number of at least 0, got -1"),
        (lambda state: state.pop("step"), "KeyError: 'step'"),
        (lambda state: state.update(model=5), "TypeError: .*"),
        (lambda state: state["model"].popitem(), "RuntimeError: Error.s. in loading state_dict.*"),
        (lambda state: state.update(optimizer={}), "KeyError: .*"),
    ],
)
def test_a_checkpoint_that_cannot_be_of_the_run_is_refused(run: RunDirectory, change, reason: str):
    _with_checkpoint(run, change)
    with pytest.raises(ValueError, match=rf"checkpoint.safetensors cannot be used: {reason}; remove it to start"):
        _go_on(run)
    assert not run.is_done


def test_a_checkpoint_of_another_configuration_is_named_to_whoever_looks_at_the_run(run: RunDirectory):
    wider = apply_overrides(run.config(), ["encoder.width=24"])
    run.config_file.write_text(wider.model_dump_json())
    with pytest.raises(ValueError, match=r"checkpoint.safetensors cannot be used: RuntimeError: Error.s. in loading"):
        embed_run_views(run.path, device="cpu")


@pytest.mark.parametrize("text", ["{}", "[]", "5", "nonsense", '{"kind": "step"}'])
def test_a_damaged_log_is_named(run: RunDirectory, text: str):
    run.log_file.write_text(text + "\n")
    with pytest.raises(ValueError, match=r"log.jsonl cannot be used: .*; remove it to go on without it"):
        _go_on(run)
    with pytest.raises(ValueError, match=r"log.jsonl cannot be used"):
        run.log()


@pytest.mark.parametrize("text", ["{}}", "[]", '{"train": {"num_epochs": "many"}}', '{"unknown": 1}', "\x00"])
def test_a_damaged_configuration_is_named_in_one_line(run: RunDirectory, text: str):
    run.config_file.write_text(text)
    with pytest.raises(ValueError, match=r"config.json cannot be used: ") as raised:
        _go_on(run)
    assert "\n" not in str(raised.value)
    assert "pydantic" not in str(raised.value)
    assert "used: :" not in str(raised.value)


def test_a_damaged_summary_is_named(run: RunDirectory):
    run.summary_file.write_text("[]")
    with pytest.raises(ValueError, match=r"summary.json cannot be used: it must hold an object"):
        run.summary()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_channels": 10**9}, "num_channels: Input should be less than or equal to"),
        ({"image_size_px": 0}, "image_size_px."),
        ({"mean": ["x"]}, "mean.0: Input should be a valid number"),
        ({"encoder": {"name": "small", "width": 8_000_000}}, "encoder.width: Input should be less than or equal to"),
    ],
)
def test_an_encoder_that_cannot_be_built_is_named(run: RunDirectory, change: dict[str, Any], reason: str):
    file = run.path / "encoder.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=rf"encoder.json cannot be used: {re.escape(reason)}"):
        load_encoder(run.path)


def _with_pixels(part: ImageSet) -> ImageSet:
    images = part.images.clone()
    images[7, 0, 3, 3] ^= 1
    return replace(part, images=images)


def _with_labels(part: ImageSet) -> ImageSet:
    return replace(part, labels=part.labels.roll(1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda part: part.subset(torch.arange(30)), "60 images of 1 x 8 x 8 then, 30 images of 1 x 8 x 8 now"),
        (_with_pixels, "60 images of 1 x 8 x 8 as then, but other content"),
        (_with_labels, "60 images of 1 x 8 x 8 as then, but other labels"),
    ],
)
@pytest.mark.parametrize("is_done", [True, False])
def test_a_run_does_not_go_on_with_other_images(run: RunDirectory, monkeypatch, change, words: str, is_done: bool):
    part = change(load_splits(run.config().data).train)
    monkeypatch.setattr(Images, "load", lambda *_, **__: Splits(part, part, None))
    if is_done:
        run.summary_file.write_text("{}")
    with pytest.raises(ValueError, match=rf"run holds a run of other samples \({words}\); restore them, "):
        _go_on(run)


def test_a_run_goes_on_where_its_images_lie_now_and_remembers_it(run: RunDirectory):
    config = run.config()
    moved = apply_overrides(config, ["train.log_every_steps=3", "train.device=auto"])
    pretrain(moved, run.path, show_progress=False)
    assert run.config().train == moved.train
