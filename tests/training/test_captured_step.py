"""A captured step is the step itself: what a card would replay is replayed on the CPU, operation by operation."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anchorwise import _tensor_checks
from anchorwise.methods import METHODS
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.views import chosen
from anchorwise.modalities.registry import modality_of
from anchorwise.training import RunConfig
from anchorwise.training.captured_step import NUM_ORDINARY, CapturedStep, captured_step
from anchorwise.training.distributed import Ranks
from anchorwise.training.optimizers import build_optimizer, set_rates
from anchorwise.training.sample_rows import all_rows
from anchorwise.training.state import RunState, initial_state
from anchorwise.training.step import train_step
from tests.methods.training import ENCODERS, every_method
from tests.training.conftest import tiny_run
from tests.training.replaying import Replaying, Unread

CPU = torch.device("cpu")
HERE = Ranks(0, 1, CPU)
NUM_STEPS = 8
_SMALL = {
    "moco": ["num_queued=24"],
    "nnclr": ["num_queued=24"],
    "swav": ["num_queued=32", "queue_from_epoch=1.5", "freeze_epochs=1.0"],
    "dino": ["freeze_epochs=1.0", "warmup_epochs=2"],
    "meow": ["num_clusters=[2, 3]"],
}
_NARROW = (
    "views.name=none",
    "views.flip_probability=0.5",
    "method.head.hidden_width=8",
    "method.head.output_width=8",
    "train.amp=false",
)


def _config(method: str = "simclr", *settings: str) -> RunConfig:
    own = [f"method.{setting}" for setting in _SMALL.get(method, [])]
    if "predictor" in METHODS[method].Config.model_fields:
        own.append("method.predictor.hidden_width=8")
    return tiny_run([f"method.name={method}", *own, *ENCODERS.get(method, []), *_NARROW, *settings])


@pytest.fixture(autouse=True)
def as_on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views and checks look at nothing."""
    monkeypatch.setattr(chosen, "HOST_DEVICES", ())
    monkeypatch.setattr(_tensor_checks, "are_read", lambda values: False)


@cache
def _samples() -> ImageSet:
    config = tiny_run()
    return modality_of(config.modality).load(config.data).pretrain


def _start(config: RunConfig) -> tuple[RunState, ImageSet]:
    samples = _samples()
    state = initial_state(config, samples, CPU)
    state.num_steps, state.steps_per_epoch = NUM_STEPS, 4
    state.optimizer = build_optimizer(config.optimizer, state.model, on_device=True)
    state.model.train()
    all_samples = all_rows(samples, torch.arange(len(samples)), state.views, HERE, seed=0)
    state.model.before_epoch(state.clock, all_samples)
    return state, samples


def _trained(
    config: RunConfig,
    captured: Callable[[RunState], CapturedStep | None],
    sizes: tuple[int, ...] = (16,),
    guard: Callable[[], Any] = Unread,
) -> tuple[list[float], dict[str, Tensor]]:
    """Take steps, of batches of these sizes in turn; return the losses, and all that would be saved."""
    state, samples = _start(config)
    recorder, losses = captured(state), []
    for step in range(NUM_STEPS):
        batch = samples.batch((torch.arange(sizes[step % len(sizes)]) + 7 * step) % len(samples))
        with guard():
            set_rates(state.optimizer, config.optimizer, state.clock)
            taken = train_step(state, state.model, batch, state.config, HERE, recorder)
        losses.append(taken.outcome.loss.item())
        state.step += 1
    return losses, {**state.model.state_dict(), **_flat(state.optimizer.state_dict()["state"])}


def _flat(tree: dict[Any, dict[str, Any]]) -> dict[str, Tensor]:
    tensors = {f"{number}.{name}": value for number, of in tree.items() for name, value in of.items()}
    return {name: value for name, value in tensors.items() if isinstance(value, Tensor)}


def _assert_same(config: RunConfig, graphs: Replaying, sizes: tuple[int, ...] = (16,)) -> None:
    losses, state = _trained(config, lambda _: None, sizes)
    again, captured = _trained(config, lambda start: CapturedStep(start.model, graphs), sizes)
    assert losses == again
    assert [name for name, tensor in state.items() if not torch.equal(tensor, captured[name])] == []


@pytest.mark.whole
@every_method
def test_captured_steps_are_those_that_are_not(method: str):
    graphs = Replaying()
    _assert_same(_config(method), graphs)
    assert graphs.num_replayed > 0


@pytest.mark.whole
@pytest.mark.parametrize(
    "settings",
    [
        ("optimizer.name=sgd", "optimizer.max_grad_norm=0.1"),
        ("optimizer.name=lars", "views.name=digits"),
        ("train.ema=0.9", "train.amp=true"),
        ("objective.name=weibit",),
    ],
)
def test_so_are_those_of_other_updates(settings: tuple[str, ...]):
    graphs = Replaying()
    _assert_same(_config("simclr", *settings), graphs)
    assert graphs.num_replayed == NUM_STEPS - NUM_ORDINARY


@pytest.mark.whole
def test_every_shape_of_batch_is_recorded_once_after_a_few_ordinary_steps():
    graphs = Replaying()
    _assert_same(_config(), graphs, sizes=(16, 12))
    assert (graphs.num_ordinary, graphs.num_recorded) == (2 * NUM_ORDINARY, 2)
    assert graphs.num_replayed == NUM_STEPS - 2 * NUM_ORDINARY
    _assert_same(_config(), graphs := Replaying(), sizes=(16, 16, 16, 12))
    assert (graphs.num_ordinary, graphs.num_recorded) == (NUM_ORDINARY + 2, 1)


@pytest.mark.whole
def test_every_phase_of_a_method_is_recorded():
    _assert_same(_config("swav", "method.freeze_epochs=1.0", "method.queue_from_epoch=0"), graphs := Replaying())
    assert graphs.num_recorded == 2


class _Troublesome(nn.Module):
    """A network of somebody's own, which does what cannot be replayed."""

    def __init__(self, does: str) -> None:
        super().__init__()
        self.does, self.layer = does, nn.Linear(64, 32)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        rows = self.layer(images.flatten(1))
        if self.does == "read":
            return rows * float(rows.detach().sum() > 0)
        if self.does == "draw":
            return rows + torch.randn(1)
        self.count = self.count + 1
        return rows


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("read", "not permitted when stream is capturing"),
        ("draw", "draws random numbers on the host"),
        ("move", "online.encoder.backbone.count is another tensor after a step; change it in place"),
    ],
)
def test_what_cannot_be_replayed_is_said_once_and_done_step_by_step(does: str, words: str):
    graphs, network = Replaying(), _Troublesome(does)

    def captured(state: RunState) -> CapturedStep:
        state.model.online.encoder.backbone = network
        return CapturedStep(state.model, graphs)

    config = _config()
    with pytest.warns(UserWarning, match=words) as said:
        losses, _ = _trained(config, captured, guard=nullcontext)
    assert len(said) == 1
    assert graphs.num_replayed == 0
    assert all(map(math.isfinite, losses))


def test_a_run_is_captured_only_if_asked_and_where_it_can_be(recwarn):
    model, asked = nn.Linear(1, 1), _config("simclr", "train.captured=true")
    assert captured_step(_config(), model, HERE) is None
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"train\.captured does nothing here: train\.device is no CUDA device"):
        assert captured_step(asked, model, HERE) is None
    with pytest.warns(UserWarning, match="several ranks share a batch"):
        assert captured_step(asked, model, Ranks(0, 2, torch.device("cuda"))) is None
