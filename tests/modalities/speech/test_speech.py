"""Speech through the trainer: contrast, judging, resuming, classes that come task after task."""

import json
import signal

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.modalities.own.modality import Own
from anchorwise.modalities.registry import modality_of, rebuild
from anchorwise.modalities.speech.config import LogMelConfig, SpeechData, SpeechEncoderConfig
from anchorwise.training import RunConfig, apply_overrides, pretrain, recipe
from tests.modalities.speech.recordings import digits
from tests.training.stopping import send_at_step

SPEECH = modality_of("speech")
SMALL = [
    "data.features.num_mels=12",
    "encoder.width=8",
    "method.head.output_width=8",
    "train.batch_size=8",
    "train.log_to=[]",
    "train.device=cpu",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return digits(tmp_path_factory.mktemp("run") / "digits")


def _config(name: str, folder, *settings: str) -> RunConfig:
    return apply_overrides(recipe(name), [*SMALL, f"data.source={folder}", *settings])


def _tasks(folder, *settings: str) -> RunConfig:
    two = ["method.num_classes=4", "order.num_tasks=2", "order.memory_share=0.25", "train.num_epochs=2"]
    return _config("spoken-digits-coconut", folder, *two, *settings)


def test_a_recipe_called_from_python_has_the_encoder_of_its_features(folder):
    own, samples = Own(SPEECH), SPEECH.load(SpeechData(source=str(folder))).train
    section = own.resolved_encoder(SpeechEncoderConfig(width=8), samples)
    assert own.new_encoder(section, own.examples(samples)).num_features == 64

    class Loudness(torch.nn.Module):
        def forward(self, view):
            return view["signals"].mean(dim=2)

    mine = Own(SPEECH, network=Loudness())
    assert mine.new_encoder(section, mine.examples(samples)).num_features == 40


@pytest.mark.parametrize("objective", ["info_nce", pytest.param("sup_con", marks=pytest.mark.whole)])
def test_a_run_learns_is_judged_and_comes_back_from_its_folder(objective: str, folder, tmp_path):
    settings = ["train.num_epochs=3", f"objective.name={objective}", "objective.temperature=0.2"]
    run = pretrain(_config("spoken-digits", folder, *settings), tmp_path / "run", show_progress=False)
    assert run.summary()["knn_accuracy"] > 0.5
    judges = ["--set", "judges.classification.split_seeds=[0]", "--set", "judges.classification.knn_max_neighbors=5"]
    called = CliRunner().invoke(app, ["evaluate", str(run.path), "--device", "cpu", *judges])
    assert called.exit_code == 0, called.output
    found = json.loads((run.path / "evaluation.json").read_text())["judged"]["classification"]["numbers"]
    assert found["linear"][0] > 0.5
    frozen, samples = rebuild(run.path), SPEECH.load(run.config().data).test
    rows = frozen.encoder(frozen.plain(frozen.adapted(samples).take(torch.arange(4))))
    assert rows.shape == (4, 64)
    other = SPEECH.load(SpeechData(source=str(folder), features=LogMelConfig(num_mels=10))).test
    with pytest.raises(ValueError, match="this encoder takes recordings at 4000 Hz with its own features"):
        frozen.adapted(other)


@pytest.mark.whole
def test_a_run_that_is_stopped_goes_on_with_the_same_bits(folder, tmp_path, monkeypatch):
    whole = pretrain(_tasks(folder), tmp_path / "whole", show_progress=False)
    with monkeypatch.context() as patched:
        send_at_step(5, signal.SIGTERM, patched)
        with pytest.raises(KeyboardInterrupt):
            pretrain(_tasks(folder), tmp_path / "resumed", show_progress=False)
    resumed = pretrain(_tasks(folder), tmp_path / "resumed", show_progress=False)
    expected, found = (load_file(run.path / "encoder.safetensors") for run in (whole, resumed))
    assert [name for name, part in expected.items() if not torch.equal(part, found[name])] == []
    assert whole.summary()["last_accuracy"] == resumed.summary()["last_accuracy"]


def test_the_command_line_reads_a_folder_and_refuses_what_is_none(folder, tmp_path):
    settings = [part for setting in [*SMALL, "train.num_epochs=1"] for part in ("--set", setting)]
    arguments = ["pretrain", "spoken-digits", "--data", str(folder), "--out", str(tmp_path / "run"), *settings]
    called = CliRunner().invoke(app, arguments)
    assert called.exit_code == 0, called.output
    assert "32 recordings at 4,000 Hz" in called.output
    arguments[3] = str(tmp_path / "nowhere")
    arguments[5] = str(tmp_path / "other")
    called = CliRunner().invoke(app, arguments)
    assert isinstance(called.exception, FileNotFoundError)
    assert "no folder or archive of recordings at" in str(called.exception)
