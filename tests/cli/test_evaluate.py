import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from anchorwise.cli import evaluate as command
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.registry import settings_of
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.own.modality import own_frozen
from anchorwise.modalities.samples import Splits
from anchorwise.training import RunConfig, run_embeddings

app = typer.Typer()
app.command()(command.evaluate)
FLAT = ImageSet(torch.zeros(3, 1, 4, 4, dtype=torch.uint8), None, (), ("a", "b", "c"))
SETTINGS = ("judges.classification.split_seeds=[0, 1]", "judges.classification.penalties=[0.1]")
FAST = [*(word for setting in SETTINGS for word in ("--set", setting)), "--device", "cpu"]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = np.arange(90) % 3
    rows = np.eye(3)[labels] + 0.1 * np.random.default_rng(0).standard_normal((90, 3))
    np.savez("train.npz", embedding=rows[:60], label=labels[:60], paths=np.array(["a"], object))
    np.savez("test.npz", embedding=rows[60:], label=labels[60:])
    (tmp_path / "notes.json").write_text('{"mine": 1}')


def test_two_files_of_anyone_are_judged_and_what_was_not_read_is_named(tmp_path):
    result = CliRunner().invoke(app, ["train.npz", "test.npz", "--out", "result.json", *FAST])
    assert result.exit_code == 0, result.output
    assert "Training rows: Arrays not used: paths." in result.stdout
    assert "30 test rows, classifiers fitted on 60 training rows" in result.stdout
    saved = json.loads((tmp_path / "result.json").read_text())
    assert saved["judged"]["classification"]["over_test_rows"]["linear"]["num_rows"] == 30
    again = CliRunner().invoke(app, ["train.npz", "test.npz", "--out", "result.json", *FAST])
    assert again.exit_code == 0, again.output  # Its own result may be written anew.


def test_a_folder_of_both_files_is_taken_for_them():
    result = CliRunner().invoke(app, [".", *FAST])
    assert result.exit_code == 0, result.output
    assert "30 test rows, classifiers fitted on 60 training rows" in result.stdout


def test_judges_are_named_and_set_below_their_names():
    settings = ["--set", "judges.few_shot.num_ways=3", "--set", "judges.few_shot.num_queries=3"]
    result = CliRunner().invoke(app, ["train.npz", "test.npz", "--judge", "few_shot", *settings])
    assert result.exit_code == 0, result.output
    assert "3-way 5-shot, nearest centroid %" in result.stdout
    assert "linear probe" not in result.stdout


def test_one_file_is_judged_without_labels(tmp_path):
    result = CliRunner().invoke(app, ["test.npz", "--out", "result.json", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "30 rows, judged without labels" in result.stdout
    assert json.loads((tmp_path / "result.json").read_text())["num_rows"] == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train.npz", "test.npz", "--out", "notes.json"], "notes.json is another file, which would be lost"),
        (["train.npz", "test.npz", "--out", "."], r"\. is a folder; choose a file as --out"),
        (["train.npz", "test.npz", "--out", "test.npz/x.json"], "test.npz"),
        (["a.npz", "b.npz", "c.npz"], "a training and a test file, or one file; got 3 paths"),
        (["train.npz", "test.npz", "--data", "digits"], "feature files bring their own rows"),
        (["train.npz", "test.npz", "--on", "digits"], "--on, --root and --download are for runs; feature files bring"),
        (["flat", "--on", "a", "--data", "b"], "--on and --data both say on what to judge"),
        (["train.npz", "test.npz", "--judge", "fewshot"], "a judge must be one of .* did you mean 'few_shot'"),
        (["train.npz", "test.npz", "--judge", "fine_tuning"], "judge 'fine_tuning' needs the encoder and its samples"),
        (["train.npz", "test.npz", "--judge", "geometry", "--judge", "geometry"], "^judges must name each judge once"),
        (["test.npz", "--judge", "geometry"], "--judge and --set are for a run, or for two files"),
        (["test.npz", *FAST], "--judge and --set are for a run, or for two files"),
        (["nowhere.npy"], "nowhere.npy is not a file"),
        (["nowhere"], "nowhere holds no encoder.json"),
        (["notes.json", "test.npz"], "the suffix of notes.json must be one of"),
    ],
)
def test_mistakes_say_what_is_accepted_and_change_nothing(tmp_path, arguments, message):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, ValueError | OSError)
    with pytest.raises(type(error), match=message):
        raise error
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_without_labels_is_judged_by_two_views_of_its_images(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    (tmp_path / "flat").mkdir()
    monkeypatch.setattr(command, "samples_of_run", lambda *_: (SimpleNamespace(judged_by=()), Splits(FLAT, FLAT, None)))
    monkeypatch.setattr(run_embeddings, "embed_run_views", lambda *_, **__: (Embeddings((rows, rows)), []))
    result = CliRunner().invoke(app, ["flat", *FAST])
    assert result.exit_code == 0, result.output
    assert "judged without labels" in result.stderr
    assert json.loads((tmp_path / "flat" / "evaluation.json").read_text())["alignment"] == 0.0


def samples_of(seed: int) -> ImageSet:
    drawn = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (60, 1, 4, 4), dtype=torch.uint8, generator=drawn)
    return ImageSet(images, torch.arange(60) % 3, ("a", "b", "c"), tuple(map(str, range(60))))


