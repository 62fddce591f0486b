"""A study on several data sets; nothing is trained."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.comparison import Study, study_recipe
from anchorwise.comparison.figures import forest_figure
from anchorwise.comparison.report import comparison_report
from anchorwise.comparison.results import RunResult
from anchorwise.comparison.schedule import Schedule
from anchorwise.comparison.summary import Summary
from anchorwise.comparison.tables import across_rows, caption
from anchorwise.comparison.verdict import Decision
from anchorwise.comparison.write import as_json, write_all
from anchorwise.modalities.groups import groups_of

GAINS = {"arctanh": {"first": 0.03, "second": 0.02, "third": 0.025}, "dcl": {"first": 0.0, "second": 0.0, "third": 0.0}}


def _trained(study: Study) -> Summary:
    """Return a study all of whose runs have ended, with gains over the baseline that are known but for a noise."""
    results: dict[str, RunResult] = {}
    generator = np.random.default_rng(0)
    schedule = Schedule(study)
    while wanted := [run for one in schedule.progress(results) for run in one.wanted if run.key not in results]:
        for run in wanted:
            gain = GAINS.get(run.objective, {}).get(run.data_set, 0.0)
            value = 0.5 + 0.01 * run.seed + gain + 0.001 * float(generator.standard_normal())
            numbers = {"linear": (value,) * 2, "knn": (value,) * 2}
            results[run.key] = RunResult(
                key=run.key, identity={}, validation=numbers, test=numbers, machine=dict.fromkeys(_MACHINE, "here")
            )
    return Summary(study, results)


_MACHINE = ("processor", "accelerator", "anchorwise", "torch")


@pytest.fixture
def several(study: Study) -> Study:
    images = study.data_sets["digits"]
    return study.model_copy(
        update={
            "data_sets": dict.fromkeys(("first", "second", "third"), images),
            "seeds": (1, 2, 3, 4),
            "family": "study",
        }
    )


def test_an_objective_that_is_ahead_everywhere_is_better_over_all_data_sets(several: Study):
    summary = _trained(several)
    ahead, level = summary.across("arctanh"), summary.across("dcl")
    assert ahead is not None
    assert level is not None
    assert (ahead.decision, ahead.num_ahead, ahead.num_seeds) == (Decision.BETTER, 12, 12)
    assert float(ahead.effects.interval.mean) == pytest.approx(0.025, abs=0.002)
    assert ahead.effects.between == pytest.approx(0.005, abs=0.002)
    assert level.decision is Decision.ALIKE
    assert level.effects.between < 0.001


@pytest.mark.whole
def test_intervals_of_all_data_sets_together_are_wider(several: Study):
    apart = _trained(several.model_copy(update={"family": "data_set"})).verdict("first", "dcl").interval
    together = _trained(several).verdict("first", "dcl").interval
    assert apart is not None
    assert together is not None
    assert float(together.half_width) > 1.3 * float(apart.half_width)
    assert (several.num_comparisons, several.model_copy(update={"family": "data_set"}).num_comparisons) == (6, 2)


@pytest.mark.whole
def test_report_tables_and_summary_say_what_comes_of_all_data_sets(several: Study, tmp_path: Path):
    summary = _trained(several)
    assert "2 objectives on 3 data sets at 95 %" in caption(summary)
    assert [row[0] for row in across_rows(summary)] == ["dcl", "arctanh link"]
    write_all(summary, tmp_path)
    verdicts = (tmp_path / "verdicts.md").read_text()
    assert "| arctanh link | +2.4" in verdicts
    assert "12 of 12 | better by" in verdicts
    assert as_json(summary)["across"]["arctanh"]["decision"] == "better"
    titles = [section.title for section in comparison_report(summary).sections]
    assert titles.index("Over all data sets") == titles.index("Verdicts") + 1


def test_a_forest_has_a_row_for_every_data_set_and_one_for_all(several: Study):
    figure = forest_figure(_trained(several), "arctanh")
    assert figure is not None
    assert [text.get_text() for text in figure.axes[0].texts] == ["first", "second", "third", "over all data sets"]


def test_without_a_verdict_on_every_data_set_there_is_none_over_all(several: Study):
    summary = Summary(several, {})
    assert summary.across("arctanh") is None
    assert forest_figure(summary, "arctanh") is None
    assert across_rows(summary) == []


@pytest.mark.whole
def test_one_data_set_has_nothing_over_all(study: Study):
    assert _trained(study).across("arctanh") is None
    assert "Over all data sets" not in [section.title for section in comparison_report(_trained(study)).sections]


def test_every_data_set_can_be_told_where_its_images_are():
    given = ["--data", "cifar10=here.tar", "--data", "gtsrb=signs", "--show-config"]
    result = CliRunner().invoke(app, ["compare", "verdict-small", *given])
    assert result.exit_code == 0, result.output
    found = Study.model_validate_json(result.output).data_sets
    assert (found["cifar10"].source, found["gtsrb"].source, found["digits"].source) == ("here.tar", "signs", "digits")


def test_a_study_can_be_asked_for_some_of_its_data_sets():
    options = ["compare", "verdict-small", "--on", "gtsrb", "--data", "signs.tar", "--show-config"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    found = Study.model_validate_json(result.output).data_sets
    assert {name: one.source for name, one in found.items()} == {"gtsrb": "signs.tar"}
    with pytest.raises(ValueError, match=r"--on must be one of 'cifar10', .* got 'cifar'; did you mean"):
        study_recipe("verdict-small").on(["cifar"])


@pytest.mark.parametrize(
    ("study", "given", "words"),
    [
        ("verdict-small", ["here.tar"], r"--data must be NAME=IMAGES, NAME one of cifar10, .*, got 'here.tar'"),
        ("verdict-small", ["cifar10=a", "cifar10=b"], "--data must name a data set once"),
        ("compare-digits", ["a", "digits=b"], "--data must name a data set once"),
    ],
)
def test_images_of_no_or_of_one_data_set_twice_are_refused(study: str, given: list[str], words: str):
    error = (
        CliRunner().invoke(app, ["compare", study, *(part for text in given for part in ("--data", text))]).exception
    )
    assert isinstance(error, ValueError)
    with pytest.raises(ValueError, match=words):
        raise error


def test_a_path_with_an_equals_sign_is_a_path_where_one_data_set_is_asked_for():
    result = CliRunner().invoke(app, ["compare", "compare-digits", "--data", "a=b", "--show-config"])
    assert Study.model_validate_json(result.output).data_sets["digits"].source == "a=b"


def test_the_verdict_asks_about_five_sets_of_images_and_one_that_comes_along():
    study = study_recipe("verdict-small")
    assert len(study.data_sets) == 6
    assert study.num_comparisons == 6 * 10


def test_the_verdict_keeps_a_track_of_one_traffic_sign_together_and_tracks_of_two_signs_apart():
    pattern = study_recipe("verdict-small").data_sets["gtsrb"].group_pattern
    photos = [f"train/{sign}/00003_{photo}.jpg" for sign in ("00000", "00001") for photo in ("00012", "00013")]
    assert groups_of(photos, pattern).tolist() == [0, 0, 1, 1]
