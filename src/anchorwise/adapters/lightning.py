"""Lightning: how good and how healthy the embeddings of a LightningModule are while it trains."""

from collections.abc import Iterable
from typing import Any, final

from anchorwise import _checks
from anchorwise.adapters.watching import MakeRows, MakeViews, Watcher, callback_of, warn_of


@final
class OnlineMonitor(callback_of({"lightning.pytorch": "Callback", "pytorch_lightning": "Callback"})):
    """Logs what judges say of features after epochs, and the tail of the hardest negatives after steps.

    What is logged goes where the module's own `log` goes: `watch/...` as `anchorwise pretrain` watches its encoder,
    `knn_accuracy` of a fifth of the rows by the others, `effective_rank` (RankMe) and `spread` (1 where features fill
    their space, 0 where all are one point); `tail/...` as `anchorwise.training.tail_statistics` has it. A collapse is
    warned of in words. The module is in evaluation mode meanwhile and keeps no graph. On several ranks the first
    judges the rows of its loader, and the tail is that of the negatives of all.

    Args:
        embed: Makes features and labels of a judged batch, called with the module and the batch on its device; None
            in the place of labels where there are none.
        loader: The judged batches, such as a `DataLoader` over training images without augmentation. Test images are
            for the end.
        views: Makes the embeddings of the two views of a training batch, called likewise; left out, there are no
            numbers of the tail.
        every_num_epochs: How often rows are judged.
        every_num_steps: How often the tail is read.
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
        every_num_epochs: int = 1,
        every_num_steps: int = 50,
        max_rows: int = 10_000,
    ) -> None:
        super().__init__()
        self._watcher = Watcher(embed, loader, views, max_rows=max_rows)
        self._every_num_epochs = _checks.count("every_num_epochs", every_num_epochs)
        self._every_num_steps, self._last_step = _checks.count("every_num_steps", every_num_steps), 0

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, *further: Any
    ) -> None:
        """Read the tail of a training batch; every rank does."""
        step = trainer.global_step
        if step == self._last_step or step % self._every_num_steps:
            return  # Of batches whose gradients are accumulated the last one takes the step.
        self._last_step = step
        if numbers := self._watcher.tail(pl_module, [batch]):
            pl_module.log_dict(numbers)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Judge the rows of the loader, on the first rank."""
        if (trainer.current_epoch + 1) % self._every_num_epochs or not trainer.is_global_zero:
            return
        numbers, warned = self._watcher.judged(
            pl_module, lambda batch: pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
        )
        if numbers:
            pl_module.log_dict(numbers, rank_zero_only=True)
        warn_of(f"epoch {trainer.current_epoch}", warned)
