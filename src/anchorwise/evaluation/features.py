"""Feature rows of a set of images, and the files they are kept in.

A file is `.npz`, `.safetensors`, or `.npy` (features alone), ours or anyone's: the features may be called `features`,
`embeddings` or `x`, the labels `labels`, `y` or `targets`. Nothing in a file is ever unpickled.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from anchorwise import _checks, _files

# n = images, d = feature width, m = chosen images

FEATURE_KEYS = ("features", "embeddings", "x")
LABEL_KEYS = ("labels", "y", "targets")
SUFFIXES = (".npz", ".safetensors", ".npy")


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
                texts = {"names": _text(self.names), "class_names": _text(self.class_names), "split": self.split}
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
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; write one with `anchorwise embed`")
    read = {".npz": _read_npz, ".npy": _read_npy, ".safetensors": _read_safetensors}[path.suffix]
    try:
        return _assemble(read(path))
    except (ValueError, OSError, SafetensorError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be used: {error}") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    # Opened here, because numpy leaves a damaged file open.
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as handle:
        return {"features": np.load(handle, allow_pickle=False)}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    # Through torch, because numpy has no bfloat16.
    with safe_open(path, framework="pt") as file:
        arrays = {key: _to_numpy(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118 - not a mapping
        metadata = file.metadata() or {}
    for key in ("names", "class_names"):
        if key in metadata:
            arrays[key] = _text(json.loads(metadata[key]))
    return arrays | {"split": np.asarray(metadata.get("split", ""))}


def _assemble(arrays: Mapping[str, np.ndarray]) -> Features:
    features = _pick(arrays, FEATURE_KEYS)
    if features is None:
        raise ValueError(f"it must hold one of {', '.join(FEATURE_KEYS)}, got {', '.join(arrays) or 'nothing'}")
    if features.dtype.kind not in "fiu":
        raise ValueError(f"features must be numbers, got {features.dtype}")
    labels = _pick(arrays, LABEL_KEYS)
    with np.errstate(over="ignore"):  # What float32 cannot hold becomes infinite and is refused as such.
        rows = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
    return Features(
        rows,
        None if labels is None else _whole_numbers(labels),
        names=_strings(arrays.get("names")),
        class_names=_strings(arrays.get("class_names")),
        split=str(arrays.get("split", "")),
    )


def _whole_numbers(labels: np.ndarray) -> Tensor:
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers, got {labels.dtype}; number the classes from 0")
    return torch.from_numpy(labels.astype(np.int64))


def _pick(arrays: Mapping[str, np.ndarray], keys: tuple[str, ...]) -> np.ndarray | None:
    found = [key for key in keys if key in arrays]
    if len(found) > 1:
        raise ValueError(f"it must hold only one of {', '.join(keys)}, got {' and '.join(found)}")
    return arrays[found[0]] if found else None


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def _text(strings: tuple[str, ...] | list[str]) -> np.ndarray:
    return np.asarray(strings, dtype=np.str_)


def _strings(array: np.ndarray | None) -> tuple[str, ...]:
    return () if array is None else tuple(map(str, array.tolist()))


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
