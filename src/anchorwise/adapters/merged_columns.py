"""Columns of a sentence-transformers batch, embedded in as few passes as that library takes.

It gives documents (positives and negatives) to the model together: one pass is faster than several, and the dropout of
a pass is drawn for its rows together. Loss and gradients do not depend on it where there is no dropout.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

# n = rows of a column, d = embedding width

Features = dict[str, Any]

_OF_THE_BATCH = "prompt_length"  # Said of the batch, not of its rows, also where it is a tensor.
_TOKENS = ("input_ids", "attention_mask")


def embedded(model: nn.Module, columns: Iterable[Features]) -> list[Float[Tensor, "n d"]]:
    """Embed the anchors by themselves and the other columns together, where their features can be joined."""
    columns = [*columns]
    documents = columns[1:]
    if len(documents) < 2 or not _alike(documents):
        return [model(column)["sentence_embedding"] for column in columns]
    of_anchors = model(columns[0])["sentence_embedding"]
    return [of_anchors, *model(_joined(documents))["sentence_embedding"].chunk(len(documents))]


def _alike(columns: Sequence[Features]) -> bool:
    """Say whether columns can be one batch: of the same features, of rows of tokens that are not packed."""
    first = columns[0]
    if "cu_seq_lens_q" in first or any(set(column) != set(first) for column in columns):
        return False
    tokens = [first[key] for key in _TOKENS if isinstance(first.get(key), Tensor) and first[key].ndim > 1]
    return bool(tokens) and all(_same_kind(key, [column[key] for column in columns], len(tokens[0])) for key in first)


def _same_kind(key: str, values: Sequence[Any], num_rows: int) -> bool:
    """Say whether a feature has an entry for every row in all columns, or is one and the same in all of them."""
    first = values[0]
    if not all(isinstance(value, Tensor) for value in values):
        return all(isinstance(value, str | int | float | None) and value == first for value in values)
    if key == _OF_THE_BATCH:
        return all(torch.equal(value, first) for value in values)
    if any(value.ndim != first.ndim or value.shape[:1] != (num_rows,) for value in values):
        return False
    # Zeros are padding for tokens and masks, and for nothing else.
    may_pad = not (first.is_floating_point() or first.is_complex())
    fixed = slice(2 if may_pad else 1, None)
    return all(value.shape[fixed] == first.shape[fixed] for value in values)


def _joined(columns: Sequence[Features]) -> Features:
    """Return the features of all columns, one column after the other, tokens padded to the longest row."""
    first = columns[0]
    of_rows = [key for key, value in first.items() if isinstance(value, Tensor) and key != _OF_THE_BATCH]
    return {**first, **{key: _padded([column[key] for column in columns]) for key in of_rows}}


def _padded(values: Sequence[Tensor]) -> Tensor:
    if values[0].ndim == 1:
        return torch.cat([*values])
    widest = max(value.shape[1] for value in values)
    after = [0, 0] * (values[0].ndim - 2)
    return torch.cat([functional.pad(value, [*after, 0, widest - value.shape[1]]) for value in values])
