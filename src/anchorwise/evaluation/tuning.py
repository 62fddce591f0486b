"""A whole encoder trained further with labels: what the judge of fine-tuning does once for every setting."""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.evaluation.embed import embed
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.fingerprint import digest
from anchorwise.modalities.samples import Samples, moved
from anchorwise.modalities.seeds import seeded

# n = samples, m = chosen samples, b = samples of a batch, c = channels, h = height, w = width (pixels), k = classes

_WARMUP_SHARE = 0.1


@dataclass(frozen=True)
class Recipe:
    """How an encoder is trained further: AdamW, a linear classifier on top, a cosine to zero after a short warm-up.

    Attributes:
        peak_lr: Learning rate of all weights after the first tenth of the steps.
        num_epochs: Passes over the samples.
        min_steps: Steps taken at least, by more passes where these are too few.
        batch_size: Samples of a batch, as nearly as equal batches can have.
        weight_decay: Of weights of more than one axis.
        flip_probability: Of mirroring an image.
        shift_fraction: Largest shift of an image along each axis over its size; what is uncovered is grey.
    """

    peak_lr: float
    num_epochs: int
    min_steps: int
    batch_size: int
    weight_decay: float
    flip_probability: float
    shift_fraction: float


@dataclass(frozen=True)
class Classified:
    """Samples with their classes.

    Attributes:
        samples: The samples.
        labels: Class of each, from 0.
        num_classes: Classes there are.
    """

    samples: Samples
    labels: Int64[Tensor, " n"]
    num_classes: int

    def of(self, ids: Int64[Tensor, " m"]) -> "Classified":
        """Return some of them, in this order."""
        return Classified(self.samples.subset(ids), self.labels[ids], self.num_classes)

    def facts(self) -> dict[str, str | int]:
        """Return what tells them from others, as JSON has it."""
        content, labels = self.samples.fingerprint().content, digest(self.labels)
        return {"content": content, "labels": labels, "num_classes": self.num_classes}


def tuned(
    frozen: FrozenEncoder,
    train: Classified,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    epochs: Callable[[range], Iterable[int]] = iter,
) -> nn.Module:
    """Return a trained copy of an encoder with a classifier on top, which gives logits.

    Args:
        frozen: The encoder; it stays as it is.
        train: To train on.
        recipe: How.
        seed: Decides order, shifts and flips, and what is random in the encoder; the classifier starts at zero.
        device: Where to compute.
        epochs: Goes through the epochs, and may show how far it is.
    """
    samples, labels = train.samples, train.labels
    with seeded(torch.device(device), seed):
        head = nn.Linear(frozen.encoder.num_features, train.num_classes)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        network = nn.Sequential(copy.deepcopy(frozen.encoder), head).to(device).requires_grad_(True).train()
        num_batches = max(1, round(len(samples) / recipe.batch_size))
        num_epochs = max(recipe.num_epochs, math.ceil(recipe.min_steps / num_batches))
        optimizer = _optimizer(network, recipe)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(num_epochs * num_batches))
        for _ in epochs(range(num_epochs)):
            for ids in torch.randperm(len(samples)).tensor_split(num_batches):
                view = frozen.plain(moved(samples.take(ids), device))
                if isinstance(view, Tensor) and view.ndim == 4:
                    view = _moved_about(view, recipe)
                loss = F.cross_entropy(network(view), labels[ids].to(device))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
    return network.eval()


def accuracy(network: nn.Module, frozen: FrozenEncoder, test: Classified, device: torch.device | str = "cpu") -> float:
    """Return the share of samples that a network classifies correctly; 0 where its weights are not finite."""
    if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
        return 0.0
    logits = torch.from_numpy(embed(network, test.samples, transform=frozen.plain, device=device).views[0])
    return int((logits.argmax(dim=1) == test.labels).sum()) / len(test.labels)


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    weights = {decays: [one for one in network.parameters() if (one.ndim > 1) is decays] for decays in (True, False)}
    groups = [
        {"params": weights[True], "weight_decay": recipe.weight_decay},
        {"params": weights[False], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.peak_lr)


def _schedule(num_steps: int) -> Callable[[int], float]:
    num_warmup = max(1, round(_WARMUP_SHARE * num_steps))

    def share(step: int) -> float:
        if step < num_warmup:
            return (step + 1) / num_warmup
        return 0.5 * (1.0 + math.cos(math.pi * (step - num_warmup) / max(num_steps - num_warmup, 1)))

    return share


def _moved_about(images: Float[Tensor, "b c h w"], recipe: Recipe) -> Float[Tensor, "b c h w"]:
    """Return every image shifted by its own whole numbers of pixels, and some of them mirrored."""
    num, _, height, width = images.shape
    reach = [round(recipe.shift_fraction * side) for side in (height, width)]
    padded = F.pad(images, (reach[1], reach[1], reach[0], reach[0]))
    rows, columns = (
        torch.randint(2 * most + 1, (num, 1)) + torch.arange(side)
        for most, side in zip(reach, (height, width), strict=True)
    )
    is_flipped = torch.rand(num, 1) < recipe.flip_probability
    columns = torch.where(is_flipped, columns.flip(1), columns)
    at = torch.arange(num, device=images.device).view(-1, 1, 1)
    rows, columns = rows.to(images.device), columns.to(images.device)
    return padded.permute(0, 2, 3, 1)[at, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