def test_a_judge_has_the_settings_of_the_run_unless_others_are_given(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    config = RunConfig(judges=settings_of([{"name": "classification", "split_seeds": [3], "penalties": [0.1]}]))
    (tmp_path / "run" / "config.json").write_text(config.model_dump_json())
    samples = samples_of(0)
    found = own_frozen(torch.nn.Flatten(), samples), Splits(samples, samples, samples)
    monkeypatch.setattr(command, "samples_of_run", lambda *_: found)

    def split_seeds(*arguments: str) -> list[int]:
        result = CliRunner().invoke(app, ["run", "--device", "cpu", *arguments])
        assert result.exit_code == 0, result.output
        judges = json.loads((tmp_path / "run" / "evaluation.json").read_text())["config"]["judges"]
        return next(judge["split_seeds"] for judge in judges if judge["name"] == "classification")

    assert split_seeds() == split_seeds("--judge", "classification") == [3]
    assert split_seeds("--set", "judges.classification.split_seeds=[5]") == [5]


def test_another_judge_leaves_what_others_said_of_the_same_encoder_and_samples(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()

    def judge(*names: str, pixels: int = 0, bias: float = 0.0) -> list[str]:
        samples = samples_of(pixels)
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 5))
        with torch.no_grad():
            for part in network.parameters():
                part.copy_(torch.linspace(-1, 1, part.numel()).reshape(part.shape) + bias)
        found = own_frozen(network, samples), Splits(samples, samples, samples)
        monkeypatch.setattr(command, "samples_of_run", lambda *_: found)
        words = [word for name in names for word in ("--judge", name)]
        result = CliRunner().invoke(app, ["run", *words, "--device", "cpu"])
        assert result.exit_code == 0, result.output
        saved = json.loads((tmp_path / "run" / "evaluation.json").read_text())
        assert list(saved["judged"]) == [one["name"] for one in saved["config"]["judges"]]
        return list(saved["judged"])

    assert judge("geometry") == ["geometry"]
    assert judge("label_free") == ["geometry", "label_free"]
    assert judge("geometry") == ["geometry", "label_free"]
    assert judge("label_free", bias=1.0) == ["label_free"]
    assert judge("geometry", bias=1.0, pixels=1) == ["geometry"]


def test_what_is_said_of_other_samples_leaves_the_result_of_the_runs_own(tmp_path, monkeypatch):
    run, mine = tmp_path / "run", Splits(*[samples_of(0)] * 3)
    run.mkdir()
    (run / "data.json").write_text(mine.facts().model_dump_json())
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 5))
    for splits, place in ((mine, "evaluation.json"), (Splits(*[samples_of(1)] * 3), "evaluation-others.json")):
        found = own_frozen(network, splits.train), splits
        monkeypatch.setattr(command, "samples_of_run", lambda *_, found=found: found)
        words = [str(run), "--data", "others.tar.gz", "--judge", "geometry", "--device", "cpu"]
        assert f"run/{place}" in CliRunner().invoke(app, words, terminal_width=400).output.replace("\n", "")
    assert {file.name for file in run.glob("eval*")} == {"evaluation.json", "evaluation-others.json"}
