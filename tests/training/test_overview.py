import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.training.config import run_config_of
from anchorwise.training.overview import COLUMNS, _asked, overview, runs_below, sorted_by


@pytest.fixture
def folder(finished, tmp_path: Path) -> Path:
    """A finished run, another that was judged better, and a damaged one below a folder of its own."""
    shutil.copytree(finished.path, tmp_path / "first")
    shutil.copytree(finished.path, tmp_path / "second")
    (tmp_path / "second" / "evaluation.json").write_text('{"metrics": {"linear": 0.91, "knn": 0.9}}')
    shutil.copytree(finished.path, tmp_path / "old" / "third")
    (tmp_path / "old" / "third" / "config.json").write_text("{}}")
    return tmp_path


def test_runs_are_found_at_any_depth_with_what_they_were_and_what_came_out(folder: Path):
    first, third, second = runs_below(folder)
    assert (first.name, third.name, second.name) == ("first", "old/third", "second")
    assert first.cells["state"] == "done"
    assert (first.cells["data"], first.cells["method"], first.cells["batch"]) == ("digits", "simclr", "16")
    assert first.cells["objective"] == "weince(temperature=0.2)"
    assert first.cells["steps"] == "12"
    assert float(first.cells["loss"]) > 0
    assert "test linear" not in first.cells
    assert second.cells["test linear"] == "0.91"


@pytest.mark.parametrize(("modality", "name"), [("queries", "queries"), ("image_text", "small + bert-small")])
def test_encoders_of_every_modality_have_a_name(modality: str, name: str):
    config = run_config_of(modality)()
    assert config.encoder_name == name
    assert _asked(config)["encoder"] == name


def test_a_damaged_run_says_what_is_wrong_and_spoils_no_other(folder: Path):
    damaged = runs_below(folder)[1]
    assert damaged.cells["state"] == "damaged"
    assert "config.json" in damaged.trouble
    assert "config.json" in overview(folder, runs_below(folder)).html()


def test_a_stopped_run_is_not_called_done(folder: Path):
    (folder / "first" / "summary.json").unlink()
    assert runs_below(folder)[0].cells["state"] == "stopped or running"


def test_runs_without_a_number_come_last(folder: Path):
    assert [run.cells.get("test linear") for run in sorted_by(runs_below(folder), "test linear")] == [
        "0.91",
        None,
        None,
    ]


def test_the_page_has_a_table_that_can_be_sorted_and_curves(folder: Path):
    html = overview(folder, runs_below(folder)).html()
    assert all(f">{column}</th>" in html for column in COLUMNS)
    assert '<table class="sortable">' in html
    assert "3 runs, 2 of them done." in html
    assert "kNN accuracy" in html


def test_the_command_writes_the_page_and_no_other_file(folder: Path):
    said = CliRunner().invoke(app, ["runs", str(folder), "--by", "test linear"])
    assert said.exit_code == 0, said.output
    assert "second" in said.output
    assert "Made by anchorwise" in (folder / "runs.html").read_text()
    (folder / "runs.html").write_text("mine")
    with pytest.raises(ValueError, match="is another file"):
        CliRunner().invoke(app, ["runs", str(folder)], catch_exceptions=False)


def test_a_folder_without_runs_is_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="holds no run; `anchorwise pretrain"):
        runs_below(tmp_path)


def test_what_was_given_in_python_is_called_own(folder: Path):
    file = folder / "first" / "config.json"
    own = {"data": "12 images", "method": "lab.Mine()", "objective": "DCL()"}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"own": own}))
    cells = runs_below(folder)[0].cells
    assert (cells["data"], cells["method"], cells["objective"]) == ("own", "own", "own")
