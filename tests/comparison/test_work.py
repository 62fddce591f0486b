import pytest
import torch

from anchorwise.comparison import Study
from anchorwise.comparison import work as work_module
from anchorwise.comparison.results import ResultStore
from anchorwise.comparison.runs import StudyRun, study_run
from anchorwise.comparison.schedule import Schedule
from anchorwise.comparison.summary import Summary
from anchorwise.comparison.tables import number_rows
from anchorwise.comparison.work import Places, perform
from anchorwise.evaluation.adversarial import Adversarial
from anchorwise.evaluation.base import Choices, Judgement
from anchorwise.evaluation.robustness import Robustness
from anchorwise.training import apply_overrides
from anchorwise.training import loop as loop_module


@pytest.fixture
def places(tmp_path) -> Places:
    return Places(tmp_path / "runs", tmp_path / "results")


def _final(study: Study, objective: str = "arctanh", seed: int = 1) -> StudyRun:
    return study_run(study, "digits", objective, study.objectives[objective].grid[0], seed=seed, is_final=True)


def _choosing(study: Study) -> StudyRun:
    return Schedule(study).progress({})[0].wanted[0]


def _full(*_: object, **__: object) -> None:
    raise OSError("no space left on device")


def test_a_run_that_chooses_never_sees_a_test_image(study: Study, places: Places, monkeypatch):
    embedded, embed = [], work_module.embed_samples

    def recording(frozen, samples, **arguments):
        embedded.append(len(samples))
        return embed(frozen, samples, **arguments)

    monkeypatch.setattr(work_module, "embed_samples", recording)
    result = perform(_choosing(study), places)
    assert embedded == [60]  # The training images; there are 40 test images.
    assert result.is_done
    assert result.test == {}
    assert {metric: len(values) for metric, values in result.validation.items()} == {"linear": 2, "knn": 2}


def test_a_run_that_judges_has_every_number(study: Study, places: Places):
    result = perform(_final(study), places)
    assert {"linear", "knn", "knn@1", "recall@1", "recall@10", "effective_rank"} <= result.test.keys()
    assert {"train_s", "judge_s", "step_s"} <= result.cost.keys()
    assert min(result.cost.values()) >= 0
    steps = [record["step"] for record in result.history if "loss" in record]
    assert steps == [0, 1]
    assert any("knn_accuracy" in record for record in result.history)
    assert ResultStore(places.results).find(_final(study)) == result


def test_judges_of_one_metric_do_not_overwrite_each_other(study: Study, places: Places, monkeypatch):
    for kind, value in ((Robustness, 0.9), (Adversarial, 0.8)):
        said = {"clean": (value,)}
        monkeypatch.setattr(kind, "choose", lambda self, train, said=said: Choices(said))
        monkeypatch.setattr(kind, "judge", lambda self, train, test, choices, said=said: Judgement(said))
    judges, alone = (Robustness.Config(), Adversarial.Config()), {"arctanh": study.objectives["arctanh"]}
    changes = {"judges": judges, "primary": "robustness.clean", "objectives": alone, "baseline": "arctanh"}
    run = _final(study := study.model_copy(update=changes))
    result = perform(run, places)
    assert result.test == {"robustness.clean": (0.9,), "adversarial.clean": (0.8,)}
    summary = Summary(study, {run.key: result})
    assert {summary.primary.name, "adversarial.clean"} < {metric.name for metric in summary.metrics}
    told = {(row[9], row[10]): row[13] for row in number_rows(summary)}
    assert (told["test", "robustness.clean"], told["test", "adversarial.clean"]) == (0.9, 0.8)
    earlier = result.model_copy(update={"test": {"clean": (0.8,)}})  # Of a version that overwrote.
    assert "test" not in {row[9] for row in number_rows(Summary(study, {run.key: earlier}))}


def test_a_finished_run_leaves_the_encoder_and_no_checkpoint(study: Study, places: Places):
    run = _final(study)
    perform(run, places)
    folder = places.runs / run.training_key
    assert (folder / "encoder.safetensors").is_file()
    assert not (folder / "checkpoint.safetensors").exists()


def test_a_result_that_is_there_is_reused_without_its_run_directory(study: Study, places: Places, monkeypatch):
    first = perform(_final(study), places)
    monkeypatch.setattr(work_module, "pretrain", None)
    assert perform(_final(study), Places(places.runs / "elsewhere", places.results)) == first


def test_judging_in_another_way_does_not_train_again(study: Study, places: Places, monkeypatch):
    perform(_final(study), places)
    other = apply_overrides(study, ["judges.classification.split_seeds=[3, 4, 5]"])
    monkeypatch.setattr(loop_module, "train_step", None)
    monkeypatch.setattr(work_module, "train_step", None)  # Nor is a step taken to be measured.
    result = perform(_final(other), places)
    assert len(result.test["linear"]) == 3
    assert "step_peak_mib" not in result.cost


def test_a_stopped_training_goes_on_elsewhere_and_with_another_log(study: Study, places: Places, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(loop_module._Run, "_finish", _full)
        assert perform(_final(study), places).status == "failed"
    other = study.model_copy(update={"train": study.train.model_copy(update={"device": "auto", "log_every_steps": 7})})
    assert _final(other).key == _final(study).key
    assert perform(_final(other), places).is_done


def test_a_diverged_run_is_a_result(study: Study, places: Places, monkeypatch):
    step = loop_module.train_step

    def exploding(state, *arguments):
        for weight in state.model.parameters():
            weight.data.fill_(torch.inf)
        return step(state, *arguments)

    monkeypatch.setattr(loop_module, "train_step", exploding)
    result = perform(_final(study), places)
    assert result.status == "diverged"
    assert "step 0 is nan" in result.message
    monkeypatch.setattr(loop_module, "train_step", step)
    assert perform(_final(study), places) == result  # It would diverge again.


def test_a_failed_run_is_a_result_that_is_tried_again(study: Study, places: Places, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(work_module, "pretrain", _full)
        result = perform(_final(study), places)
    assert (result.status, result.message) == ("failed", "OSError: no space left on device")
    assert perform(_final(study), places).is_done


def test_a_changed_result_is_refused(study: Study, places: Places):
    run = _final(study)
    perform(run, places)
    file = places.results / f"{run.key}.json"
    file.write_text(file.read_text().replace('"batch_size":30', '"batch_size":31'))
    with pytest.raises(ValueError, match="has been changed"):
        ResultStore(places.results).find(run)
    file.write_text("{}")
    with pytest.raises(ValueError, match=r"cannot be used: .*; remove it, and the run is done again"):
        ResultStore(places.results).find(run)
