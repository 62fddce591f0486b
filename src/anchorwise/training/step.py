"""One training step: two views, their embeddings on all ranks, the loss, the update."""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anchorwise.data.batches import mixed_seed
from anchorwise.data.images import ImageSet
from anchorwise.objectives import Objective, Outcome
from anchorwise.pairs import views_of
from anchorwise.tails.negatives import negatives_of
from anchorwise.training.config import RunConfig
from anchorwise.training.distributed import Ranks
from anchorwise.training.state import RunState
from anchorwise.training.tail_statistics import statistics_of

_WAY_OUT = "the last checkpoint is as it was. A lower optimizer.peak_lr or train.amp=false may help"


@dataclass(frozen=True)
class ImageBatch:
    """One rank's part of a batch.

    Attributes:
        images: Uint8, shape (images, channels, size, size).
        ids: The images' numbers in the data set.
        labels: Their classes; None if unlabelled.
    """

    images: Tensor
    ids: Tensor
    labels: Tensor | None


class NonFiniteLossError(ValueError):
    """A loss or a weight is not finite; the run stops, and its last checkpoint stays."""


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
    state: RunState, network: nn.Module, batch: ImageBatch, config: RunConfig, ranks: Ranks
) -> tuple[Outcome, Tensor, Tensor]:
    """Take one step and return its outcome, of the images of all ranks, with the embeddings of this one.

    Everything random in it depends on the seed, the step and the rank alone.

    Args:
        state: Changed in place.
        network: The model of `state`, or it wrapped for several ranks.
        batch: This rank's images.
        config: Of the run.
        ranks: Where this process stands.

    Raises:
        NonFiniteLossError: If the loss is not finite.
    """
    seed = mixed_seed(config.train.seed, state.step, ranks.rank)
    torch.manual_seed(seed)
    views = torch.cat(state.augmentation(batch.images.to(ranks.device), seed=seed))
    views = views.contiguous(memory_format=torch.channels_last)
    with autocast(config, ranks.device):
        embeddings = network(views)
    view0, view1 = embeddings.chunk(2)
    outcome = state.objective.detail(view0, view1, **_given(state.objective, batch, ranks))
    if not math.isfinite(outcome.loss.item()):
        raise NonFiniteLossError(f"the loss of step {state.step} is {outcome.loss.item()}; {_WAY_OUT}")
    state.optimizer.zero_grad(set_to_none=True)
    outcome.loss.backward()
    state.optimizer.step()
    return outcome, view0.detach(), view1.detach()


def _given(objective: Objective, batch: ImageBatch, ranks: Ranks) -> dict[str, Tensor]:
    """Return what the objective needs beside the views; what is not there it asks for itself."""
    there = {"ids": batch.ids, "labels": batch.labels}
    return {
        name: value.to(ranks.device)
        for name, value in there.items()
        if value is not None and name in objective.inputs.needs
    }


def check_objective(objective: Objective, images: ImageSet) -> None:
    """Refuse an objective that two views of these images, their numbers and labels do not suffice for.

    Raises:
        ValueError: If it needs something else.
    """
    inputs, given = objective.inputs, {"ids"} if images.labels is None else {"ids", "labels"}
    missing = [name for name in inputs.needs if name not in given]
    if missing or inputs.min_views > 2 or inputs.max_views == 1:
        needs = f"needs {', '.join(missing)}" if missing else f"takes {inputs.min_views} views"
        raise ValueError(
            f"objective.name must be an objective of two views, got {type(objective).__name__}, which {needs}; "
            "train it in your own loop"
        )


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


def measured(outcome: Outcome, view0: Tensor, view1: Tensor) -> dict[str, float]:
    """Return what is logged of a step: means of the statistics, and where the hardest negatives are.

    `above_chance` is the loss minus log(2n - 1), the InfoNCE loss of embeddings that know nothing. The views are this
    rank's, what is measured is that of all; every rank must ask.
    """
    loss, negatives = outcome.loss.item(), negatives_of(views_of(view0, view1).pooled())
    values = {"loss": loss, "above_chance": loss - math.log(max(len(negatives.anchors), 2) - 1)}
    values |= {name: tensor.float().mean().item() for name, tensor in outcome.stats.items()}
    return values | statistics_of(negatives)
