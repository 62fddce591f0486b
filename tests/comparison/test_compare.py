"""Whole studies: the same tables however often one is stopped, moved or enlarged."""

import csv
import json
import os
import re
import shlex
import signal
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.comparison import Contender, Halving, Study, Workplace, compare
from anchorwise.comparison import preflight as preflight_module
from anchorwise.comparison import work as work_module
from anchorwise.training import ObjectiveConfig
from anchorwise.training import loop as loop_module
from tests import processes
from tests.comparison.conftest import tiny_study

pytestmark = pytest.mark.whole

TABLES = ("numbers.csv", "verdicts.md", "verdicts.tex", "summary.json")
NUM_RUNS = 10  # Two points of two objectives, three objectives on two seeds.


def _tables(out: Path) -> dict[str, str]:
    return {name: (out / name).read_text() for name in TABLES}


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def _run(study: Study, out: Path, results: Path | None = None) -> list[str]:
    said: list[str] = []
    compare(Workplace(study, out, results), num_workers=1, say=said.append)
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A study that never stopped."""
    out = tmp_path_factory.mktemp("whole")
    timed, *said = _run(tiny_study(), out)
    assert timed == "digits: a few steps and one judgement are timed"
    assert re.match(rf"{NUM_RUNS} runs, 0 done; the other {NUM_RUNS} take about \d+ \w+ with 1 at a time", said[0])
    assert len(said) == NUM_RUNS + 1
    assert re.match(
        rf"1 of {NUM_RUNS} done in \d+ \w+, about \d+ \w+ to go: digits, info_nce, temperature 0.2, ", said[1]
    )
    assert f"{NUM_RUNS} of {NUM_RUNS} done in " in said[-1]
    assert ", about 0 s to go: " in said[-1]
    return out


def _copy_results(whole: Path, results: Path, but: str = "") -> None:
    """Give a study the results that the whole one has, but those of an objective."""
    results.mkdir(parents=True, exist_ok=True)
    for file in (whole / "results").glob("[0-9a-f]*.json"):
        if json.loads(file.read_text())["identity"]["training"]["objective"]["name"] != but:
            (results / file.name).write_bytes(file.read_bytes())


def test_every_number_is_in_the_tidy_table(whole: Path):
    rows = _rows(whole / "numbers.csv")
    assert len({row["key"] for row in rows}) == NUM_RUNS
    judged = [row for row in rows if row["part"] == "test"]
    assert {row["stage"] for row in judged} == {"judge"}
    assert {row["seed"] for row in judged} == {"1", "2"}
    linear = [row for row in judged if (row["objective"], row["seed"], row["metric"]) == ("arctanh", "1", "linear")]
    assert [row["split_seed"] for row in linear] == ["0", "1"]
    assert all(0 <= float(row["value"]) <= 1 for row in linear)
    costs = _rows(whole / "costs.csv")
    assert {"step_s", "train_s", "judge_s"} <= {row["metric"] for row in costs}


def test_the_summary_agrees_with_the_tidy_table(whole: Path):
    rows = _rows(whole / "numbers.csv")

    def mean(objective: str, seed: str) -> float:
        wanted = {"objective": objective, "seed": seed, "part": "test", "metric": "knn"}
        values = [float(row["value"]) for row in rows if all(row[name] == value for name, value in wanted.items())]
        assert len(values) == 2
        return sum(values) / 2

    differences = [mean("arctanh", seed) - mean("info_nce", seed) for seed in ("1", "2")]
    verdict = json.loads((whole / "summary.json").read_text())["data_sets"]["digits"]["arctanh"]["verdict"]
    assert verdict["differences"] == pytest.approx(differences, abs=1e-12)
    assert verdict["mean"] == pytest.approx(sum(differences) / 2, abs=1e-12)


@pytest.mark.elsewhere
def test_parquet_has_the_same_rows_where_pyarrow_is(whole: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(whole / "numbers.parquet").to_pylist()
    rows = _rows(whole / "numbers.csv")
    assert [str(row["value"]) for row in table] == [row["value"] for row in rows]


def test_the_report_has_every_part_and_loads_nothing(whole: Path):
    page = (whole / "report.html").read_text()
    titles = [re.sub("<.*?>", "", title) for title in re.findall("<h2>.*?</h2>", page)]
    parts = ["How settings were chosen", "Over training", "Cost", "How it was made"]
    assert titles == ["Verdicts", "What is compared", "digits", *parts]
    assert "arctanh link" in page
    assert not re.search(r"<script|<link|https?://", page)


@pytest.mark.usefixtures("unrendered")
def test_a_finished_study_only_writes(whole: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(work_module, "pretrain", None)
    assert _run(tiny_study(), tmp_path, whole / "results") == [f"{NUM_RUNS} runs, all done"]
    assert _tables(tmp_path) == _tables(whole)


@pytest.mark.usefixtures("unrendered")
def test_a_finished_study_needs_no_images(whole: Path, tmp_path: Path):
    study = tiny_study()
    elsewhere = study.data_sets["digits"].model_copy(update={"source": str(tmp_path / "gone")})
    said = _run(study.model_copy(update={"data_sets": {"digits": elsewhere}}), tmp_path, whole / "results")
    assert said == [f"{NUM_RUNS} runs, all done"]
    assert _tables(tmp_path) == _tables(whole)


def _killed_at_step(number: int, out: Path, results: Path) -> None:
    step, calls = loop_module.train_step, []

    def deadly(*arguments):
        calls.append(None)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments)

    loop_module.train_step = deadly
    _run(tiny_study(), out, results)


@pytest.mark.usefixtures("unrendered")
def test_a_study_killed_in_the_middle_resumes_to_identical_tables(whole: Path, tmp_path: Path):
    out, results = tmp_path / "out", tmp_path / "results"
    _copy_results(whole, results, but="arctanh")
    # Two steps a run: in the middle of the second of the two runs that are left.
    process = processes.start(_killed_at_step, 4, out, results)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    said = _run(tiny_study(), out, results)
    assert said[0].startswith(f"{NUM_RUNS} runs, {NUM_RUNS - 1} done")
    assert _tables(out) == _tables(whole)


@pytest.mark.usefixtures("unrendered")
def test_another_seed_and_another_objective_reuse_what_is_there(whole: Path, tmp_path: Path):
    study = tiny_study()
    dhel = {"dhel": Contender(objective=ObjectiveConfig(name="dhel"))}
    larger = Study(**{**dict(study), "seeds": (1, 2, 3), "objectives": {**study.objectives, **dhel}})
    results = tmp_path / "results"
    _copy_results(whole, results)
    said = _run(larger, tmp_path / "out", results)
    assert said[0].startswith(f"16 runs, {NUM_RUNS} done")  # Three more of seed 3, three of the new objective.
    assert len(said) == 1 + 6
    smaller = _tables(whole)["numbers.csv"].splitlines()
    assert set(smaller) <= set((tmp_path / "out/numbers.csv").read_text().splitlines())


@pytest.mark.usefixtures("unrendered")
def test_single_commands_give_the_same_tables(whole: Path, tmp_path: Path):
    # As a job array would, in two rounds: the choice, then the judgement.
    study = tmp_path / "study.json"
    study.write_text(tiny_study().model_dump_json())
    out = tmp_path / "out"

    def commands(said: str = "runs can start now") -> list[str]:
        listing = CliRunner().invoke(app, ["compare", str(study), "--out", str(out), "--print-commands"])
        assert said in listing.stderr
        return listing.stdout.splitlines()

    first = commands()
    assert len(first) == 6  # Four points, and two seeds of the objective without a grid.
    parts = shlex.split(first[0])
    assert parts[:2] == ["anchorwise", "compare"]
    assert CliRunner().invoke(app, parts[1:]).stdout == "done\n"
    assert commands() == first[1:]
    _copy_results(whole, out / "results")  # All the others.
    assert commands("no run is left") == []
    assert _run(tiny_study(), out) == [f"{NUM_RUNS} runs, all done"]
    assert _tables(out) == _tables(whole)


@pytest.mark.usefixtures("unrendered")
def test_a_grid_of_which_nothing_finishes_ends_the_study_all_the_same(whole: Path, tmp_path: Path):
    wild = Contender(
        objective=ObjectiveConfig(name="arctanh"), grid=({"optimizer.peak_lr": 1e30}, {"optimizer.peak_lr": 1e31})
    )
    study = Study(**{**dict(tiny_study()), "objectives": {**tiny_study().objectives, "arctanh": wild}})
    out, results = tmp_path / "out", tmp_path / "results"
    _copy_results(whole, results, but="arctanh")
    _run(study, out, results)
    entry = json.loads((out / "summary.json").read_text())["data_sets"]["digits"]["arctanh"]
    assert entry["verdict"]["words"] == "no verdict: no point of its grid finished"
    assert len(entry["failures"]) == 3
    assert _run(study, out, results) == ["10 runs, all done"]


def test_failed_and_diverged_runs_are_reported_and_take_the_verdict(whole: Path, tmp_path: Path, monkeypatch):
    step = loop_module.train_step

    def exploding(state, network, batch, config, *given):
        if config.objective.name == "arctanh" and config.train.seed == 2:
            for weight in state.model.parameters():
                weight.data.fill_(torch.inf)
        return step(state, network, batch, config, *given)

    monkeypatch.setattr(loop_module, "train_step", exploding)
    out, results = tmp_path / "out", tmp_path / "results"
    _copy_results(whole, results, but="arctanh")
    said = _run(tiny_study(), out, results)
    assert sum("diverged: the loss of step 0 is nan" in line for line in said) == 1
    entry = json.loads((out / "summary.json").read_text())["data_sets"]["digits"]["arctanh"]
    assert entry["verdict"]["words"] == "no verdict: seed 2 diverged"
    assert len(entry["verdict"]["differences"]) == 1
    assert "What went wrong" in (out / "report.html").read_text()
    assert ",diverged," in (out / "numbers.csv").read_text()


def test_halving_runs_short_rungs_first(tmp_path: Path):
    study = tiny_study()
    train = study.train.model_copy(update={"num_epochs": 2})
    changes = {"halving": Halving(factor=2.0), "train": train, "seeds": (1,), "ladder": ("info_nce", "dcl", "arctanh")}
    _run(Study(**{**dict(study), **changes}), tmp_path)
    assert "Where a gain comes from" in (tmp_path / "report.html").read_text()
    rows = _rows(tmp_path / "numbers.csv")
    chosen = {(row["num_epochs"], row["objective"], row["point"]) for row in rows if row["stage"] == "choose"}
    assert [epochs for epochs, *_ in chosen] == ["1"] * 4  # One point of each is left, and nothing to choose.
    assert {row["num_epochs"] for row in rows if row["stage"] == "judge"} == {"2"}


def test_other_images_than_those_of_the_results_are_refused(whole: Path, tmp_path: Path):
    study = tiny_study().model_copy(update={"seeds": (1, 2, 3)})
    for file in (whole / "results").iterdir():
        (tmp_path / file.name).write_text(re.sub('"data":"[0-9a-f]+"', '"data":"0123456789abcdef"', file.read_text()))
    with pytest.raises(ValueError, match="results that are there are of 0123456789abcdef"):
        _run(study, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(preflight_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1_000}))
    with pytest.raises(ValueError, match="has 1e-06 GB free; choose another --out"):
        _run(tiny_study(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_test_images_among_the_training_images_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(preflight_module, "leaked_share", lambda _: 0.25)
    with pytest.raises(ValueError, match=r"25\.0% of the test samples are training samples too"):
        _run(tiny_study(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
