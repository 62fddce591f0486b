import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.comparison import Study, preflight, work
from anchorwise.comparison.compare import run_one
from anchorwise.comparison.results import RunResult
from anchorwise.comparison.schedule import Schedule


def _invoke(*arguments: str):
    return CliRunner().invoke(app, ["compare", *arguments])


def test_the_study_that_would_run_is_shown_and_nothing_runs(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    options = ["--set", "seeds=[8, 9]", "--budget", "0.5", "--data", "cifar10.tar.gz", "--show-config"]
    study = json.loads(_invoke("compare-cifar10-small", *options).stdout)
    assert (study["seeds"], study["train"]["num_epochs"], study["budget"]) == ([8, 9], 6, 0.5)
    assert study["data_sets"]["cifar10"]["source"] == "cifar10.tar.gz"
    assert list(tmp_path.iterdir()) == []


def test_the_cost_is_told_without_a_run(study: Study, tmp_path: Path):
    path = tmp_path / "study.json"
    path.write_text(study.model_dump_json())
    result = _invoke(str(path), "--dry-run", "--out", str(tmp_path / "out"), "--workers", "2")
    timed, told = result.stdout.splitlines()
    assert timed == "digits: a few steps and one judgement are timed"
    assert told.startswith("10 runs, 0 done; the other 10 take about ")
    assert "with 2 at a time (by a few steps timed now)" in told
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare-digit"], "study must be one of .* did you mean 'compare-digits'"),
        (["nowhere.json"], "there is no study at nowhere.json"),
        (["--set", "seed=[1]"], "unknown setting 'seed'; here: .* did you mean 'seeds'"),
        (["--set", "seeds=[0, 1]"], "seed 0 stands twice"),
        (["--budget", "0"], "--budget must lie in"),
        (
            ["compare-paper", "--data", "x.tar"],
            "--data must be NAME=IMAGES, NAME one of cifar10, cifar100, .*, got 'x.tar'",
        ),
        (["compare-cifar10-small", "--data", "nowhere.tar"], "nowhere.tar"),
        (["--run", "abc"], "--run must be the key of a run that can start now or is done"),
        (["--executor", "slurm"], "--executor must be one of 'local', 'ray'"),
        (["--engine", "ray"], "--engine is --executor now"),
        (["--set", "primary=effective_rank_of_all"], "primary must be one of 'linear', 'knn'"),
    ],
)
def test_a_wrong_call_says_what_is_accepted(monkeypatch, tmp_path: Path, arguments: list[str], message: str):
    monkeypatch.chdir(tmp_path)
    result = _invoke(*arguments)
    assert isinstance(result.exception, ValueError | OSError)
    with pytest.raises(type(result.exception), match=message):
        raise result.exception
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [[], ["--print-commands"], ["--run", "KEY"]])
def test_a_folder_that_is_not_a_studys_is_refused_before_anything_runs(study: Study, tmp_path: Path, option):
    path, notes = tmp_path / "tiny.json", tmp_path / "mine" / "summary.json"
    path.write_text(study.model_dump_json())
    notes.parent.mkdir()
    notes.write_text("my own")
    key = Schedule(study).progress({})[0].wanted[0].key
    option = [key if part == "KEY" else part for part in option]
    result = _invoke(str(path), "--out", str(notes.parent), "--workers", "1", *option)
    assert "holds files that `anchorwise compare` did not write" in str(result.exception)
    assert {file.name for file in notes.parent.iterdir()} == {"summary.json"}
    assert notes.read_text() == "my own"


def test_a_folder_of_a_study_is_taken_up_though_it_has_no_marker(study: Study, tmp_path: Path):
    (tmp_path / "study.json").write_text(study.model_dump_json())
    result = _invoke(str(tmp_path / "study.json"), "--out", str(tmp_path), "--print-commands")
    assert result.exit_code == 0, result.exception


def test_an_out_or_results_that_is_a_file_is_refused_in_words(study: Study, tmp_path: Path):
    path = tmp_path / "tiny.json"
    path.write_text(study.model_dump_json())
    assert f"{path} is a file; choose a folder as --out" in str(_invoke(str(path), "--out", str(path)).exception)
    elsewhere = ["--out", str(tmp_path / "out"), "--results", str(path), "--workers", "1"]
    assert f"{path} cannot be written" in str(_invoke(str(path), *elsewhere).exception)
    assert not (tmp_path / "out" / "runs").exists()


@pytest.mark.whole
def test_a_single_run_that_failed_says_so_to_the_scheduler(study: Study, tmp_path: Path, monkeypatch):
    path, out = tmp_path / "study.json", tmp_path / "out"
    path.write_text(study.model_dump_json())
    key = _invoke(str(path), "--out", str(out), "--print-commands").stdout.split()[-1]
    with monkeypatch.context() as patched:
        patched.setattr(work, "pretrain", None)
        failed = _invoke(str(path), "--out", str(out), "--run", key)
    assert (failed.exit_code, failed.stdout.split()[0]) == (1, "failed")
    assert _invoke(str(path), "--out", str(out), "--run", key).stdout == "done\n"


def test_single_runs_refuse_images_that_leak_too(study: Study, tmp_path: Path, monkeypatch):
    path, out = tmp_path / "study.json", tmp_path / "out"
    path.write_text(study.model_dump_json())
    key = _invoke(str(path), "--out", str(out), "--print-commands").stdout.split()[-1]
    monkeypatch.setattr(preflight, "leaked_share", lambda splits: 0.5)
    for option in (["--print-commands"], ["--run", key]):
        result = _invoke(str(path), "--out", str(out), *option)
        assert "50.0% of the test samples are training samples too" in str(result.exception)


@pytest.mark.whole
def test_jobs_of_two_calls_in_one_folder_do_not_refuse_each_other(study: Study, tmp_path: Path, monkeypatch):
    path, out = tmp_path / "tiny.json", tmp_path / "out"
    path.write_text(study.model_dump_json())
    jobs = [
        _invoke(str(path), "--out", str(out), "--only", name, "--print-commands").stdout.splitlines()[-1].split()[2:]
        for name in ("arctanh", "dcl")
    ]
    monkeypatch.setitem(run_one.__globals__, "perform", lambda run, _: RunResult(key=run.key, identity=run.identity))
    assert [_invoke(*job).stdout for job in jobs] == ["done\n", "done\n"]


@pytest.mark.whole
@pytest.mark.usefixtures("unrendered")
def test_a_recall_that_nobody_asked_for_is_missing_in_the_tables(study: Study, tmp_path: Path):
    path, out = tmp_path / "study.json", tmp_path / "out"
    path.write_text(study.model_dump_json())
    options = ["--set", "judges.classification.recall_neighbors=[5]", "--only", "arctanh", "--workers", "1"]
    result = _invoke(str(path), "--out", str(out), *options)
    assert result.exit_code == 0, result.exception
    assert "| arctanh link | as it is |" in (out / "verdicts.md").read_text()
    assert re.search(r"│ arctanh link +│ \d", result.stdout)
