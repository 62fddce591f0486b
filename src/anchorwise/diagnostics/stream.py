"""Exact tails of sampled anchors over all keys, in one pass over the keys and with memory for one chunk of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64

from anchorwise.diagnostics.exceedances import HISTOGRAM_EDGES
from anchorwise.diagnostics.rows import Rows
from anchorwise.links import MIN_SHORTFALL

# a = anchors, k = keys in a chunk, t = tail points, m = pooled scores, p = pairs

CHUNK_KEYS = 1 << 14
CHUNK_ANCHORS = 512
MAX_POOLED = 1_000_000  # Pooled scores that are kept: 16 MiB with their anchors.
MAX_DUPLICATES = 20_000_000  # Pairs: 400 MB.


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of an anchor and a key.

    Attributes:
        anchors: Positions among the sampled anchors.
        keys: Rows.
        scores: Cosines.
    """

    anchors: Int64[np.ndarray, " p"]
    keys: Int64[np.ndarray, " p"]
    scores: Float32[np.ndarray, " p"]


@dataclass(frozen=True, eq=False)
class Tails:
    """The hardest negatives of sampled anchors.

    Attributes:
        anchors: Rows that were sampled.
        scores: The largest cosines of every anchor's negatives, falling; exact duplicates are left out.
        keys: Rows that these belong to.
        pooled: The largest cosines of all sampled anchors together, falling.
        num_negatives: Pairs of a sampled anchor and a negative, duplicates left out.
        duplicates: Negatives whose cosine is within 1e-6 of 1.
        positives: Rows of the anchor's own item, itself left out.
        histogram: Counts of all negatives' cosines in the bins of `HISTOGRAM_EDGES`.
    """

    anchors: Int64[np.ndarray, " a"]
    scores: Float32[np.ndarray, "a t"]
    keys: Int64[np.ndarray, "a t"]
    pooled: Pairs
    num_negatives: int
    duplicates: Pairs
    positives: Pairs
    histogram: Int64[np.ndarray, " b"]


def sampled_anchors(rows: Rows, num_anchors: int, rng: np.random.Generator) -> Int64[np.ndarray, " a"]:
    """Return `num_anchors` different rows in random order, or all rows where there are fewer."""
    return rng.permutation(len(rows))[:num_anchors].astype(np.int64)


def stream_tails(
    rows: Rows,
    anchors: Int64[np.ndarray, " a"],
    *,
    num_tail: int,
    progress: Callable[[float], None] = lambda share: None,
) -> Tails:
    """Return the tails of the anchors over all keys that can be their negatives.

    Args:
        rows: Where anchors and keys are.
        anchors: Rows.
        num_tail: Scores kept of every anchor.
        progress: Called with the share of the work that is done, in (0, 1].

    Raises:
        ValueError: If so many negatives are exact duplicates of their anchors that there is no tail to read.
    """
    num_tail = min(num_tail, rows.num_items - 1)
    collector = _Collector(rows, anchors, num_tail)
    chunks = [(view, start) for view in range(rows.num_views) for start in range(0, rows.num_items, CHUNK_KEYS)]
    for done, (view, start) in enumerate(chunks, start=1):
        collector.add(view, start, min(start + CHUNK_KEYS, rows.num_items))
        progress(done / len(chunks))
    tails = collector.tails()
    _check_duplicates(len(tails.duplicates.scores), is_all=tails.num_negatives == 0)
    return tails


def _check_duplicates(num_duplicates: int, *, is_all: bool = False) -> None:
    if is_all or num_duplicates > MAX_DUPLICATES:
        raise ValueError(
            f"embeddings must differ, got {num_duplicates:,} negatives that equal their anchors"
            f"{', which are all of them' if is_all else ''}; the encoder collapsed, or rows are there many times: "
            "leave out the repeated ones"
        )


