"""Embeddings as a map: items on a plane, with their pictures and what is next to them among all that are drawn.

A plane keeps little of a space with many directions: what is near on the map may be far in the space, and the other way
round. So the neighbours are those of the space.
"""

from math import ceil, sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise._extras import is_installed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.neighbors import nearest
from anchorwise.pairs import unit_rows
from anchorwise.reporting.pictures import sheet_uri
from anchorwise.reporting.point_map import Dot, Pictures, PointMap

# n = items on the map, d = width

MOST_ITEMS = 1000  # More dots hide each other, and their pictures make a heavy page.
NUM_NEAR = 5
_LIES = "Beside a dot stand those nearest to it in the whole space, among the {num_items:,} that are drawn."


def embedding_maps(embeddings: Embeddings, *, of: str = "", kept: np.ndarray | None = None) -> list[PointMap]:
    """Return the first view of items on planes: principal components, and UMAP where umap-learn is installed.

    Args:
        embeddings: Whatever their length, the rows are compared by direction.
        of: What the rows are, for the titles.
        kept: Items that may be drawn, by number; all if left out. Of more than 1,000 some are chosen at random, the
            same each time.

    Raises:
        ValueError: If there are fewer than three items.
    """
    items = np.arange(len(embeddings)) if kept is None else kept
    if len(items) < 3:
        raise ValueError(f"a map needs at least 3 items, got {len(items)}")
    if len(items) > MOST_ITEMS:
        items = np.sort(np.random.default_rng(0).choice(items, MOST_ITEMS, replace=False))
    rows = unit_rows(torch.from_numpy(np.array(embeddings.views[0][items], np.float64))).float()
    near, pictures = _near(rows), _pictures(embeddings, items)
    words = [embeddings.class_name(int(item)) for item in items]
    groups = sorted(set(words), key=_natural)
    number = {name: place for place, name in enumerate(groups)}
    maps = []
    for name, places, says in _planes(rows):
        dots = [
            Dot(x, y, embeddings.name(int(item)), number[word], beside)
            for (x, y), item, word, beside in zip(places.tolist(), items, words, near, strict=True)
        ]
        caption = f"{says} {_LIES.format(num_items=len(items))}"
        maps.append(PointMap(f"{of}: {name}" if of else name, dots, groups, f"map: {name}", caption, pictures))
    return maps


def _planes(rows: Float[Tensor, "n d"]) -> list[tuple[str, np.ndarray, str]]:
    """Return name, places in the unit square and a word on each plane."""
    centred = rows - rows.mean(dim=0)
    left, spread, right = torch.linalg.svd(centred, full_matrices=False)
    # Which way a component points is arbitrary; its largest entry is made positive, so that a map stays as it is.
    signs = right.gather(1, right.abs().argmax(dim=1, keepdim=True)).squeeze(1).sign()
    places = torch.zeros(len(rows), 2)
    components = (left * spread * signs)[:, :2]
    places[:, : components.shape[1]] = components
    share = float(spread[:2].square().sum() / spread.square().sum().clamp_min(torch.finfo(spread.dtype).tiny))
    planes = [("Two principal components", _in_square(places.numpy()), f"They hold {share:.0%} of the variance.")]
    if is_installed("umap"):
        planes.append(("UMAP", _in_square(_umap(rows.numpy())), "Distances between groups mean little."))
    return planes


def _umap(rows: np.ndarray) -> np.ndarray:
    from umap import UMAP  # pyright: ignore[reportMissingImports]

    # With a seed it works in one thread, and warns unless it is told so.
    drawn = UMAP(metric="cosine", n_neighbors=min(15, len(rows) - 1), random_state=0, n_jobs=1)
    return np.asarray(drawn.fit_transform(rows))


def _in_square(places: np.ndarray) -> np.ndarray:
    """Return places moved and scaled, alike along both axes, into the unit square."""
    low, high = places.min(axis=0), places.max(axis=0)
    length = max(float((high - low).max()), np.finfo(np.float32).tiny)
    return 0.5 + (places - (low + high) / 2) / length


def _near(rows: Float[Tensor, "n d"]) -> list[list[tuple[int, float]]]:
    found: list[list[tuple[int, float]]] = []
    for part in nearest(rows, rows, num_neighbors=min(NUM_NEAR, len(rows) - 1), exclude_self=True):
        for numbers, cosines in zip(part.indices.tolist(), part.cosines.tolist(), strict=True):
            found.append(list(zip(numbers, cosines, strict=True)))
    return found


def _pictures(embeddings: Embeddings, items: np.ndarray) -> Pictures | None:
    image = embeddings.image
    shown = [] if image is None else [image(int(item)) for item in items]
    if all(each is None for each in shown):
        return None
    columns = ceil(sqrt(len(items)))
    return Pictures(sheet_uri(shown, columns=columns), columns, ceil(len(items) / columns))


def _natural(name: str) -> tuple[bool, float, str]:
    """Return a key that sorts numbers as numbers, before words."""
    return (False, float(name), "") if name.isdecimal() else (True, 0.0, name)
