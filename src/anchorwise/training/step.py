"""One training step: the views, what the method makes of them on all ranks, the update. Nothing is read of a device."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.modalities.samples import Batch
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.models.momentum import early_momentum
from anchorwise.objectives import Outcome
from anchorwise.training.captured_step import CapturedStep
from anchorwise.training.config import RunConfig
from anchorwise.training.distributed import Ranks
from anchorwise.training.state import RunState

# b = samples of this rank's batch, d = embedding width


@dataclass(frozen=True)
class Taken:
    """What a step gave, on the device; none of it may be finite.

    Attributes:
        outcome: The objective's, of the samples of all ranks.
        rows: Two detached views of this rank's samples as the objective saw them, where it compares rows.
        gradient_norm: Of all parameters before it was clipped; None where it is not.
    """

    outcome: Outcome
    rows: tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]] | tuple[()]
    gradient_norm: Float[Tensor, ""] | None


def train_step(
    state: RunState,
    network: nn.Module,
    batch: Batch,
    config: RunConfig,
    ranks: Ranks,
    captured: CapturedStep | None = None,
) -> Taken:
    """Take one step.

    Views depend on the seed, the step and the sample alone; what else is random in it on the rank as well.

    Args:
        state: Changed in place.
        network: The model of `state`, or it wrapped for several ranks.
        batch: This rank's samples.
        config: Of the run.
        ranks: Where this process stands.
        captured: Records steps and replays them; what they give is then overwritten by the next.
    """
    torch.manual_seed(mixed_seed(config.train.seed, state.step, ranks.rank))
    batch = batch.to(ranks.device)
    if not config.train.exclude_groups:
        batch = replace(batch, groups=None)
    clock = state.clock
    state.model.before_step(clock)
    view_seed = mixed_seed(config.train.seed, state.step)
    if captured is None:
        taken = _learn(state, network, config, batch, view_seed)
    else:
        if not state.views.is_capturable:
            batch = replace(batch, raw=state.views(batch, seed=view_seed))
        taken = captured(partial(_learn, state, network, config), batch, view_seed, phase=state.model.phase())
    state.model.after_step(clock)
    if state.average is not None and config.train.ema is not None:
        state.average.average(state.model.encoder, early_momentum(config.train.ema, state.step))
    return taken


def _learn(state: RunState, network: nn.Module, config: RunConfig, batch: Batch, seed: int | Tensor) -> Taken:
    """Do what is recorded of a step: nothing in here may depend on anything but tensors and the method's phase."""
    if state.probe is not None:
        state.probe.begin()
    views = batch.raw if isinstance(batch.raw, tuple) else state.views(batch, seed=seed)
    with autocast(config, batch.ids.device):
        made = network(views, batch)
    state.optimizer.zero_grad(set_to_none=True)
    made.outcome.loss.backward()
    state.model.after_backward()
    norm = None
    if config.optimizer.max_grad_norm is not None:
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), config.optimizer.max_grad_norm)
    state.optimizer.step()
    if state.probe is not None and batch.labels is not None:
        state.probe.learn(batch.labels)
    # Without its graph: what autograd keeps is let go of here, and not in the middle of the next step.
    return Taken(replace(made.outcome, loss=made.outcome.loss.detach()), made.rows, norm)


def autocast(config: RunConfig, device: torch.device) -> AbstractContextManager[object]:
    """Return bfloat16 autocast where the run asks for it and the device computes in it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=config.train.amp and has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies in bfloat16; emulated, it would be slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
