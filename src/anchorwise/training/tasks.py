"""Learning task after task: an order that serves the classes of one, then those of the next, with some of the former.

Every task has equally many epochs, and an epoch as many batches as one of all samples, so that a run of tasks has the
steps of a run on everything at once. At the first epoch of a task samples of the one before go into memory, and the
method is told (`anchorwise.methods.Method.before_task`); both are saved, so a run goes on at any step.
"""

from collections.abc import Mapping
from typing import Any, Literal, final

import torch
from jaxtyping import Int64
from pydantic import Field
from torch import Tensor

from anchorwise.methods import AllRows, Clock, Method, Outlook
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.training.order import Deck, Order, OrderConfig
from anchorwise.training.replay import ReplayBuffer, Selection


@final
class TasksInSequence(Order):
    """Classes come in their order, in tasks of equally many, one more or less; what is over comes from memory alone.

    New samples come in random order, all of them before one comes again, and so do those in memory; no sample stands
    twice in a batch.
    """

    class Config(OrderConfig):
        """How classes come.

        Attributes:
            num_tasks: How many; 1 is all classes at once.
            memory_share: Of the samples of every class that is over, how many are kept to be rehearsed, in [0, 1]: at
                least one of each unless it is 0, which keeps none.
            selection: Which: "random", or by "herding", those that together are most like the class.
            rehearsal_share: Of a batch, how many come from memory, at most all that are in it.
        """

        name: Literal["tasks"] = "tasks"
        num_tasks: int = Field(default=5, ge=1, le=1_000_000)
        memory_share: float = Field(default=0.01, ge=0, le=1)
        selection: Selection = "random"
        rehearsal_share: float = Field(default=0.5, gt=0, lt=1)

    config: Config

    def prepare(self) -> None:
        """Look whether such batches can be made of these samples, and of which parts."""
        labels, sizes = self.labels, self.sizes
        if labels is None:
            raise ValueError("order.name=tasks needs labelled samples, whose classes make tasks; these have none")
        classes = labels.unique()
        if self.config.num_tasks > len(classes):
            raise ValueError(
                f"order.num_tasks must be at most the {len(classes)} classes of the samples, got "
                f"{self.config.num_tasks}"
            )
        self.tasks: list[Int64[Tensor, " c"]] = list(classes.tensor_split(self.config.num_tasks))
        self.members = [torch.nonzero(torch.isin(labels, task)).flatten() for task in self.tasks]
        smallest = min(map(len, self.members))
        if max(sizes) > smallest:
            raise ValueError(
                f"train.batch_size must be at most the {smallest} samples of the smallest of {len(self.tasks)} tasks, "
                f"got {max(sizes)}; lower it, or order.num_tasks"
            )
        self.memory = ReplayBuffer(self.config.memory_share, selection=self.config.selection)
        self.task = 0
        self.epochs_per_task = 1

    def check(self, method: Method, outlook: Outlook) -> None:
        """Refuse a training that cannot be cut into tasks.

        Raises:
            ValueError: If tasks would not have equally many whole epochs.
        """
        if outlook.num_steps % (len(self.tasks) * outlook.steps_per_epoch):
            raise ValueError(
                f"train.num_epochs must be a multiple of order.num_tasks={len(self.tasks)}, so that tasks have equally "
                f"many, got {outlook.num_steps / outlook.steps_per_epoch:.4g}"
            )
        self.epochs_per_task = outlook.num_steps // (len(self.tasks) * outlook.steps_per_epoch)

    def schedule(self, clock: Clock) -> Clock:
        """Return how far the task is: rates rise and fall in each anew."""
        num_steps = self.epochs_per_task * clock.steps_per_epoch
        return Clock(clock.step % num_steps, num_steps, clock.steps_per_epoch)

    def before_epoch(self, samples: AllRows, method: Method, *, seed: int, epoch: int) -> None:
        """At the first epoch of a task, remember the one before, and tell the method."""
        self.task, epoch_of_task = divmod(epoch, self.epochs_per_task)
        if epoch_of_task:
            return
        if self.task:
            self._remember(samples, method, seed)
        device = next(method.parameters()).device
        earlier = torch.cat([self.tasks[0][:0], *self.tasks[: self.task]])
        method.before_task(earlier.to(device), self.tasks[self.task].to(device))

    def _remember(self, samples: AllRows, method: Method, seed: int) -> None:
        ids = self.members[self.task - 1]
        is_herding = self.config.memory_share > 0 and self.config.selection == "herding"
        rows = samples.of(method.encoder).cpu()[ids] if is_herding else None
        labels = torch.zeros(0) if self.labels is None else self.labels[ids]
        generator = torch.Generator().manual_seed(mixed_seed(seed, self.task))
        self.memory.keep(ids, labels, generator=generator, rows=rows)
        # Ranks might round features otherwise.
        self.memory.ids = samples.agreed(lambda: self.memory.ids)

    def epoch(self, num_images: int, generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Deal new and remembered samples to every batch."""
        new, old = Deck(self.members[self.task], generator), Deck(self.memory.ids, generator)
        batches = []
        for size in self.sizes:
            num_old = min(round(self.config.rehearsal_share * size), len(self.memory.ids))
            batch = torch.cat([new.dealt(size - num_old), old.dealt(num_old)])
            batches.append(batch[torch.randperm(size, generator=generator)])
        return batches

    def tasks_after(self, epoch: int) -> list[Int64[Tensor, " c"]] | None:
        """Return the classes of every task so far after the last epoch of one."""
        return self.tasks[: self.task + 1] if (epoch + 1) % self.epochs_per_task == 0 else None

    def saved(self) -> dict[str, Any]:
        """Return the task and the memory: a run that goes on within an epoch is not asked to look again."""
        return {"task": self.task, "memory": self.memory.saved()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up task and memory.

        Raises:
            KeyError: If a part is missing.
        """
        self.task = saved["task"]
        self.memory.restore(saved["memory"])
