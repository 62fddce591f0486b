"""A captured step is the step itself: what a card would replay is replayed on the CPU, operation by operation."""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from functools import cache
from itertools import pairwise
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor, nn

from anchorwise import _tensor_checks
from anchorwise.methods import METHODS
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.views import chosen
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Batch
from anchorwise.training import RunConfig
from anchorwise.training.captured_step import NUM_ORDINARY, CapturedStep, CudaGraphs, captured_step
from anchorwise.training.distributed import Ranks
from anchorwise.training.optimizers import build_optimizer, set_rates
from anchorwise.training.sample_rows import all_rows
from anchorwise.training.state import RunState, initial_state
from anchorwise.training.step import _learn as learn
from anchorwise.training.step import train_step
from tests.contracts.test_device import OnOneDevice
from tests.methods.training import ENCODERS, every_method
from tests.training.conftest import tiny_run
from tests.training.replaying import Replaying, Unread

CPU, META = torch.device("cpu"), torch.device("meta")
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
    if state.probe is not None:
        state.probe.optimizer = torch.optim.Adam(state.probe.parameters(), lr=1e-2, fused=True, capturable=True)
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
    parts = state.optimizer.state_dict()["state"] | ({} if state.probe is None else {"probe": state.probe.state_dict()})
    return losses, {**state.model.state_dict(), **_flat(parts)}


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
@pytest.mark.usefixtures("as_users_call", "without_autocast")
@every_method
def test_nothing_in_a_step_has_to_do_with_the_host(method: str):
    state, samples = _start(_config(method))
    state.step = NUM_STEPS - 2  # After whatever is done at first.
    state.model.before_epoch(state.clock, all_rows(samples, torch.arange(60), state.views, HERE, seed=0))
    state.model.before_step(state.clock)
    state.model.to("meta").meet(state.views.to("meta"))
    state.optimizer = torch.optim.SGD(state.model.parameters())
    batch = samples.batch(torch.arange(16)).to(META)
    with OnOneDevice():
        learn(state, state.model, state.config, batch, torch.empty((), dtype=torch.int64, device=META))


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
def test_every_shape_of_batch_is_recorded_once_after_a_few_ordinary_steps(monkeypatch: pytest.MonkeyPatch):
    graphs = Replaying()
    _assert_same(_config(), graphs, sizes=(16, 12))
    assert (graphs.num_ordinary, graphs.num_recorded) == (2 * NUM_ORDINARY, 2)
    assert graphs.num_replayed == NUM_STEPS - 2 * NUM_ORDINARY
    _assert_same(_config(), graphs := Replaying(), sizes=(16, 16, 16, 12))
    assert (graphs.num_ordinary, graphs.num_recorded) == (NUM_ORDINARY + 2, 1)
    monkeypatch.setattr("anchorwise.training.captured_step.MAX_RECORDINGS", 1)
    _assert_same(_config(), graphs := Replaying(), sizes=(16, 12))
    assert (graphs.num_ordinary, graphs.num_recorded) == (NUM_ORDINARY + NUM_STEPS // 2, 1)


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
        if self.does == "read in backward":
            rows.register_hook(lambda gradient: gradient * float(gradient.isfinite().all()))
        if self.does == "draw":
            return rows + torch.randn(1)
        if self.does == "move":
            self.count = self.count + 1
        return rows


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("read", "not permitted when stream is capturing"),
        ("read in backward", "not permitted when stream is capturing"),
        ("draw", "draws random numbers on the host"),
        ("move", "online.encoder.backbone.count is another tensor after a step; change it in place"),
    ],
)
def test_what_cannot_be_replayed_is_said_once_and_done_step_by_step(does: str, words: str):
    graphs, config, network = Replaying(), _config("simclr", "train.online_probe=true"), _Troublesome(does)

    def troubled(state: RunState) -> None:
        state.model.online.encoder.backbone = deepcopy(network)

    def captured(state: RunState) -> CapturedStep:
        troubled(state)
        return CapturedStep(state.model, graphs)

    with pytest.warns(UserWarning, match=words) as said:
        losses, state = _trained(config, captured, guard=nullcontext)
    assert len(said) == 1
    assert graphs.num_replayed == 0
    ordinary, expected = _trained(config, troubled, guard=nullcontext)
    assert losses == ordinary
    assert [name for name, tensor in expected.items() if not torch.equal(tensor, state[name])] == []


def test_a_replay_counts_as_a_change_for_what_is_kept_until_a_weight_changes():
    layer, batch = nn.Linear(2, 2), Batch(torch.ones(1, 2), torch.zeros(1, dtype=torch.int64))
    captured = CapturedStep(layer, graphs := Replaying())

    @torch.no_grad()
    def work(batch: Batch, seed: Tensor) -> Tensor:
        return layer.weight.add_(batch.raw)

    versions = [0]
    for _ in range(NUM_ORDINARY + 3):
        captured(work, batch, 0, phase=None)
        versions.append(layer.weight._version)
    assert graphs.num_replayed == 3
    assert all(later > earlier for earlier, later in pairwise(versions))


class _FailingCapture:
    """What torch does where something in a CUDA graph cannot be recorded: it ends with an error of its own."""

    def __init__(self, graph: Any, **given: Any) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture\nFor debugging")


def test_a_recording_that_fails_leaves_no_graph_and_a_generator_that_draws(monkeypatch: pytest.MonkeyPatch):
    card = MagicMock(graph=_FailingCapture, default_generators=[generator := MagicMock()], current_device=lambda: 0)
    monkeypatch.setattr(torch, "cuda", card)

    def reads(batch: Batch, seed: Tensor) -> None:
        steps.append(None)
        if len(steps) == NUM_ORDINARY + 1:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nFor debugging")

    steps: list[None] = []
    captured = CapturedStep(nn.Linear(2, 2), CudaGraphs())
    batch = Batch(torch.ones(1, 2), torch.zeros(1, dtype=torch.int64))
    for _ in range(NUM_ORDINARY):
        captured(reads, batch, 0, phase=None)
    with pytest.warns(UserWarning, match=r"operation not permitted when stream is capturing \(test_captured_step"):
        captured(reads, batch, 0, phase=None)
    captured(reads, batch, 0, phase=None)
    card.CUDAGraph.return_value.reset.assert_called_once_with()
    generator.graphsafe_set_state.assert_called_once_with(generator.clone_state.return_value)


def test_a_run_is_captured_only_if_asked_and_where_it_can_be(recwarn):
    model, asked = nn.Linear(1, 1), _config("simclr", "train.captured=true")
    assert captured_step(_config(), model, HERE) is None
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"train\.captured does nothing here: train\.device is no CUDA device"):
        assert captured_step(asked, model, HERE) is None
    with pytest.warns(UserWarning, match="several ranks share a batch"):
        assert captured_step(asked, model, Ranks(0, 2, torch.device("cuda"))) is None
