"""Lightning: how good and how healthy the embeddings of a LightningModule are while it trains."""

import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.embed import evaluation_mode
from anchorwise.evaluation.registry import DEFAULT_JUDGES, judges_of
from anchorwise.training.tail_statistics import tail_statistics

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
            view0, view1 = (rows.float() for rows in self._views(pl_module, batch))
            values = tail_statistics(view0, view1)
        pl_module.log_dict({f"tail/{name}": value for name, value in values.items()})

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Judge the rows of the loader, on the first rank."""
        if (trainer.current_epoch + 1) % self._every_num_epochs or not trainer.is_global_zero:
            return
        with evaluation_mode(pl_module):
            judged, judges = self._rows(pl_module), judges_of(DEFAULT_JUDGES)
            try:
                numbers = {name: value for judge in judges for name, value in judge.watch(judged).items()}
            except ValueError as error:  # Broken rows are a finding, and no reason to end a training.
                warnings.warn(f"epoch {trainer.current_epoch} cannot be judged: {error}", stacklevel=2)
                return
        pl_module.log_dict({f"watch/{name}": value for name, value in numbers.items()}, rank_zero_only=True)
        for words in filter(None, (judge.warning(numbers) for judge in judges)):
            warnings.warn(f"epoch {trainer.current_epoch}: {words}", stacklevel=2)

    def _rows(self, module: Any) -> Embeddings:
        """Return features and labels of the judged rows."""
        features, labels, num_rows = list[Tensor](), list[Tensor](), 0
        for batch in self._loader:
            rows, classes = self._embed(module, module.transfer_batch_to_device(batch, module.device, 0))
            features.append(rows.float().cpu())
            labels += [] if classes is None else [classes.cpu()]
            num_rows += len(rows)
            if num_rows >= self._max_rows:
                break
        kept = slice(self._max_rows)
        classes = torch.cat(labels)[kept].numpy() if labels else None
        return Embeddings((torch.cat(features)[kept].numpy(),), labels=classes)
