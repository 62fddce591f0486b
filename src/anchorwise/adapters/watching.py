"""What callbacks of trainers log of embeddings: what judges watch, and the tail of the hardest negatives."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
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

Rows = tuple[Float[Tensor, "b f"], Int[Tensor, " b"] | None]
MakeRows = Callable[[Any, Any], Rows]
MakeViews = Callable[[Any, Any], tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]]


def callback_of(names: Mapping[str, str]) -> Any:
    """Return the base class of a trainer's callbacks; without its library a plain one, whose hooks can be called.

    Args:
        names: That of the class by that of its package; the first package that is there counts.
    """
    for package, name in names.items():
        with suppress(ModuleNotFoundError):
            return getattr(import_module(package), name)
    return object


@final
class Watcher:
    """Reads numbers of a model, which is in evaluation mode meanwhile and keeps no graph.

    Args:
        embed: Makes features and labels of a judged batch, called with the model and the batch on its device; None in
            the place of labels where there are none.
        loader: The judged batches.
        views: Makes the embeddings of two views of a batch, called likewise; None for no numbers of the tail.
        max_rows: Rows that are judged at most, the first that come.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(self, embed: MakeRows, loader: Iterable[Any], views: MakeViews | None, *, max_rows: int) -> None:
        self._embed, self._loader, self._views = embed, loader, views
        self._max_rows = _checks.count("max_rows", max_rows)

    def judged(self, model: Any, moved: Callable[[Any], Any]) -> tuple[dict[str, float], list[str]]:
        """Return what judges watch, by name below `watch/`, and their warnings of a collapse.

        Args:
            model: It.
            moved: Brings a batch to its device.
        """
        judges = judges_of(DEFAULT_JUDGES)
        with evaluation_mode(model):
            try:
                rows = embedded((self._embed(model, moved(batch)) for batch in self._loader), max_rows=self._max_rows)
                numbers = {name: value for judge in judges for name, value in judge.watch(rows).items()}
            except ValueError as error:  # Broken rows are a finding, and no reason to end a training.
                return {}, [f"it cannot be judged: {error}"]
        warned = [words for judge in judges if (words := judge.warning(numbers))]
        return {f"watch/{name}": value for name, value in numbers.items()}, warned

    def tail(self, model: Any, batches: Iterable[Any]) -> dict[str, float]:
        """Return where the hardest negatives of two views of the first batch end, by name below `tail/`.

        Args:
            model: It.
            batches: At least one, on its device.
        """
        if self._views is None:
            return {}
        with evaluation_mode(model):
            view0, view1 = (rows.float() for rows in self._views(model, next(iter(batches))))
            return {f"tail/{name}": value for name, value in tail_statistics(view0, view1).items()}


def embedded(batches: Iterable[Rows], *, max_rows: int) -> Embeddings:
    """Return features and labels of batches, the first `max_rows` of them."""
    features, labels, num_rows = list[Tensor](), list[Tensor](), 0
    for rows, classes in batches:
        features.append(rows.float().cpu())
        labels += [] if classes is None else [classes.cpu()]
        num_rows += len(rows)
        if num_rows >= max_rows:
            break
    kept = slice(max_rows)
    classes = torch.cat(labels)[kept].numpy() if labels else None
    return Embeddings((torch.cat(features)[kept].numpy(),), labels=classes)


def warn_of(when: str, warned: Sequence[str]) -> None:
    """Warn of what was found, for whoever called a trainer."""
    for words in warned:
        warnings.warn(f"{when}: {words}", stacklevel=3)
