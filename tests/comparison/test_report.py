"""What a reader of the report is told, and what the figures hold; nothing is trained."""

import re
from pathlib import Path

import pytest

from anchorwise.comparison import Study, Workplace, study_recipe
from anchorwise.comparison.figures import grid_figure
from anchorwise.comparison.illustrations import Illustrations
from anchorwise.comparison.report import comparison_report
from anchorwise.comparison.results import RunResult
from anchorwise.comparison.schedule import Schedule
from anchorwise.comparison.summary import Summary
from anchorwise.comparison.tables import caption
from anchorwise.comparison.write import as_json, write_all
from anchorwise.evaluation.registry import JUDGES
from anchorwise.objectives.catalogue import describe
from anchorwise.training import RunConfig, apply_overrides
from tests.evaluation.widest import WidestColumn

RESULTS = Path(__file__).parents[2] / "benchmarks" / "studies" / "compare-digits"


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Summary:
    study = apply_overrides(study_recipe("compare-digits"), ["version=1"])
    return Summary(study, Workplace(study, tmp_path_factory.mktemp("kept"), RESULTS).known())


@pytest.mark.whole
def test_objectives_stand_side_by_side_on_the_same_seeds_alone(kept: Summary):
    entries = kept.standings["digits"]
    choosing, judged = grid_figure(entries, kept.primary, title="").axes
    assert {line.get_label() for line in choosing.lines} == {
        entry.label for entry in entries if len(kept.study.objectives[entry.objective].grid) > 1
    }
    means = {line.get_label(): line.get_ydata() for line in judged.lines}
    for entry in entries:
        scores = [result.score("knn", "validation") for result in entry.by_seed.values()]
        assert len(scores) == 5
        assert means[entry.label] == pytest.approx([100 * sum(scores) / 5])


@pytest.mark.whole
def test_a_pilot_says_so_in_the_head_of_the_report_and_under_the_tables(kept: Summary):
    pilot = Summary(kept.study.with_budget(0.2), {})
    words = "Trained for 2 epochs instead of 10 (budget 0.2: a pilot, not the study itself)."
    assert words in comparison_report(pilot).summary
    assert words in caption(pilot)
    assert (as_json(pilot)["num_epochs"], as_json(pilot)["budget"]) == (2, 0.2)
    assert comparison_report(kept).summary.endswith("Trained for 10 epochs.")


@pytest.mark.whole
def test_the_report_opens_with_what_came_out_best_first_beside_what_needs_no_training(kept: Summary):
    shown = Illustrations(references={"digits": {"pixels": {"knn": 0.97}, "untrained": {"linear": 0.5}}})
    opening = comparison_report(kept, shown).summary.partition(". ")[0]
    means = [float(value) for value in re.findall(r" (\d+\.\d+)(?=[,;])", opening)]
    assert len(means) == len(kept.study.objectives) == 6
    assert means == sorted(means, reverse=True)
    assert opening.startswith("kNN % on digits: ")
    assert opening.endswith("; without training: pixels 97.00")
    assert not comparison_report(Summary(kept.study, {})).summary.startswith("kNN %")


@pytest.mark.whole
def test_the_report_says_what_every_objective_is_and_between_what_it_was_chosen(kept: Summary):
    section = next(part for part in comparison_report(kept).sections if part.title == "What is compared")
    said = section.blocks[1].facts
    assert list(said) == [f"{kept.study.label(name)} ({name})" for name in kept.study.objectives]
    assert describe("info_nce").summary in said["InfoNCE (info_nce)"]
    assert "Chosen between: temperature 0.1; temperature 0.2; temperature 0.5." in said["InfoNCE (info_nce)"]
    assert "weibit with exponent=batch" in said["Weibit, batch exponent (weibit)"]


@pytest.mark.whole
def test_every_point_that_was_tried_is_there_and_folded_away(kept: Summary):
    assert "<summary>digits: 12 points that were tried</summary>" in comparison_report(kept).html()


