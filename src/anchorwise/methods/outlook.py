"""What a method is told of the training that it serves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.models.clustering import Agreed, as_it_is

# n = all samples, d = embedding width


@dataclass(frozen=True)
class Clock:
    """How far a training is, for schedules.

    Attributes:
        step: Counted from 0.
        num_steps: Of the whole training.
        steps_per_epoch: Of one pass over the samples.
    """

    step: int
    num_steps: int
    steps_per_epoch: int

    @property
    def epoch(self) -> float:
        """Passes over the samples so far."""
        return self.step / self.steps_per_epoch


@dataclass(frozen=True)
class Outlook:
    """What is known of a training before anything of it is written.

    Attributes:
        num_samples: To train on.
        num_classes: One more than the highest label; 0 if unlabelled.
        batch_size: Samples of the largest batch, of all ranks.
        num_steps: Of the whole training.
        steps_per_epoch: Of one pass over the samples.
    """

    num_samples: int
    num_classes: int
    batch_size: int
    num_steps: int
    steps_per_epoch: int

    def check_begins(self, name: str, epochs: float, without: str) -> None:
        """Refuse what would begin when the training is over.

        Args:
            name: Of the setting.
            epochs: Its value: passes over the samples before it begins.
            without: What does not happen then.

        Raises:
            ValueError: If there is no step left for it.
        """
        if epochs * self.steps_per_epoch >= self.num_steps:
            raise ValueError(
                f"{name} must be below the {self.num_steps / self.steps_per_epoch:.4g} epochs of the training, got "
                f"{epochs:.4g}: {without}"
            )

    def check_queue(self, num_queued: int, *, rows_each: int = 1) -> None:
        """Refuse a queue that does not hold a batch.

        Args:
            num_queued: Its slots.
            rows_each: Rows that a sample puts into it.

        Raises:
            ValueError: If it is shorter.
        """
        if num_queued < rows_each * self.batch_size:
            rows = f"{self.batch_size} samples" if rows_each == 1 else f"{rows_each * self.batch_size} rows"
            raise ValueError(
                f"method.num_queued must be at least the {rows} of a batch, got {num_queued}: part of a batch would "
                "never be met; raise it, or lower train.batch_size"
            )


def _no_views(network: nn.Module) -> Any:
    raise NotImplementedError("nothing makes views of these samples")


@dataclass(frozen=True)
class AllRows:
    """All samples of a training, for methods and orders that look at them between epochs.

    Attributes:
        num: How many there are.
        of: Returns what a network makes of every plain sample, in their order, in evaluation mode and without a graph;
            the same on all ranks, each of which has to ask.
        of_views: Likewise returns what a network makes of two random views of every sample, drawn anew each epoch.
        agreed: Returns to every rank what work gives on the first, where others might round otherwise.
    """

    num: int
    of: Callable[[nn.Module], Float[Tensor, "n d"]]
    of_views: Callable[[nn.Module], tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]] = _no_views
    agreed: Agreed = as_it_is
