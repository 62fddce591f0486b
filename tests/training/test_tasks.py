"""Tasks in sequence: who comes when, what is remembered, what is measured, and going on with it."""

import json
import signal
from pathlib import Path

import pytest
import torch

from anchorwise.evaluation.forgetting import over_tasks
from anchorwise.methods import Clock
from anchorwise.methods.outlook import Outlook
from anchorwise.pairs import unit_rows
from anchorwise.training import apply_overrides, pretrain
from anchorwise.training.checkpoint import load_checkpoint
from anchorwise.training.order import batch_sizes
from anchorwise.training.replay import ReplayBuffer, herded
from anchorwise.training.tasks import TasksInSequence
from tests.methods.training import ALL, method_of
from tests.training.conftest import tiny_run
from tests.training.stopping import send_at_step

LABELS = torch.arange(60) % 6
SIZES = batch_sizes(60, batch_size=8)
METHOD = method_of("coconut", num_classes=6)


def _order(num_epochs: int = 6, **settings) -> TasksInSequence:
    order = TasksInSequence(TasksInSequence.Config(**{"num_tasks": 3, "memory_share": 0.2, **settings}), LABELS, SIZES)
    order.check(METHOD, Outlook(60, 6, 8, num_epochs * len(SIZES), len(SIZES)))
    return order


def _epochs(order: TasksInSequence, epochs: range) -> list[list[torch.Tensor]]:
    served = []
    for epoch in epochs:
        order.before_epoch(ALL, METHOD, seed=3, epoch=epoch)
        served.append(order.batches(60, seed=3, epoch=epoch))
    return served


