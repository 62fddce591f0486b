"""Feature rows of a set of images, and the files they are kept in.

A file is ours or anyone's (`anchorwise.evaluation.feature_files`): the features may be called `features`, `embeddings`
or `x`, the labels `labels`, `y` or `targets`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from safetensors.numpy import save_file
from torch import Tensor

from anchorwise import _checks, _files
from anchorwise.evaluation.feature_files import (
    FEATURE_KEYS,
    LABEL_KEYS,
    SUFFIXES,
    UNREADABLE,
    pick,
    read_arrays,
    strings,
    text,
    whole_numbers,
)

# n = images, d = feature width, m = chosen images


@dataclass(frozen=True, eq=False)
class Features:
    """One row per image.

    Attributes:
        features: Finite float32 of shape (images, width).
        labels: Class of every row, int64 from 0; None if unlabelled.
        names: Name of every row; the row numbers if left out.
        class_names: Name of every class; may be left out.
        split: The part of the data set the rows come from, such as `train`; may be empty.

    Raises:
        ValueError: If the parts do not fit together, or a row is not finite.
    """

    features: Float32[Tensor, "n d"]
    labels: Int64[Tensor, " n"] | None = None
    names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    split: str = ""

    def __post_init__(self) -> None:
        check_rows(self.features)
        if not self.names:
            object.__setattr__(self, "names", tuple(map(str, range(len(self.features)))))
        if len(self.names) != len(self.features):
            raise ValueError(f"names must name each of the {len(self.features)} rows once, got {len(self.names)}")
        if self.labels is not None:
            _check_labels(self.labels, len(self.features), len(self.class_names))

    def __len__(self) -> int:
        return len(self.features)

    def require_labels(self) -> Int64[Tensor, " n"]:
        """Return the labels.

        Raises:
            ValueError: If there are none.
        """
        if self.labels is None:
            which = f"the {self.split} features" if self.split else "the features"
            raise ValueError(
                f"{which} must have labels to be judged, got none; store one whole number per row as 'labels'"
            )
        return self.labels

    def subset(self, indices: Int64[Tensor, " m"]) -> "Features":
        """Return the rows at `indices`, in that order."""
        return replace(
            self,
            features=self.features[indices],
            labels=None if self.labels is None else self.labels[indices],
            names=tuple(self.names[i] for i in indices.tolist()),
        )

    def to(self, device: torch.device | str) -> "Features":
        """Return the same rows on another device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, features=self.features.to(device), labels=labels)

    def save(self, path: Path) -> None:
        """Write `path`, whole or not at all, as its suffix says: `.npz` or `.safetensors`.

        Raises:
            ValueError: If the suffix is another.
        """
        _checks.one_of("the suffix of a feature file to write", path.suffix, SUFFIXES[:2])
        arrays: dict[str, Any] = {"features": self.features.cpu().contiguous().numpy()}
        if self.labels is not None:
            arrays["labels"] = self.labels.cpu().contiguous().numpy()
        with _files.replacing(path) as temporary:
            if path.suffix == ".npz":
                texts = {"names": text(self.names), "class_names": text(self.class_names), "split": self.split}
                np.savez(temporary, **arrays, **texts)
            else:
                metadata = {"names": json.dumps(self.names), "class_names": json.dumps(self.class_names)}
                save_file(arrays, temporary, metadata={**metadata, "split": self.split})


def load_features(path: Path) -> Features:
    """Read a feature file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, holds no features, or they are unusable; the message names the file.
    """
    _checks.one_of(f"the suffix of {path}", path.suffix, SUFFIXES)
    try:
        return _assemble(read_arrays(path))
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be used: {error}") from error


def _assemble(arrays: Mapping[str, np.ndarray]) -> Features:
    features = pick(arrays, FEATURE_KEYS)
    if features is None:
        raise ValueError(f"it must hold one of {', '.join(FEATURE_KEYS)}, got {', '.join(arrays) or 'nothing'}")
    if features.dtype.kind not in "fiu":
        raise ValueError(f"features must be numbers, got {features.dtype}")
    labels = pick(arrays, LABEL_KEYS)
    return Features(
        _narrow(features),
        None if labels is None else torch.from_numpy(whole_numbers("labels", labels)),
        names=strings(arrays.get("names")),
        class_names=strings(arrays.get("class_names")),
        split=str(arrays.get("split", "")),
    )


def _narrow(features: np.ndarray) -> Float32[Tensor, "n d"]:
    """Return the numbers in float32; refuse what it would call infinite, and rows of which nothing is left."""
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(features, dtype=np.float32)
    too_large = np.isfinite(features) & ~np.isfinite(rows)
    too_small = (features != 0) & ~rows.any(axis=-1, keepdims=True)
    lost = features[too_large | too_small]
    if len(lost):
        limits = np.finfo(np.float32)
        raise ValueError(
            f"features must have sizes from {limits.smallest_subnormal:.2g} to {limits.max:.2g}, got {lost[0]:g}; "
            "multiply the features of all files by one number, which changes no judgement"
        )
    return torch.from_numpy(rows)


def check_rows(features: Tensor) -> None:
    """Refuse what is not a non-empty matrix of finite numbers."""
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            f"features must have shape (images, width), both at least 1, got {tuple(features.shape)}; "
            "flatten or pool the other axes first"
        )
    finite = torch.isfinite(features).all(dim=1)
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten().tolist()
        raise ValueError(
            f"features must be finite in float32, got {len(bad)} of {len(features)} rows with nan or infinity, "
            f"the first is row {bad[0]}; leave such rows out or look at the encoder that made them"
        )


def _check_labels(labels: Tensor, num_rows: int, num_class_names: int) -> None:
    if labels.shape != (num_rows,):
        raise ValueError(f"labels must have one whole number per row, shape ({num_rows},), got {tuple(labels.shape)}")
    if int(labels.min()) < 0:
        raise ValueError(f"labels must be whole numbers from 0, got {int(labels.min())}; leave unlabelled rows out")
    if num_class_names and int(labels.max()) >= num_class_names:
        raise ValueError(f"labels must lie below the {num_class_names} class_names, got {int(labels.max())}")
