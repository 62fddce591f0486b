"""Test samples attacked by whoever judges: which of them, where their pixels lie, and rows of what became of them."""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise._config import Count
from anchorwise.evaluation.embed import evaluation_mode, on_device
from anchorwise.evaluation.work import Work
from anchorwise.modalities.attack import AttackConfig, attacked
from anchorwise.modalities.draws import noise
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.samples import Samples, moved

# m = attacked samples, b = those of a block, d = features

_AT_ONCE = 256  # Images attacked at a time.


class JudgingAttack(AttackConfig):
    """PGD-20: an attack within a ball around every image; lengths are on the scale where pixels lie in [0, 1].

    Attributes:
        num_steps: Gradients taken.
    """

    num_steps: Count = 20


def evenly_spread(num_rows: int, num_samples: int) -> Int64[Tensor, " m"]:
    """Return the numbers of so many rows, all where there are fewer."""
    num = min(num_samples, num_rows)
    return torch.linspace(0, num_rows - 1, num, dtype=torch.float64).round().long()


class Attacker:
    """Attacks samples of an encoder.

    Args:
        frozen: The encoder.
        samples: What it was trained on, or the like.
        judge: Name of who asks.
        device: Where to compute.
        work: How long work is shown.

    Raises:
        ValueError: If nobody knows where the pixels of the samples lie; the message names the judge.
    """

    def __init__(
        self, frozen: FrozenEncoder, samples: Samples, judge: str, *, device: torch.device, work: Work
    ) -> None:
        found = frozen.pixel_range()
        if found is None:
            raise ValueError(
                f"judge {judge!r} changes pixels, and has to know where they lie; this encoder, of views of your "
                "own or of no images, does not say: give images of bytes and a network that takes them scaled to [0, 1]"
            )
        self.pixel_range, self.frozen, self.samples = found.to(device), frozen, samples
        self.device, self.work = device, work

    def rows(
        self,
        chosen: Int64[Tensor, " m"],
        loss_of: Callable[[Float[Tensor, "b d"], Int64[Tensor, " b"]], Tensor],
        attack: AttackConfig,
        *,
        seed: int,
    ) -> Float[Tensor, "m d"]:
        """Return the features of attacked samples.

        Args:
            chosen: Numbers of the samples.
            loss_of: The loss that the attack raises, of features of samples and their numbers, summed over samples.
            attack: How far, and in which steps.
            seed: Decides where in the ball it begins.
        """
        found = list[Tensor]()
        with evaluation_mode(on_device(self.frozen.encoder, self.device)) as network:
            for ids in self.work.through(chosen.split(_AT_ONCE), "Attacking"):
                view = cast(Tensor, self.frozen.plain(moved(self.samples.take(ids), self.device)))
                start = 2.0 * noise(ids.to(self.device), seed, view.shape[1:]) - 1.0

                def loss(changed: Tensor, ids: Tensor = ids) -> Tensor:
                    return loss_of(network(changed).float(), ids)

                changed = attacked(view, loss, attack, self.pixel_range, start=start)
                found.append(network(changed).float())
        return torch.cat(found)
