"""Files to embeddings: `.npy`, `.npz`, `.safetensors`, `.parquet`, with the names that people give their arrays."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anchorwise.data.decode import decode
from anchorwise.diagnostics.embeddings import Embeddings
from anchorwise.evaluation.feature_files import (
    FEATURE_KEYS,
    LABEL_KEYS,
    UNREADABLE,
    pick,
    read_arrays,
    strings,
    whole_numbers,
)

PICTURE_SIZE_PX = 64
ID_KEYS = ("ids", "pair_ids")
PAIRS_OF_KEYS = (("view0", "view1"), ("z0", "z1"))
ACROSS_KEYS = (("image", "text"), ("image_embeddings", "text_embeddings"), ("queries", "documents"))


def load_embeddings(*paths: Path, across: bool = False) -> Embeddings:
    """Read embeddings for `diagnose`.

    A file holds one array of rows (`features`, `embeddings` or `x`, or the only matrix there is) or two
    (`view0` and `view1`, or `image` and `text`), and may hold `labels`, `ids`, `names` and `class_names`.

    Args:
        paths: One file, or two with one view each; what else is known of the items is taken from the first.
        across: As `Embeddings.across`; arrays called image and text have it.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a file is damaged, holds no embeddings, or they are unusable; the message names the file.
    """
    found = [_load(path) for path in paths]
    views = tuple(view for one in found for view in one.views)
    if not paths or len(views) > 2:
        raise ValueError(f"give one file, or two with one view each; got {len(paths)} files with {len(views)} views")
    return replace(found[0], views=views, across=across or found[0].across)


def _load(path: Path) -> Embeddings:
    try:
        return _assemble(read_arrays(path, mapped=True))
    except FileNotFoundError:
        raise
    except (*UNREADABLE, TypeError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from error


def _assemble(arrays: Mapping[str, np.ndarray]) -> Embeddings:
    views, across = _views(arrays)
    labels, ids = pick(arrays, LABEL_KEYS), pick(arrays, ID_KEYS)
    return Embeddings(
        views,
        labels=None if labels is None else whole_numbers("labels", labels),
        ids=None if ids is None else whole_numbers("ids", ids),
        names=strings(arrays.get("names")),
        class_names=strings(arrays.get("class_names")),
        across=across,
    )


def _views(arrays: Mapping[str, np.ndarray]) -> tuple[tuple[np.ndarray, ...], bool]:
    """Return one or two views and whether they come from two encoders."""
    for keys, across in (*((keys, False) for keys in PAIRS_OF_KEYS), *((keys, True) for keys in ACROSS_KEYS)):
        if all(key in arrays for key in keys):
            return tuple(arrays[key] for key in keys), across
    named = pick(arrays, FEATURE_KEYS)
    matrices = [array for array in arrays.values() if array.ndim == 2]
    if named is None and len(matrices) == 1:
        named = matrices[0]
    if named is None:
        raise ValueError(
            f"it must hold one of {', '.join(FEATURE_KEYS)}, or two views called view0 and view1 or image and text, "
            f"got {', '.join(arrays) or 'nothing'}"
        )
    return (named,), False


def with_images(embeddings: Embeddings, folder: Path) -> Embeddings:
    """Return the embeddings with the pictures whose file names, relative to `folder`, are the items' names.

    Raises:
        ValueError: If the items have no names, or the first of them is no file there.
    """
    if not len(embeddings.names) or not (folder / embeddings.names[0]).is_file():
        first = repr(embeddings.names[0]) if len(embeddings.names) else "nothing"
        raise ValueError(
            f"the names of the items must be image files in {folder}, got {first}; store them as 'names' in the file"
        )
    return replace(embeddings, image=lambda item: _picture(folder, str(embeddings.names[item])))


def _picture(folder: Path, name: str) -> Tensor:
    return torch.from_numpy(decode(name, folder / name, PICTURE_SIZE_PX))
