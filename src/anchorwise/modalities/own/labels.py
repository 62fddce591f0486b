"""The labels of somebody's Dataset: given, in an attribute or a column, or beside every item."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.modalities.own.items import LABEL_COLUMNS, named_column

# n = samples

Labels = tuple[Int64[Tensor, " n"] | None, tuple[str, ...]]


def labels_of(dataset: Any, *, given: Any = None, column: str | None = None) -> Labels:
    """Return class numbers and names; None and nothing of a Dataset without labels.

    Args:
        dataset: Map-style. Its `targets`, or the column of a Hugging Face Dataset, spare reading every item.
        given: Labels in the order of the Dataset, which count before its own.
        column: Name of the label's column, of items that have columns.

    Raises:
        ValueError: If labels are not whole numbers from 0, one for each sample.
    """
    if given is not None:  # The names of the Dataset's own classes are not theirs.
        return numbered(given, len(dataset))
    found = _own(dataset, column)
    return (None, ()) if found is None else numbered(found, len(dataset), _class_names(dataset, column))


def grouped(given: Any, num_samples: int) -> Int64[Tensor, " n"] | None:
    """Return the numbers of the groups that samples belong to; None where each stands alone.

    Raises:
        ValueError: If they are not whole numbers, one for each sample.
    """
    if given is None:
        return None
    groups = np.asarray(given.cpu() if isinstance(given, Tensor) else given)
    if groups.dtype.kind not in "iub" or groups.shape != (num_samples,):
        raise ValueError(
            f"groups must be whole numbers, one for each of the {num_samples} samples, got {groups.dtype} of shape "
            f"{groups.shape}; numpy.unique(names, return_inverse=True)[1] numbers names"
        )
    return torch.from_numpy(groups.astype(np.int64))


def numbered(given: Any, num_samples: int, names: Sequence[str] = ()) -> Labels:
    """Return class numbers from 0 without gaps, and what the classes are called.

    Raises:
        ValueError: If labels are not whole numbers from 0, one for each sample.
    """
    array = np.asarray(given.cpu() if isinstance(given, Tensor) else given)
    if array.dtype.kind not in "iu" or array.shape != (num_samples,) or array.min() < 0:
        raise ValueError(
            f"labels must be whole numbers from 0, one for each of the {num_samples} samples, got "
            f"{_words(array)}; number the classes, leave samples without one out, or give no labels"
        )
    if names and array.max() < len(names):
        return torch.from_numpy(array.astype(np.int64)), tuple(map(str, names))
    values, numbers = np.unique(array, return_inverse=True)
    return torch.from_numpy(numbers.astype(np.int64)), tuple(map(str, values.tolist()))


def _own(dataset: Any, column: str | None) -> Any:
    if hasattr(dataset, "column_names"):  # A Hugging Face Dataset.
        there = tuple(dataset.column_names)
        if column is None and not set(LABEL_COLUMNS) & set(there):
            return None
        name = named_column("label_column", column, there, LABEL_COLUMNS)
        try:
            return list(dataset[name])  # As its own transform gives them.
        except KeyError:  # It leaves them out, or makes images of what this column has not.
            return list(dataset.with_format(None)[name])
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):  # torch's Subset.
        inner = _targets(dataset.dataset)
        return _beside(dataset, column) if inner is None else [inner[index] for index in dataset.indices]
    targets = _targets(dataset)
    return targets if targets is not None else _beside(dataset, column)


def _targets(dataset: Any) -> Any:
    """Return what torchvision's data sets call `targets`."""
    targets = getattr(dataset, "targets", None)
    if targets is None or len(targets) != len(dataset):
        return None
    change = getattr(dataset, "target_transform", None)
    return targets if change is None else [change(_plain(target)) for target in targets]


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, Tensor | np.generic) and label.ndim == 0 else label


def _beside(dataset: Any, column: str | None) -> list[Any] | None:
    """Return the label beside every item, which reads them all; None where the first has none."""
    first = dataset[0]
    if isinstance(first, Mapping):
        if column is None and not set(LABEL_COLUMNS) & set(first):
            return None
        key: Any = named_column("label_column", column, tuple(first), LABEL_COLUMNS)
    elif isinstance(first, tuple | list) and len(first) > 1:
        key = 1
    else:
        return None
    return [_plain(dataset[index][key]) for index in range(len(dataset))]


def _class_names(dataset: Any, column: str | None) -> Sequence[str]:
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        usual = next((name for name in LABEL_COLUMNS if name in features), None)
        return getattr(features.get(column or usual), "names", None) or ()
    inner = getattr(dataset, "dataset", dataset)
    names = getattr(inner, "classes", ()) if getattr(inner, "target_transform", None) is None else ()
    return names if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) else ()


def _words(array: np.ndarray) -> str:
    if array.ndim == 1 and array.dtype.kind in "iu" and array.size and array.min() < 0:
        return f"{array.min()} among them"
    return f"{array.dtype} of shape {array.shape}" + (f", such as {array.flat[0].item()!r}" if array.size else "")
