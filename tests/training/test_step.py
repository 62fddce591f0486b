import copy
from contextlib import nullcontext

import pytest
import torch

from anchorwise.engine import use_backend
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.samples import Batch
from anchorwise.objectives import Outcome
from anchorwise.training import RunConfig, apply_overrides
from anchorwise.training import step as step_module
from anchorwise.training.distributed import Ranks
from anchorwise.training.finite import FiniteWatch, NonFiniteLossError
from anchorwise.training.optimizers import build_optimizer, set_rates
from anchorwise.training.run_embeddings import two_view_embeddings
from anchorwise.training.state import RunState, initial_state
from anchorwise.training.step import Taken, has_bfloat16, train_step
from tests.contracts.test_device import OnOneDevice

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("able", "is_fast"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True, "avx512_bf16": False}, True), ({"avx512_f": True}, False)],
)
def test_a_processor_computes_in_bfloat16_where_it_multiplies_in_it(monkeypatch, able, is_fast):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert has_bfloat16(CPU) is is_fast


def test_a_processor_without_onednn_computes_in_float32(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not has_bfloat16(CPU)


@pytest.mark.parametrize(("amp", "width"), [(True, torch.bfloat16), (False, torch.float32)])
def test_only_the_network_runs_in_bfloat16_and_only_if_asked(tiny: RunConfig, monkeypatch, amp, width):
    monkeypatch.setattr(step_module, "has_bfloat16", lambda device: True)
    config = tiny.model_copy(update={"train": tiny.train.model_copy(update={"amp": amp})})
    state, batch, config = _start(config)
    seen: list[torch.dtype] = []
    convolution = next(part for part in state.model.modules() if isinstance(part, torch.nn.Conv2d))
    convolution.register_forward_hook(lambda part, given, maps: seen.append(maps.dtype))
    outcome = train_step(state, state.model, batch, config, Ranks(0, 1, CPU)).outcome
    assert seen == [width]
    assert outcome.loss.dtype == torch.float32
    assert {weight.dtype for weight in state.model.parameters()} == {torch.float32}


def test_bfloat16_changes_the_loss_by_its_rounding_alone(tiny: RunConfig, monkeypatch):
    state, batch, config = _start(tiny)
    losses = []
    for fast in (True, False):
        monkeypatch.setattr(step_module, "has_bfloat16", lambda device, fast=fast: fast)
        one = copy.deepcopy(state)
        losses.append(train_step(one, one.model, batch, config, Ranks(0, 1, CPU)).outcome.loss.item())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def _weights(state: RunState) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in state.model.parameters()])


_PLAIN_DESCENT = ("optimizer.name=sgd", "optimizer.peak_lr=1", "optimizer.momentum=0", "optimizer.weight_decay=0")


@pytest.mark.parametrize("max_grad_norm", [1e-3, 1e6])
def test_a_clipped_step_is_as_long_as_allowed_and_a_short_one_as_it_was(tiny: RunConfig, max_grad_norm: float):
    moved = []
    for settings in (_PLAIN_DESCENT, (*_PLAIN_DESCENT, f"optimizer.max_grad_norm={max_grad_norm}")):
        state, batch, config = _start(apply_overrides(tiny, settings))
        before = _weights(state)
        train_step(state, state.model, batch, config, Ranks(0, 1, CPU))
        moved.append(_weights(state) - before)
    plain, clipped = moved
    torch.testing.assert_close(clipped, plain * min(1.0, max_grad_norm / float(plain.norm())), rtol=1e-2, atol=1e-7)


def test_of_several_bad_steps_the_first_is_named_when_somebody_asks():
    watch = FiniteWatch()
    for step, (loss, norm) in enumerate([(1.0, 2.0), (0.5, torch.inf), (torch.nan, torch.nan)]):
        watch.note(step, _taken(loss, norm))
    with pytest.raises(NonFiniteLossError, match="the gradient of step 1 has norm inf; the last checkpoint is as it"):
        watch.check()


def test_numbers_that_nobody_asks_for_do_not_pile_up():
    def note_many(watch: FiniteWatch) -> None:
        for step in range(10_000):
            watch.note(step, _taken(torch.inf))

    with pytest.raises(NonFiniteLossError, match="the loss of step 0 is inf"):
        note_many(FiniteWatch())


def _taken(loss: float, norm: float | None = None) -> Taken:
    rows = torch.zeros(2, 2)
    outcome = Outcome(torch.tensor(loss), torch.zeros(2))
    return Taken(outcome, (rows, rows), None if norm is None else torch.tensor(norm))


def test_a_run_of_more_views_is_looked_at_in_two(tiny: RunConfig):
    state, _, config = _start(apply_overrides(tiny, ["method.num_views=3", "objective.name=mv_info_nce"]))
    images = load_splits(config.data).pretrain
    assert [len(view) for view in two_view_embeddings(state, images)] == [len(images)] * 2


def _start(config: RunConfig) -> tuple[RunState, Batch, RunConfig]:
    splits = load_splits(config.data)
    state = initial_state(config, splits.pretrain, CPU)
    state.model.train()
    return state, splits.pretrain.batch(torch.arange(16)), state.config


# Learning is looked at method by method in tests/training/test_captured_step.py, what an update does beside it here.
@pytest.mark.whole
@pytest.mark.parametrize("method", ["simclr", "moco", "dino"])
def test_a_whole_step_has_nothing_to_do_with_the_memory_of_the_host(method: str, tiny: RunConfig, monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # It does not know the meta device.
    settings = [
        f"method.name={method}",
        "method.head.hidden_width=8",
        "train.ema=0.9",
        "optimizer.name=lars",
        "optimizer.max_grad_norm=1",
    ]
    state, batch, config = _start(apply_overrides(tiny, settings))
    here = Ranks(0, 1, torch.device("meta"))
    state.model.to(here.device)
    state.average.to(here.device)
    state.views.to(here.device)
    state.optimizer = build_optimizer(config.optimizer, state.model, on_device=True)
    batch, watch = batch.to(here.device), FiniteWatch()
    for _ in range(2):
        with OnOneDevice(), use_backend("dense"):
            set_rates(state.optimizer, config.optimizer, state.clock)
            watch.note(state.step, train_step(state, state.model, batch, config, here))
        state.step += 1
