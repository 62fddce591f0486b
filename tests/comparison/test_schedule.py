from anchorwise.comparison import Halving, Study, Workplace
from anchorwise.comparison import schedule as schedule_module
from anchorwise.comparison.results import RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.schedule import Progress, Schedule, epochs_of_runs
from anchorwise.comparison.summary import Summary
from anchorwise.evaluation.classification import Classification
from tests.comparison.conftest import tempered


def _result(run: StudyRun, accuracy: float | None) -> RunResult:
    if accuracy is None:
        return RunResult(key=run.key, identity=run.identity, status="diverged", message="nan")
    return RunResult(key=run.key, identity=run.identity, validation={"knn": (accuracy,), "linear": (1 - accuracy,)})


def _of(study: Study, results: dict[str, RunResult], objective: str = "info_nce") -> Progress:
    return next(progress for progress in Schedule(study).progress(results) if progress.objective == objective)


def _answer(study: Study, accuracies: dict[float, float | None], objective: str = "info_nce") -> dict[str, RunResult]:
    """Return the results of the runs that choose, by temperature."""
    wanted = _of(study, {}, objective).wanted
    return {run.key: _result(run, accuracies[float(run.point["objective.temperature"])]) for run in wanted}


def test_the_grid_runs_first_on_selection_seeds_and_without_test(study: Study):
    wanted = _of(study, {}).wanted
    assert [(run.seed, run.is_final) for run in wanted] == [(0, False), (0, False)]
    assert not _of(study, {}).finals


def test_a_single_point_is_judged_at_once(study: Study):
    assert [(run.seed, run.is_final) for run in _of(study, {}, "arctanh").wanted] == [(1, True), (2, True)]


def test_the_best_point_on_validation_is_judged_on_fresh_seeds(study: Study):
    progress = _of(study, _answer(study, {0.2: 0.4, 0.5: 0.6}))
    assert progress.chosen == {"objective.temperature": 0.5}
    assert [run.seed for run in progress.wanted] == [1, 2]
    assert all(run.config.whole_objective().hyperparameters == {"temperature": 0.5} for run in progress.wanted)


def test_the_choice_follows_the_primary_accuracy(study: Study):
    linear = study.model_copy(update={"primary": "linear"})
    assert _of(linear, _answer(study, {0.2: 0.4, 0.5: 0.6})).chosen == {"objective.temperature": 0.2}


def test_the_first_of_the_grid_wins_a_tie(study: Study):
    assert _of(study, _answer(study, {0.2: 0.5, 0.5: 0.5})).chosen == {"objective.temperature": 0.2}


def test_a_diverged_point_is_never_chosen_and_none_is_if_all_diverged(study: Study):
    assert _of(study, _answer(study, {0.2: 0.1, 0.5: None})).chosen == {"objective.temperature": 0.2}
    lost = _of(study, _answer(study, {0.2: None, 0.5: None}))
    assert lost.chosen is None
    assert not lost.wanted


def test_halving_sends_the_best_of_a_short_rung_to_a_longer_one(study: Study):
    train = study.train.model_copy(update={"num_epochs": 9})
    changes = {
        "objectives": {**study.objectives, "info_nce": tempered("info_nce", 0.1, 0.2, 0.5, 1.0)},
        "halving": Halving(factor=3.0, num_rungs=2),
        "train": train,
    }
    halved = Study(**{**dict(study), **changes})
    first = _answer(halved, {0.1: 0.1, 0.2: 0.9, 0.5: 0.8, 1.0: 0.2})
    assert {run.config.train.num_epochs for run in _of(halved, {}).wanted} == {3}
    second = _of(halved, first).wanted
    assert [run.point["objective.temperature"] for run in second] == [0.2, 0.5]
    assert {run.config.train.num_epochs for run in second} == {9}
    results = first | {second[0].key: _result(second[0], 0.6), second[1].key: _result(second[1], 0.7)}
    assert _of(halved, results).chosen == {"objective.temperature": 0.5}
    assert sorted(epochs_of_runs(halved))[:6] == [3] * 6  # Four points of InfoNCE, two of DCL.


def test_a_point_that_is_left_alone_is_judged_without_a_longer_rung(study: Study):
    changes = {"halving": Halving(factor=2.0, num_rungs=3), "train": study.train.model_copy(update={"num_epochs": 8})}
    halved = Study(**{**dict(study), **changes})
    progress = _of(halved, _answer(halved, {0.2: 0.4, 0.5: 0.6}))
    assert progress.chosen == {"objective.temperature": 0.5}
    assert [(run.is_final, run.config.train.num_epochs) for run in progress.wanted] == [(True, 8), (True, 8)]
    assert sorted(epochs_of_runs(halved))[:4] == [2] * 4  # Two points of InfoNCE, two of DCL, and no other rung.


def test_each_run_is_made_once_however_often_a_study_is_asked_what_comes_next(study: Study, tmp_path, monkeypatch):
    workplace = Workplace(study, tmp_path)
    results = _answer(study, {0.2: 0.4, 0.5: 0.6})
    first = workplace.progress(results)
    assert first == Schedule(study).progress(results)
    monkeypatch.setattr(schedule_module, "study_run", None)
    assert workplace.progress(results) == first


def test_a_key_does_not_depend_on_where_a_study_lies(study: Study):
    data = study.data_sets["digits"].model_copy(update={"source": "elsewhere/digits.tar", "download": True})
    train = study.train.model_copy(update={"device": "cuda", "log_every_steps": 7})
    moved = study.model_copy(update={"data_sets": {"digits": data}, "train": train})
    assert [run.key for run in _of(study, {}).wanted] == [run.key for run in _of(moved, {}).wanted]


def test_a_key_depends_on_all_that_numbers_depend_on(study: Study):
    keys = {_of(study, {}).wanted[0].key}
    changed = [
        {"train": study.train.model_copy(update={"batch_size": 20})},
        {"encoder": study.encoder.model_copy(update={"width": 16})},
        {"judges": (Classification.Config(split_seeds=(5,)),)},
        {"data_sets": {"digits": study.data_sets["digits"].model_copy(update={"num_train_images": 50})}},
        {"selection_seeds": (9,)},
    ]
    keys |= {_of(study.model_copy(update=change), {}).wanted[0].key for change in changed}
    assert len(keys) == 6


def test_what_has_not_been_chosen_yet_has_not_failed(study: Study):
    summary = Summary(study, {})
    assert summary.standing("digits", "info_nce").failures == ["its point is not chosen yet"]
    assert summary.standing("digits", "arctanh").failures == ["seed 1 has not run", "seed 2 has not run"]


def test_a_choice_at_an_end_of_its_grid_says_so(study: Study):
    objectives = {**study.objectives, "info_nce": tempered("info_nce", 0.1, 0.2, 0.5)}
    wider = study.model_copy(update={"objectives": objectives})

    def choice(best: float) -> str:
        results = _answer(wider, {temperature: float(temperature == best) for temperature in (0.1, 0.2, 0.5)})
        return Summary(wider, results).standing("digits", "info_nce").choice

    assert choice(0.1) == "temperature 0.1 (lowest tried)"
    assert choice(0.2) == "temperature 0.2"
    assert choice(0.5) == "temperature 0.5 (highest tried)"
