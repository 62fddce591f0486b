import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from anchorwise.training import RunConfig, RunDirectory
from anchorwise.training.log import RunLog
from anchorwise.training.loggers import check_loggers


class FakeRun:
    def __init__(self, given: dict[str, Any]) -> None:
        self.given, self.sent, self.is_finished = given, list[dict[str, Any]](), False
        self.axes = dict[str, str]()

    def define_metric(self, name: str, *, step_metric: str) -> None:
        self.axes[name] = step_metric

    def log(self, values: dict[str, Any]) -> None:
        self.sent.append(values)

    def finish(self) -> None:
        self.is_finished = True


@pytest.fixture
def wandb(monkeypatch) -> list[FakeRun]:
    """Stands in for the package; what it was asked to start is collected."""
    started = list[FakeRun]()
    module = ModuleType("wandb")
    module.__spec__ = ModuleSpec("wandb", None, origin="made up")

    def init(**given: Any) -> FakeRun:
        started.append(FakeRun(given))
        return started[-1]

    module.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    for name in ("WANDB_PROJECT", "WANDB_NAME"):
        monkeypatch.delenv(name, raising=False)
    return started


@pytest.fixture
def directory(tmp_path, tiny: RunConfig) -> RunDirectory:
    directory = RunDirectory(tmp_path / "mine")
    directory.path.mkdir()
    directory.config_file.write_text(tiny.model_dump_json())
    return directory


def test_wandb_is_told_every_line_and_goes_on_with_the_same_run(wandb, directory, tiny):
    for next_step in (0, 3):
        log = RunLog(directory, next_step=next_step, log_to=["wandb"])
        log.write("step", next_step, {"loss": 0.5})
        log.close()
    first, second = wandb
    assert first.given["id"] == second.given["id"]
    assert first.given["resume"] == "allow"
    assert (first.given["project"], first.given["name"]) == ("anchorwise", "mine")
    assert first.given["config"] == tiny.model_dump(mode="json")
    assert first.axes == {"*": "step"}
    assert (first.sent, second.sent) == ([{"step": 0, "step/loss": 0.5}], [{"step": 3, "step/loss": 0.5}])
    assert first.is_finished
    assert [line["step"] for line in directory.log()] == [0, 3]


def test_a_wandb_that_does_not_start_says_the_way_out(wandb, directory, monkeypatch):
    def init(**given: Any) -> None:
        raise RuntimeError("api_key not configured")

    monkeypatch.setattr(sys.modules["wandb"], "init", init)
    with pytest.raises(ValueError, match=r"api_key not configured; `wandb login` first, .*WANDB_MODE=offline"):
        RunLog(directory, next_step=0, log_to=["wandb"])


def test_a_package_that_is_not_there_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr("anchorwise._extras.find_spec", lambda name: None)
    check_loggers([])
    with pytest.raises(
        ValueError, match=r"train\.log_to has wandb, which is not installed: pip install \"anchorwise\[wandb\]\""
    ):
        check_loggers(["wandb"])


def test_a_folder_that_is_called_as_a_package_is_none(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="wandb, which is not installed"):
        check_loggers(["wandb"])


def test_a_package_that_is_there_is_taken(wandb):
    check_loggers(["wandb", "tensorboard"])


def test_without_loggers_there_is_the_log_alone(directory):
    log = RunLog(directory, next_step=0, log_to=[])
    log.write("knn", 0, {"knn_accuracy": 0.5})
    log.close()
    assert sorted(path.name for path in directory.path.iterdir()) == ["config.json", "log.jsonl"]
