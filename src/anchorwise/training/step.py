"""One training step: the views, what the method makes of them on all ranks, the update."""

import math
from contextlib import AbstractContextManager
from dataclasses import replace

import torch
from torch import Tensor, nn

from anchorwise.modalities.samples import Batch
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.models.momentum import early_momentum
from anchorwise.objectives import Outcome
from anchorwise.training.config import RunConfig
from anchorwise.training.distributed import Ranks
from anchorwise.training.state import RunState

_WAY_OUT = "the last checkpoint is as it was. A lower optimizer.peak_lr or train.amp=false may help"


class NonFiniteLossError(ValueError):
    """A loss, a gradient or a weight is not finite; the run stops, and its last checkpoint stays."""


def check_weights(state: RunState) -> None:
    """Refuse a state that must not be saved: a finite loss can have a gradient that is not finite.

    Raises:
        NonFiniteLossError: If a weight is not finite.
    """
    if (name := non_finite_weight(state)) is not None:
        raise NonFiniteLossError(f"{name} is not finite after step {state.step - 1}; {_WAY_OUT}")


def non_finite_weight(state: RunState) -> str | None:
    """Return the name of a weight that is not finite; None if all are."""
    weights = state.model.state_dict().items()
    return next((name for name, weight in weights if not bool(weight.isfinite().all())), None)


def train_step(
    state: RunState, network: nn.Module, batch: Batch, config: RunConfig, ranks: Ranks
) -> tuple[Outcome, Tensor, Tensor]:
    """Take one step and return its outcome, of the samples of all ranks, with the embeddings of this one.

    Everything random in it depends on the seed, the step and the rank alone.

    Args:
        state: Changed in place.
        network: The model of `state`, or it wrapped for several ranks.
        batch: This rank's samples.
        config: Of the run.
        ranks: Where this process stands.

    Raises:
        NonFiniteLossError: If the loss, or a gradient that is to be clipped, is not finite.
    """
    seed = mixed_seed(config.train.seed, state.step, ranks.rank)
    torch.manual_seed(seed)
    batch = batch.to(ranks.device)
    if not config.train.exclude_groups:
        batch = replace(batch, groups=None)
    views, clock = state.views(batch, seed=seed), state.clock
    state.model.before_step(clock)
    with autocast(config, ranks.device):
        made = network(views, batch)
    outcome = made.outcome
    if not math.isfinite(outcome.loss.item()):
        raise NonFiniteLossError(f"the loss of step {state.step} is {outcome.loss.item()}; {_WAY_OUT}")
    state.optimizer.zero_grad(set_to_none=True)
    outcome.loss.backward()
    state.model.after_backward()
    if config.optimizer.max_grad_norm is not None:
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), config.optimizer.max_grad_norm)
        if not math.isfinite(norm.item()):
            raise NonFiniteLossError(f"the gradient of step {state.step} has norm {norm.item()}; {_WAY_OUT}")
    state.optimizer.step()
    state.model.after_step(clock)
    if state.average is not None and config.train.ema is not None:
        state.average.average(state.model.encoder, early_momentum(config.train.ema, state.step))
    return (outcome, *made.rows)


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
