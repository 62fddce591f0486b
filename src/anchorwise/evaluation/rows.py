"""Embeddings as judges take them: one view, finite, in float32 on a device; classes numbered once for all sets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from anchorwise.embeddings import Embeddings

# n = rows, d = width


@dataclass(frozen=True)
class LabelledRows:
    """Rows on a device, with their classes numbered from 0."""

    rows: Float32[Tensor, "n d"]
    labels: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: Int64[Tensor, " m"]) -> "LabelledRows":
        return LabelledRows(self.rows[indices], self.labels[indices])


def labelled_rows(
    train: Embeddings, test: Embeddings, device: torch.device | str = "cpu"
) -> tuple[LabelledRows, LabelledRows, tuple[str, ...]]:
    """Return rows to fit on and rows to score, and the names of the classes, numbered alike in both.

    Raises:
        ValueError: If labels are missing or all of one class, a row is not finite, or the two sets do not belong
            together.
    """
    check_pair(train, test)
    (fitted, scored), classes = numbered_classes(train, test)
    check_several(fitted)
    if not bool(torch.isin(scored, fitted).any()):
        raise ValueError(
            "a class of the test rows must be one of the training rows, got "
            f"{classes[int(scored[0])]!r}, ... and {classes[int(fitted[0])]!r}, ...; number "
            "the classes of both sets alike"
        )
    first = LabelledRows(judged_rows(train, device), fitted.to(device))
    return first, LabelledRows(judged_rows(test, device), scored.to(device)), classes


def judged_rows(embeddings: Embeddings, device: torch.device | str = "cpu") -> Float32[Tensor, "n d"]:
    """Return the rows of the one view.

    Raises:
        ValueError: If there are two views, or a row is not finite in float32.
    """
    if len(embeddings.views) != 1:
        raise ValueError(f"a judged set must have one view, got {len(embeddings.views)}; give them one at a time")
    return finite_rows(embeddings, device)[0]


def finite_rows(embeddings: Embeddings, device: torch.device | str = "cpu") -> list[Float32[Tensor, "n d"]]:
    """Return the rows of every view.

    Raises:
        ValueError: If a row is not finite in float32.
    """
    views = [_narrow(view, embeddings.split) for view in embeddings.views]
    for view in views:
        check_finite(view, embeddings.split)
    return [view.to(device) for view in views]


def numbered_classes(*parts: Embeddings) -> tuple[list[Int64[Tensor, " n"]], tuple[str, ...]]:
    """Return the labels of each part as numbers from 0, one for each class that there is in any part, and their names.

    Raises:
        ValueError: If a part has no labels, or one has numbers without names where another has words.
    """
    labels = [part.require_labels() for part in parts]
    names = _told_apart(next((tuple(part.class_names) for part in reversed(parts) if part.class_names), ()))
    highest = max((int(values.max()) for values in labels if values.dtype.kind != "U"), default=-1)
    if names and highest >= len(names):
        raise ValueError(f"labels must lie below the {len(names)} class_names of the other set, got {highest}")
    if any(values.dtype.kind == "U" for values in labels):
        labels, names = [_in_words(values, names) for values in labels], ()
    else:
        labels = [values.astype(np.uint64) for values in labels]  # int64 and uint64 together would become float64.
    classes, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    parted = np.split(numbers.astype(np.int64), np.cumsum([len(values) for values in labels])[:-1])
    return [torch.from_numpy(part) for part in parted], tuple(
        names[label] if names else str(label) for label in classes.tolist()
    )


def check_several(labels: Int64[Tensor, " n"]) -> None:
    """Refuse labels of one class only: whatever tells classes apart is always right there."""
    if bool((labels == labels[0]).all()):
        raise ValueError(
            f"labels of training rows must be of two classes or more, got one for all {len(labels)} rows; judge by "
            "what needs no classes: geometry, label_free"
        )


def check_pair(train: Embeddings, test: Embeddings) -> None:
    """Refuse two sets that do not come from one encoder, or a test set too small to be judged."""
    if train.width != test.width:
        raise ValueError(
            f"train and test must have features of the same width, got {train.width} and {test.width}; "
            "both must come from one encoder"
        )
    if len(test) < 2:
        raise ValueError(f"test must have at least two rows, got {len(test)}")
    if train.class_names and test.class_names and train.class_names != test.class_names:
        raise ValueError(
            "train and test must have the same class_names in the same order, "
            f"got {', '.join(train.class_names[:5])}, ... and {', '.join(test.class_names[:5])}, ..."
        )


def numbered_groups(embeddings: Embeddings) -> Int64[Tensor, " n"] | None:
    """Return what rows belong together as numbers from 0; None if each stands for itself."""
    if embeddings.groups is None:
        return None
    return torch.from_numpy(np.unique(embeddings.groups, return_inverse=True)[1].astype(np.int64))


def check_finite(rows: Tensor, split: str = "") -> None:
    """Refuse rows with nan or infinity, and name the part that they are of and the first."""
    finite = torch.isfinite(rows).all(dim=1)
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten().tolist()
        raise ValueError(
            f"{_features(split)} must be finite in float32, got {len(bad)} of {len(rows)} rows with nan or infinity, "
            f"the first is row {bad[0]}; leave such rows out or look at the encoder that made them"
        )


def _told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Return names with their class's number behind those that stand twice, as `crane` does in ImageNet."""
    return tuple(name if names.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(names))


def _in_words(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    if labels.dtype.kind == "U":
        return labels
    if not names:
        raise ValueError("labels must be numbers in all sets or words in all, got both; give class_names for numbers")
    return np.asarray(names)[labels]


def _features(split: str) -> str:
    return f"{split} features" if split else "features"


def _narrow(features: np.ndarray, split: str) -> Float32[Tensor, "n d"]:
    """Return the numbers in float32; refuse what it would call infinite, and rows of which nothing is left."""
    with np.errstate(over="ignore"):
        rows = np.require(features, np.float32, ["C", "W"])
    if features.dtype.itemsize <= 4:
        return torch.from_numpy(rows)
    too_large = np.isfinite(features) & ~np.isfinite(rows)
    too_small = (features != 0) & ~rows.any(axis=-1, keepdims=True)
    lost = features[too_large | too_small]
    if len(lost):
        limits = np.finfo(np.float32)
        raise ValueError(
            f"{_features(split)} must have sizes from {limits.smallest_subnormal:.2g} to {limits.max:.2g}, got "
            f"{lost[0]:g}; multiply the features of all files by one number, which changes no judgement"
        )
    return torch.from_numpy(rows)
