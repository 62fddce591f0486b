"""Lightning: how good and how healthy the embeddings of a LightningModule are while it trains."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, final

from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks
from anchorwise.adapters.watching import Rows, embedded, tail_of, watched
from anchorwise.evaluation.embed import evaluation_mode

# b = samples of a batch, f = features, d = embedding width


def _callback() -> Any:
    """Return the base class of callbacks; without Lightning a plain one, whose hooks can still be called."""
    for package in ("lightning.pytorch", "pytorch_lightning"):
        with suppress(ModuleNotFoundError):
            return import_module(package).Callback
    return object


@final
class OnlineMonitor(_callback()):
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
        embed: Callable[[Any, Any], tuple[Float[Tensor, "b f"], Int[Tensor, " b"] | None]],
        loader: Iterable[Any],
        *,
        views: Callable[[Any, Any], tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]] | None = None,
        every_num_epochs: int = 1,
        every_num_steps: int = 50,
        max_rows: int = 10_000,
    ) -> None:
        super().__init__()
        self._embed, self._loader, self._views = embed, loader, views
        self._every_num_epochs = _checks.count("every_num_epochs", every_num_epochs)
        self._every_num_steps = _checks.count("every_num_steps", every_num_steps)
        self._max_rows = _checks.count("max_rows", max_rows)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, *further: Any
    ) -> None:
        """Read the tail of a training batch; every rank does."""
        if self._views is None or trainer.global_step % self._every_num_steps:
            return
        with evaluation_mode(pl_module):
            values = tail_of(self._views(pl_module, batch))
        pl_module.log_dict(values)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Judge the rows of the loader, on the first rank."""
        if (trainer.current_epoch + 1) % self._every_num_epochs or not trainer.is_global_zero:
            return
        with evaluation_mode(pl_module):
            try:
                numbers, warned = watched(embedded(self._batches(pl_module), max_rows=self._max_rows))
            except ValueError as error:  # Broken rows are a finding, and no reason to end a training.
                warnings.warn(f"epoch {trainer.current_epoch} cannot be judged: {error}", stacklevel=2)
                return
        pl_module.log_dict(numbers, rank_zero_only=True)
        for words in warned:
            warnings.warn(f"epoch {trainer.current_epoch}: {words}", stacklevel=2)

    def _batches(self, module: Any) -> Iterator[Rows]:
        for batch in self._loader:
            yield self._embed(module, module.transfer_batch_to_device(batch, module.device, 0))