def test_before_anything_ran_the_report_has_sentences_where_pictures_will_be(study: Study):
    page = comparison_report(Summary(study, {})).html()
    assert "<img" not in page
    assert "Not drawn, since no run has the numbers: the differences from the baseline, kNN of" in page


def test_one_of_a_kind_is_not_called_many(study: Study):
    two = study.only(["dcl"]).model_copy(update={"seeds": (1,)})
    page = comparison_report(Summary(two, {})).html() + caption(Summary(two, {}))
    for words in ("1 objective at", "1 encoder seed.", "under 1 point count", "over encoder seed 0 "):
        assert words in page
    assert "Points of grids" in page
    as_set = {name: one.model_copy(update={"grid": ({},)}) for name, one in two.objectives.items()}
    assert "Points of grids" not in caption(Summary(two.model_copy(update={"objectives": as_set}), {}))
    for words in ("1 objectives", "1 encoder seeds", "1 points", "encoder seeds 0", "1 epochs"):
        assert words not in page


def _answered(study: Study, metric: str, **history: float) -> dict[str, RunResult]:
    """Return results of every run of a study without grids: `metric` is 0.5, and 0.4 for dcl."""
    results = {}
    for one in Schedule(study).progress({}):
        for run in one.wanted:
            value = 0.4 if one.objective == "dcl" else 0.5
            numbers = {metric: (value,)}
            facts = {"machine": {name: "x" for name in ("processor", "accelerator", "anchorwise", "torch")}}
            record = ({"step": 1, "wall_s": 1.0, **history},)
            results[run.key] = RunResult(
                key=run.key, identity=run.identity, validation=numbers, test=numbers, history=record, **facts
            )
    return results


@pytest.fixture
def without_grids(study: Study) -> Study:
    objectives = {name: one.model_copy(update={"grid": ({},)}) for name, one in study.objectives.items()}
    return study.model_copy(update={"objectives": objectives, "ladder": ("info_nce", "dcl", "arctanh")})


@pytest.mark.usefixtures("unrendered")
def test_a_new_judge_is_in_every_table_and_figure_by_its_registration(without_grids: Study, monkeypatch, tmp_path):
    monkeypatch.setitem(JUDGES, "widest", WidestColumn)
    # What a configuration may hold was decided when the registry was read, so the new judge judges and watches nothing,
    # and the study cannot be written as JSON.
    monkeypatch.setattr(Study, "model_dump_json", lambda *_, **__: "{}")
    config = Study.run_config
    as_before = {"judges": RunConfig().judges}
    monkeypatch.setattr(
        Study, "run_config", lambda *given, **named: config(*given, **named).model_copy(update=as_before)
    )
    study = without_grids.model_copy(update={"primary": "widest", "judges": (WidestColumn.Config(),)})
    summary = Summary(study, _answered(study, "widest", widest=0.3))
    write_all(summary, tmp_path)
    assert "| widest column % |" in (tmp_path / "verdicts.md").read_text()
    assert ",test,widest,0," in (tmp_path / "numbers.csv").read_text()
    page = (tmp_path / "report.html").read_text()
    # Less of it is better.
    assert "digits, widest column: better than info_nce: dcl" in page
    for words in ("of every objective", "against wall time"):
        assert f"widest column {words}" in page
    assert "kNN" not in (tmp_path / "verdicts.md").read_text()


def test_collapsed_features_are_in_the_first_sentence(without_grids: Study):
    results = _answered(without_grids, "knn", spread=0.01)
    head = comparison_report(Summary(without_grids, results)).summary
    assert head.startswith("Look at this first: info_nce on digits collapsed on seeds 1, 2; ")
    assert "collapsed" not in comparison_report(Summary(without_grids, _answered(without_grids, "knn"))).summary


def test_in_a_notebook_a_study_shows_its_verdicts(kept: Summary):
    cell = kept._repr_html_()
    assert "<th>verdict</th>" in cell
    assert all(standing.label in cell for standing in kept.standings["digits"])
