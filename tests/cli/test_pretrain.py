import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anchorwise import training
from anchorwise.cli.app import app
from anchorwise.training import RunConfig, RunDirectory, load_config, pretrain, recipe
from anchorwise.training.choosing import configured
from anchorwise.training.fitting_recipe import fitting_recipe
from tests.training.conftest import shortest_run


def _output(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["pretrain", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_shown_configuration_is_one_that_can_be_given(tmp_path: Path):
    file = tmp_path / "mine.json"
    file.write_text(_output("digits", "--set", "train.num_epochs=3", "--show-config"))
    assert load_config(file).train.num_epochs == 3
    again = json.loads(_output(str(file), "--set", "train.batch_size=32", "--show-config"))
    assert (again["train"]["num_epochs"], again["train"]["batch_size"]) == (3, 32)


def test_a_runs_configuration_runs_again_elsewhere_and_text_is_a_path(tmp_path: Path):
    first = pretrain(shortest_run(), str(tmp_path / "first"), show_progress=False)
    words = _output(str(first.config_file), "--out", str(tmp_path / "second"))
    assert words.splitlines()[-1].startswith(f"done: {tmp_path / 'second'}")
    second = RunDirectory(tmp_path / "second")
    assert second.config() == first.config()
    assert second.summary()["loss"] == first.summary()["loss"]
    again = _output(str(first.config_file), "--out", str(tmp_path / "second"))
    assert again.splitlines()[-1].startswith(f"was done before: {tmp_path / 'second'}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"train": {"num_epochs": "3"}}', "train.num_epochs: Input should be a valid integer, got '3'"),
        ('{"trian": {}}', "unknown setting 'trian'; here: modality, "),
        ("[", "Invalid JSON"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, text: str, reason: str):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(ValueError, match=rf"mine.json cannot be used: .*{reason}"):
        load_config(tmp_path / "mine.json")


def test_samples_in_the_place_of_a_recipe_are_told_to_be_data(tmp_path: Path):
    with pytest.raises(ValueError, match=r"recipe must be .* may be your samples: .* folder --data"):
        configured(tmp_path)


def test_data_without_a_recipe_start_from_one_that_fits(tmp_path: Path):
    for name in ("photos/cats/0.JPG", "photos/names.csv", "texts/train.csv", "speech/a.wav", "speech/who.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert fitting_recipe(str(tmp_path / "photos")) == "folder"
    assert fitting_recipe(None) == fitting_recipe("cifar10") == fitting_recipe(str(tmp_path / "nowhere")) == "digits"
    for name, words in (("texts", r"'train.csv': captions-small"), ("speech", "'a.wav': spoken-digits")):
        with pytest.raises(ValueError, match=f"recipe must be named where data are no images, got none for {words}"):
            fitting_recipe(str(tmp_path / name))
    table = str(tmp_path / "texts" / "train.csv")
    shown = json.loads(_output("--data", table, "--set", "modality=text", "--show-config"))
    assert (shown["modality"], shown["data"]["source"]) == ("text", table)


def test_an_image_alone_is_no_batch():
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        recipe("digits").train.model_validate({"batch_size": 1})
    assert RunConfig().train.batch_size > 1


def test_an_interrupt_outside_of_the_steps_is_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "pretrain", stopped)
    result = CliRunner().invoke(app, ["pretrain", "digits", "--out", str(tmp_path / "run")])
    assert (result.exit_code, result.stderr) == (130, "stopped; the same command goes on\n")