class _Collector:
    """What has been seen of the keys so far."""

    def __init__(self, rows: Rows, anchors: np.ndarray, num_tail: int) -> None:
        self.rows, self.anchors = rows, anchors
        self.units = rows.units(anchors)
        self.views, self.groups = anchors // rows.num_items, rows.groups[anchors % rows.num_items]
        self.best = np.full((len(anchors), num_tail), -np.inf, np.float32)
        self.best_keys = np.full((len(anchors), num_tail), -1, np.int64)
        self.pool, self.bound = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))], -np.inf
        self.duplicates, self.positives, self.num_duplicates = list(self.pool), list(self.pool), 0
        self.histogram = np.zeros(len(HISTOGRAM_EDGES) - 1, np.int64)

    def add(self, view: int, start: int, stop: int) -> None:
        """Look at the keys `start` to `stop` of a view."""
        keys = self.rows.chunk(view, start, stop)
        first_key = view * self.rows.num_items + start
        across = self.rows.embeddings.across
        chosen = np.flatnonzero(self.views != view) if across else np.arange(len(self.anchors))
        for first in range(0, len(chosen), CHUNK_ANCHORS):
            here = chosen[first : first + CHUNK_ANCHORS]
            scores = (torch.from_numpy(self.units[here]) @ torch.from_numpy(keys).T).numpy()
            self._set_apart(scores, here, self.rows.groups[start:stop], first_key)
            self._merge(scores, here, first_key)

    def _set_apart(self, scores: np.ndarray, here: np.ndarray, key_groups: np.ndarray, first_key: int) -> None:
        """Move positives and duplicates to lists of their own; what is left counts as negatives."""
        same = np.nonzero(self.groups[here, None] == key_groups)
        itself = self.anchors[here[same[0]]] == same[1] + first_key
        self.positives.append(_listed(scores, here, first_key, *(index[~itself] for index in same)))
        scores[same] = -np.inf
        equal = _where_above(scores, 1.0 - MIN_SHORTFALL)
        self.duplicates.append(_listed(scores, here, first_key, *equal))
        self.num_duplicates += len(equal[0])
        _check_duplicates(self.num_duplicates)
        scores[equal] = -np.inf

    def _merge(self, scores: np.ndarray, here: np.ndarray, first_key: int) -> None:
        self.histogram += torch.histc(torch.from_numpy(scores), len(self.histogram), -1.0, 1.0).numpy().astype(np.int64)
        self.pool.append(_listed(scores, here, first_key, *_where_above(scores, self.bound)))
        if sum(len(part[0]) for part in self.pool) > 2 * MAX_POOLED:
            self._cut_pool()
        num_tail = self.best.shape[1]
        both = np.concatenate([self.best[here], scores], axis=1)
        top = np.argpartition(both, -num_tail, axis=1)[:, -num_tail:]
        of_chunk = first_key + top - num_tail
        self.best_keys[here] = np.where(
            top < num_tail, np.take_along_axis(self.best_keys[here], np.minimum(top, num_tail - 1), axis=1), of_chunk
        )
        self.best[here] = np.take_along_axis(both, top, axis=1)

    def _cut_pool(self) -> None:
        anchors, keys, scores = (np.concatenate(parts) for parts in zip(*self.pool, strict=True))
        if len(scores) > MAX_POOLED:
            top = np.argpartition(scores, -MAX_POOLED)[-MAX_POOLED:]
            anchors, keys, scores = anchors[top], keys[top], scores[top]
            self.bound = float(scores.min())
        self.pool = [(anchors, keys, scores)]

    def tails(self) -> Tails:
        """Return what was seen, sorted."""
        self._cut_pool()
        order = np.argsort(-self.best, axis=1, kind="stable")
        by_score = np.argsort(-self.pool[0][2], kind="stable")
        return Tails(
            anchors=self.anchors,
            scores=np.take_along_axis(self.best, order, axis=1),
            keys=np.take_along_axis(self.best_keys, order, axis=1),
            pooled=Pairs(*(part[by_score] for part in self.pool[0])),
            num_negatives=int(self.histogram.sum()),
            duplicates=_joined(self.duplicates),
            positives=_joined(self.positives),
            histogram=self.histogram,
        )


def _where_above(scores: np.ndarray, bound: float) -> tuple[np.ndarray, np.ndarray]:
    # Flat positions are found seven times faster than pairs of them.
    rows, columns = np.divmod(np.flatnonzero(scores > bound), scores.shape[1])
    return rows, columns


def _listed(
    scores: np.ndarray, here: np.ndarray, first_key: int, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return here[rows], first_key + columns, scores[rows, columns]


def _joined(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Pairs:
    return Pairs(*(np.concatenate(part) for part in zip(*parts, strict=True)))
