"""Files and objects to embeddings, with the names that people give their arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from anchorwise import _files
from anchorwise.embeddings.arrays import as_array, as_classes
from anchorwise.embeddings.embeddings import VIEW_NAMES, Embeddings
from anchorwise.embeddings.stored import Stored, check_suffix, stored_arrays, stored_values

ROW_KEYS = ("features", "feature", "embeddings", "embedding", "emb", "x", "X", "arr_0")
LABEL_KEYS = ("labels", "label", "y", "targets", "target")
ID_KEYS = ("ids", "pair_ids")
GROUP_KEYS = ("groups", "group")
TEXT_KEYS = ("names", "class_names", "split")
PAIRS_OF_KEYS = (VIEW_NAMES[1], ("z0", "z1"))
ACROSS_KEYS = (("image", "text"), ("image_embeddings", "text_embeddings"), ("queries", "documents"))

RowsLike: TypeAlias = np.ndarray | Tensor | Sequence[Any]
Given: TypeAlias = Embeddings | RowsLike | Mapping[str, Any] | str | PathLike[str]


def load_embeddings(*paths: Path | str, across: bool = False) -> Embeddings:
    """Read embeddings, anyone's.

    A file holds one array of rows (`features`, `embedding`, `x`, `arr_0`, ..., or the only matrix there is) or two
    (`view0` and `view1`, or `image` and `text`), and may hold `labels`, `ids`, `groups`, `names`, `class_names` and
    `split`. Only these are read; `Embeddings.notes` names the others.

    Args:
        paths: One file, or two with one view each; what both know of the items has to be the same.
        across: As `Embeddings.across`; arrays called image and text have it.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a file is damaged, holds no embeddings, or they are unusable; the message names the file.
    """
    found = [_load(Path(path)) for path in paths]
    views = tuple(view for one in found for view in one.views)
    if not paths or len(views) > 2:
        raise ValueError(f"give one file, or two with one view each; got {len(paths)} files with {len(views)} views")
    known = {name: _of_both(name, found) for name in ("labels", "ids", "groups", "names", "class_names")}
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    return replace(found[0], **known, views=views, across=across or found[0].across, notes=notes)


def _of_both(name: str, found: Sequence[Embeddings]) -> Any:
    """Return what the first file that knows it knows of the items; files that say different things are of others."""
    given = [value for one in found if (value := getattr(one, name)) is not None and len(value)]
    # Pictures and texts of the same items may well have names of their own.
    if name in ("labels", "ids", "groups") and any(not np.array_equal(value, given[0]) for value in given[1:]):
        raise ValueError(
            f"row i of both files must come from item i, got other {name} in the second one; sort them alike"
        )
    return given[0] if given else getattr(found[0], name)


def as_embeddings(
    given: Given, *, labels: RowsLike | None = None, pairs: RowsLike | None = None, across: bool = False
) -> Embeddings:
    """Return what somebody has in hand as embeddings.

    Args:
        given: Rows as array, tensor (of any dtype and device, with or without a gradient) or lists, shape (items,
            width); a file (`load_embeddings`); columns by name, as data sets of Hugging Face give them; or embeddings.
        labels: Class of every row, whole numbers or text; where `given` has labels too, these replace them.
        pairs: The second view of every row, in the same form and order as the first.
        across: The views come from two encoders (`Embeddings.across`).

    Raises:
        FileNotFoundError: If the file is not there.
        TypeError: If `given` is none of these.
        ValueError: If the parts do not fit together.
    """
    embeddings = _as_embeddings(given)
    views = embeddings.views if pairs is None else (*embeddings.views, as_array("pairs", pairs))
    own = embeddings.labels if labels is None else as_classes("labels", as_array("labels", labels))
    class_names = embeddings.class_names if labels is None else ()
    return replace(embeddings, views=views, labels=own, class_names=class_names, across=across or embeddings.across)


def _as_embeddings(given: Given) -> Embeddings:
    if isinstance(given, Embeddings):
        return given
    if isinstance(given, str | PathLike):
        return load_embeddings(Path(given))
    if isinstance(given, Mapping):
        return _assemble(stored_values(given))
    return Embeddings((as_array("the embeddings", given),))


def _load(path: Path) -> Embeddings:
    if not path.suffix and not path.exists():
        raise FileNotFoundError(f"{path} is neither a file nor a folder")
    check_suffix(path)
    with _files.reading(path):
        return _assemble(stored_arrays(path))


def _assemble(stored: Mapping[str, Stored]) -> Embeddings:
    view_keys, across = _view_keys(stored)
    label_key, id_key, group_key = (_only_one(stored, keys) for keys in (LABEL_KEYS, ID_KEYS, GROUP_KEYS))
    texts, notes = _texts(stored)
    used = {*view_keys, label_key, id_key, group_key, *TEXT_KEYS}
    if unused := [key for key in stored if key not in used]:
        notes.append(f"Arrays not used: {', '.join(unused)}.")
    return Embeddings(
        tuple(stored[key].read() for key in view_keys),
        labels=None if label_key is None else as_classes("labels", stored[label_key].read()),
        ids=None if id_key is None else as_classes("ids", stored[id_key].read()),
        groups=None if group_key is None else as_classes("groups", stored[group_key].read()),
        names=texts.get("names", ()),
        class_names=texts.get("class_names", ()),
        split="".join(texts.get("split", ())),
        across=across,
        notes=tuple(notes),
    )


def _view_keys(stored: Mapping[str, Stored]) -> tuple[tuple[str, ...], bool]:
    """Return the names of one or two views and whether they come from two encoders."""
    for keys, across in (*((keys, False) for keys in PAIRS_OF_KEYS), *((keys, True) for keys in ACROSS_KEYS)):
        if all(key in stored and stored[key].is_matrix for key in keys):
            return keys, across
    named = _only_one(stored, ROW_KEYS)
    matrices = [key for key, array in stored.items() if array.is_matrix]
    if named is None and len(matrices) == 1:
        named = matrices[0]
    if named is None:
        raise ValueError(
            f"it must hold one of {', '.join(ROW_KEYS)}, or two views called view0 and view1 or image and text, "
            f"got {', '.join(stored) or 'nothing'}"
        )
    return (named,), False


def _only_one(stored: Mapping[str, Stored], keys: tuple[str, ...]) -> str | None:
    """Return the one name among `keys` that is there; None if there is none."""
    found = [key for key in keys if key in stored]
    if len(found) > 1:
        raise ValueError(f"it must hold only one of {', '.join(keys)}, got {' and '.join(found)}")
    return found[0] if found else None


def _texts(stored: Mapping[str, Stored]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the texts that can be read, and a sentence on each that cannot: nothing is computed from them."""
    found, notes = dict[str, tuple[str, ...]](), list[str]()
    for key in TEXT_KEYS:
        if key not in stored:
            continue
        try:
            found[key] = tuple(map(str, np.atleast_1d(stored[key].read()).tolist()))
        except Exception as error:
            notes.append(f"{key} cannot be read and is left out ({type(error).__name__}).")
    return found, notes