def test_a_batch_has_new_samples_of_its_task_and_a_share_of_what_is_remembered():
    order = _order()
    served = _epochs(order, range(6))
    remembered = set(order.memory.ids.tolist())
    for epoch, batches in enumerate(served):
        task = epoch // 2
        assert [len(batch) for batch in batches] == SIZES
        for batch in batches:
            new = [number for number in batch.tolist() if int(LABELS[number]) // 2 == task]
            old = [number for number in batch.tolist() if int(LABELS[number]) // 2 < task]
            assert len(batch.unique()) == len(batch) == len(new) + len(old)
            assert len(old) == (round(0.5 * len(batch)) if task else 0)
            assert set(old) <= remembered
    # Two of the ten of each class that is over, and all of a task's own before one comes again.
    assert sorted(LABELS[order.memory.ids].tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert torch.bincount(torch.cat(served[0]), minlength=60)[LABELS < 2].min() == 3


def test_without_memory_only_the_task_comes_and_one_task_is_everything():
    for batch in _epochs(_order(memory_share=0.0), range(2, 3))[0]:
        assert set(LABELS[batch].tolist()) <= {2, 3}
    joint = TasksInSequence(TasksInSequence.Config(num_tasks=1), LABELS, SIZES)
    assert sorted(torch.cat(_epochs(joint, range(1))[0]).tolist()) == list(range(60))


def test_an_order_that_is_restored_within_a_task_serves_the_same_batches():
    whole, first, second = _order(), _order(), _order()
    expected = _epochs(whole, range(4))[3]
    _epochs(first, range(4))
    second.restore(first.saved())
    assert all(torch.equal(*pair) for pair in zip(second.batches(60, seed=3, epoch=3), expected, strict=True))


def test_rates_rise_and_fall_in_every_task_and_its_end_is_told():
    order, per_task = _order(), 2 * len(SIZES)
    assert order.schedule(Clock(per_task + 3, 3 * per_task, len(SIZES))) == Clock(3, per_task, len(SIZES))
    ends = []
    for epoch in range(6):
        order.before_epoch(ALL, METHOD, seed=3, epoch=epoch)
        found = order.tasks_after(epoch)
        ends.append(None if found is None else [task.tolist() for task in found])
    assert ends == [None, [[0, 1]], None, [[0, 1], [2, 3]], None, [[0, 1], [2, 3], [4, 5]]]


def test_herding_is_the_greedy_choice_of_the_source():
    rows = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    units, chosen = unit_rows(rows), list[int]()
    for _ in range(4):
        left = [number for number in range(12) if number not in chosen]
        means = {number: units[[*chosen, number]].mean(dim=0) for number in left}
        chosen.append(min(left, key=lambda number: float((units.mean(dim=0) - means[number]).norm())))
    assert herded(rows, 4).tolist() == chosen
    memory, labels = ReplayBuffer(0.5, selection="herding"), torch.tensor([0] * 8 + [1] * 4)
    memory.keep(torch.arange(12) + 100, labels, generator=torch.Generator(), rows=rows)
    assert memory.ids.tolist() == [*(herded(rows[:8], 4) + 100).tolist(), *(herded(rows[8:], 2) + 108).tolist()]
    with pytest.raises(ValueError, match="rows must be given for selection='herding'"):
        memory.keep(torch.arange(12), labels, generator=torch.Generator())


def test_forgetting_is_what_is_lost_since_a_task_was_known_best():
    found = over_tasks([0.9, 0.7, 0.5], [[0.9], [0.6, 0.8], [0.7, 0.2, 0.6]])
    assert found.average_accuracy == pytest.approx(0.7)
    assert found.last_accuracy == 0.5
    assert found.forgetting == pytest.approx(((0.9 - 0.7) + (0.8 - 0.2)) / 2)
    assert over_tasks([0.4], [[0.4]]).forgetting == 0.0
    with pytest.raises(ValueError, match=r"by_task must have 1, 2, \.\.\. 2 numbers"):
        over_tasks([0.5, 0.5], [[0.5], [0.5]])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["order.num_tasks=11"], r"order\.num_tasks must be at most the 10 classes of the samples, got 11"),
        (["order.num_tasks=2", "train.num_epochs=3"], r"train\.num_epochs must be a multiple of order\.num_tasks=2, "),
        (["order.num_tasks=5"], r"train\.batch_size must be at most the 12 samples of the smallest of 5 tasks, got 16"),
    ],
)
def test_what_cannot_be_cut_into_tasks_is_refused_before_anything_is_written(settings, words: str, tmp_path: Path):
    with pytest.raises(ValueError, match=words):
        pretrain(tiny_run(["method.name=coconut", "order.name=tasks", *settings]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


SEQUENCE = ["method.name=coconut", "order.name=tasks", "order.num_tasks=2", "order.selection=herding"]
SHORT = ["train.num_epochs=4", "train.knn_every_epochs=0", "train.log_to=[]", "method.head.output_width=8"]


@pytest.mark.whole
def test_a_run_of_tasks_measures_what_is_forgotten_and_goes_on_at_any_step(monkeypatch, tmp_path: Path):
    config = apply_overrides(tiny_run(), [*SEQUENCE, *SHORT])
    whole = pretrain(config, tmp_path / "whole", show_progress=False)
    ends = [line for line in whole.log() if line["kind"] == "task"]
    assert [line["step"] for line in ends] == [7, 15]
    assert set(ends[1]) == {"kind", "step", "seen_accuracy", "task_0_accuracy", "task_1_accuracy"}
    known = [[line[f"task_{task}_accuracy"] for task in range(number)] for number, line in enumerate(ends, start=1)]
    expected = over_tasks([line["seen_accuracy"] for line in ends], known)
    found = whole.summary()
    assert (found["average_accuracy"], found["last_accuracy"]) == (expected.average_accuracy, expected.last_accuracy)
    assert found["forgetting"] == expected.forgetting
    for step in (6, 10):  # Within the first task, and within an epoch of the second.
        with monkeypatch.context() as patched:
            send_at_step(step, signal.SIGTERM, patched)
            with pytest.raises(KeyboardInterrupt):
                pretrain(config, tmp_path / "resumed", show_progress=False)
    resumed = pretrain(config, tmp_path / "resumed", show_progress=False)
    expected, found = (load_checkpoint(run.checkpoint_file) for run in (whole, resumed))
    assert [name for name, part in expected["model"].items() if not torch.equal(part, found["model"][name])] == []
    assert torch.equal(expected["order"]["memory"]["ids"], found["order"]["memory"]["ids"])
    lines = [[json.dumps(line) for line in run.log() if line["kind"] == "task"] for run in (whole, resumed)]
    assert lines[0] == lines[1]


def test_a_method_that_classifies_nothing_learns_task_after_task_unmeasured(tmp_path: Path):
    config = apply_overrides(tiny_run(), [*SEQUENCE[1:], "train.num_epochs=2", *SHORT[1:]])
    run = pretrain(config, tmp_path / "run", show_progress=False)
    assert "forgetting" not in run.summary()
