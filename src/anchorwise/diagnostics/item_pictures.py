"""Pictures of items, from files that their names name."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.modalities.images.decode import decode

PICTURE_SIZE_PX = 64


def with_images(embeddings: Embeddings, folder: Path) -> Embeddings:
    """Return the embeddings with the pictures whose file names, relative to `folder`, are the items' names.

    An item whose picture is missing or damaged has none. The names come with the embeddings, perhaps from a stranger,
    and a report is made to be sent on: a name that leads out of the folder is refused.

    Raises:
        ValueError: If the items have no names, a name leads out of the folder, or no name is that of a file there.
    """
    names = [str(name) for name in embeddings.names]
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"the names of the items must lie in {folder}, got {name!r}; name them relative to it")
    if not any((folder / name).is_file() for name in names):
        first = repr(names[0]) if names else "nothing"
        raise ValueError(
            f"the names of the items must be image files in {folder}, got {first}; store them as 'names' in the file"
        )
    return replace(embeddings, image=lambda item: _picture(folder, names[item]))


def _picture(folder: Path, name: str) -> Tensor | None:
    if not (folder / name).is_file():  # A pipe or a device would be waited for.
        return None
    try:
        return torch.from_numpy(decode(name, folder / name, PICTURE_SIZE_PX))
    except Exception:  # Broken files make Pillow raise nearly anything.
        return None
