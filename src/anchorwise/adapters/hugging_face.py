"""Hugging Face Trainer: how good and how healthy the embeddings of its model are while it trains."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, final

from torch.utils._pytree import tree_map

from anchorwise import _checks
from anchorwise._ranks import over_ranks
from anchorwise.adapters.watching import MakeRows, MakeViews, Watcher, callback_of, warn_of


@final
class OnlineMonitor(callback_of({"transformers": "TrainerCallback"})):
    """Logs what judges say of features, and the tail of the hardest negatives, every so many steps.

        OnlineMonitor(embed, loader, views=views).attach(trainer)

    What is logged goes where the trainer's own numbers go (`trainer.log`): `watch/...` and `tail/...`, as
    `anchorwise.adapters.lightning.OnlineMonitor` has them, but that the tail is that of the first judged batch, since
    callbacks are not shown batches of the training. Trainers of sentence-transformers are such trainers. The model is
    in evaluation mode meanwhile and keeps no graph. On several ranks the first judges.

    Args:
        embed: Makes features and labels of a judged batch, called with the model and the batch on its device; None in
            the place of labels where there are none.
        loader: The judged batches, such as a `DataLoader` over training samples. Test samples are for the end.
        views: Makes the embeddings of two views of the first judged batch, called likewise; left out, there are no
            numbers of the tail.
        every_num_steps: How often.
        max_rows: Rows that are judged at most, the first that come.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(
        self,
        embed: MakeRows,
        loader: Iterable[Any],
        *,
        views: MakeViews | None = None,
        every_num_steps: int = 100,
        max_rows: int = 10_000,
    ) -> None:
        super().__init__()
        self._watcher, self._loader = Watcher(embed, loader, views, max_rows=max_rows), loader
        self._every_num_steps = _checks.count("every_num_steps", every_num_steps)
        self._log: Callable[[dict[str, float]], Any] | None = None

    def attach(self, trainer: Any) -> None:
        """Become a callback of a trainer, and log what it logs."""
        self._log = trainer.log
        trainer.add_callback(self)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        """Judge the model, on the first rank.

        Raises:
            RuntimeError: If it was given to a trainer otherwise than by `attach`, so that it cannot log.
        """
        if state.global_step % self._every_num_steps or not state.is_world_process_zero:
            return
        if self._log is None:
            raise RuntimeError("an OnlineMonitor logs through its trainer; call monitor.attach(trainer)")
        with over_ranks(None):  # The other ranks are not here.
            numbers, warned = self._watcher.judged(model, partial(_moved, device=args.device))
            numbers |= self._watcher.tail(model, (_moved(batch, device=args.device) for batch in self._loader))
        if numbers:
            self._log(numbers)
        warn_of(f"step {state.global_step}", warned)


def _moved(batch: Any, *, device: Any) -> Any:
    # What tokenizers and image processors return is no dict, and moves its tensors itself.
    return tree_map(lambda part: part.to(device) if hasattr(part, "to") else part, batch)
