from collections import UserDict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anchorwise._ranks import Ranks
from anchorwise.adapters.hugging_face import OnlineMonitor, _moved
from anchorwise.training.tail_statistics import tail_statistics

ARGUMENTS = SimpleNamespace(device=torch.device("cpu"))


class Trainer:
    """As much of a Trainer as the callback asks for."""

    def __init__(self) -> None:
        self.callbacks, self.logged = list[Any](), list[dict[str, float]]()
        self.model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        nn.init.eye_(self.model[0].weight)

    def add_callback(self, callback: Any) -> None:
        self.callbacks.append(callback)

    def log(self, logs: dict[str, float]) -> None:
        self.logged.append(logs)

    def end_step(self, step: int, *, is_world_process_zero: bool = True) -> None:
        state = SimpleNamespace(global_step=step, is_world_process_zero=is_world_process_zero)
        for callback in self.callbacks:
            callback.on_step_end(ARGUMENTS, state, None, model=self.model, optimizer=None)


def _loader() -> list[dict[str, Tensor]]:
    """Two classes, far apart."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(10) % 2
    centres = torch.tensor([[4.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0]])
    return [{"x": centres[labels] + torch.randn(10, 4, generator=generator), "labels": labels} for _ in range(4)]


def _embed(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    return model(batch["x"]), batch["labels"]


def _views(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    return model(batch["x"]), model(batch["x"] + 0.1)


def test_every_so_many_steps_the_trainer_logs_what_judges_watch_and_the_tail():
    trainer = Trainer()
    OnlineMonitor(_embed, _loader(), views=_views, every_num_steps=2).attach(trainer)
    trainer.end_step(1)
    assert trainer.logged == []
    trainer.end_step(2)
    (numbers,) = trainer.logged
    assert numbers["watch/knn_accuracy"] == 1.0
    with torch.no_grad():
        expected = tail_statistics(*_views(trainer.model.eval(), _loader()[0]))
    assert numbers["tail/hardest_score"] == pytest.approx(expected["hardest_score"])


def test_the_model_is_as_it_was():
    trainer = Trainer()
    OnlineMonitor(_embed, _loader(), every_num_steps=1).attach(trainer)
    trainer.end_step(1)
    assert trainer.model.training
    assert trainer.model[1].num_batches_tracked == 0


def test_only_the_first_rank_judges():
    trainer = Trainer()
    OnlineMonitor(_embed, _loader(), every_num_steps=1).attach(trainer)
    trainer.end_step(1, is_world_process_zero=False)
    assert trainer.logged == []


def test_a_collapse_is_warned_of_and_broken_rows_end_no_training():
    trainer = Trainer()
    OnlineMonitor(lambda model, batch: (torch.ones(10, 4), None), _loader(), every_num_steps=1).attach(trainer)
    with pytest.warns(UserWarning, match="step 1: .*nearly alike"):
        trainer.end_step(1)
    trainer = Trainer()
    OnlineMonitor(lambda model, batch: (torch.full((10, 4), torch.nan), None), _loader(), every_num_steps=1).attach(
        trainer
    )
    with pytest.warns(UserWarning, match="step 1: it cannot be judged"):
        trainer.end_step(1)


def test_a_monitor_that_was_not_attached_says_how():
    monitor = OnlineMonitor(_embed, _loader(), every_num_steps=1)
    with pytest.raises(RuntimeError, match=r"call monitor\.attach\(trainer\)"):
        monitor.on_step_end(ARGUMENTS, SimpleNamespace(global_step=1, is_world_process_zero=True), None, nn.Identity())


def test_the_first_rank_judges_without_waiting_for_the_others(monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda group=None: 2)
    monkeypatch.setattr("torch.distributed.get_rank", lambda group=None: 0)
    monkeypatch.setattr(Ranks, "gathered", lambda *_: pytest.fail("the others are not here"))
    trainer = Trainer()
    OnlineMonitor(
        lambda model, batch: (model(batch), None),
        [torch.randn(8, 4)],
        views=lambda model, batch: (model(batch), batch),
        every_num_steps=1,
    ).attach(trainer)
    trainer.end_step(1)
    assert "tail/hardest_score" in trainer.logged[0]


def test_what_tokenizers_return_goes_to_the_device():
    class Encoding(UserDict):
        def to(self, device):
            return Encoding({name: part.to(device) for name, part in self.items()})

    assert _moved(Encoding(x=torch.ones(2)), device="meta")["x"].device.type == "meta"
    assert _moved([torch.ones(2), "text"], device="meta")[1] == "text"
