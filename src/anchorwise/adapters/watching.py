"""What callbacks of trainers log of embeddings: what judges watch, and the tail of the hardest negatives."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.registry import DEFAULT_JUDGES, judges_of
from anchorwise.training.tail_statistics import tail_statistics

# b = samples of a batch, f = features

Rows = tuple[Float[Tensor, "b f"], Int[Tensor, " b"] | None]


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


def watched(rows: Embeddings) -> tuple[dict[str, float], list[str]]:
    """Return what judges watch, by name below `watch/`, and their warnings of a collapse.

    Raises:
        ValueError: If the rows cannot be judged.
    """
    judges = judges_of(DEFAULT_JUDGES)
    numbers = {name: value for judge in judges for name, value in judge.watch(rows).items()}
    warned = [words for judge in judges if (words := judge.warning(numbers))]
    return {f"watch/{name}": value for name, value in numbers.items()}, warned


def tail_of(views: Sequence[Tensor]) -> dict[str, float]:
    """Return where the hardest negatives of two views end, by name below `tail/`."""
    view0, view1 = (rows.float() for rows in views)
    return {f"tail/{name}": value for name, value in tail_statistics(view0, view1).items()}
