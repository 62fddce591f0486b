"""Positive and negative pairs from labels or from a miner's index lists, as anchors' logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise import _tensor_checks, engine
from anchorwise._precision import log_sum, products
from anchorwise.links import Link, SoftmaxLink
from anchorwise.pairs import Contrast, SameId, unit_rows
from anchorwise.tails import Blend
from anchorwise.tails.blend import read_link

# a = anchors, k = keys, d = embedding width, p = positives of the anchor that has most, q = pairs

IndicesTuple = Sequence[Tensor]


@dataclass(frozen=True)
class Labelled:
    """Anchors and keys as unit rows.

    Attributes:
        anchors: Float32 or float64.
        keys: The same tensor where anchors are compared with each other.
        same_label: The labels of both; None where there are none.
    """

    anchors: Float[Tensor, "a d"]
    keys: Float[Tensor, "k d"]
    same_label: SameId | None

    @property
    def contrast(self) -> Contrast:
        """Anchors against the keys of other labels."""
        if self.same_label is None:
            raise ValueError("blend needs labels, off whose other rows it is read: call loss(embeddings, labels, ...)")
        return Contrast(self.anchors, self.keys, (self.same_label,))


@dataclass(frozen=True)
class Logits:
    """Logits of every anchor's positives, padded, and the logarithm of the sum of its negatives' exponentials."""

    positives: Float[Tensor, "a p"]
    log_negatives: Float[Tensor, " a"]


@dataclass(frozen=True)
class MinedPairs:
    """Which pairs count.

    Attributes:
        positives: Every anchor's positive keys, padded with 0.
        is_positive: Where that is no padding.
        times: How often each mined negative counts, 0 for no negative; None is every key of another label, once.
    """

    positives: Int[Tensor, "a p"]
    is_positive: Bool[Tensor, "a p"]
    times: Int[Tensor, "a k"] | None

    def logits(self, given: Labelled, blend: Blend | None, temperature: float) -> Logits:
        """Return the logits under the softmax link or the blend's."""
        softmax = SoftmaxLink(temperature)
        link = softmax if blend is None else read_link(blend, given.contrast, softmax).link
        positives = link(engine.scores_at(Contrast(given.anchors, given.keys), self.positives))
        return Logits(positives, self._log_negatives(given, link))

    def _log_negatives(self, given: Labelled, link: Link) -> Float[Tensor, " a"]:
        if self.times is None:
            return engine.logsumexp_rows(given.contrast, link)
        # Mined pairs are no id's: a mask of them, which the miner's own matrix of distances outweighs.
        logits = link(products(given.anchors, given.keys))
        return log_sum((logits + self.times.to(logits).log()).masked_fill(self.times == 0, -torch.inf))


def labelled(embeddings: Tensor, labels: Tensor | None, ref_emb: Tensor | None, ref_labels: Tensor | None) -> Labelled:
    """Normalise the rows and put their labels beside them.

    Raises:
        ValueError: If the rows differ in width or device, or labels do not fit them.
        TypeError: If something is no tensor, rows are not floating, or labels are no whole numbers.
    """
    _tensor_checks.rows("embeddings", embeddings)
    anchors = unit_rows(embeddings)
    if labels is not None:
        labels = _classes("labels", labels, embeddings)
    if ref_emb is None:
        return Labelled(anchors, anchors, None if labels is None else SameId(labels, labels))
    _tensor_checks.rows("ref_emb", ref_emb)
    _tensor_checks.alike("embeddings", embeddings, "ref_emb", ref_emb)
    keys = unit_rows(ref_emb).to(anchors)
    if labels is None or ref_labels is None:
        return Labelled(anchors, keys, None)
    return Labelled(anchors, keys, SameId(labels, _classes("ref_labels", ref_labels, ref_emb)))


def _classes(name: str, labels: Tensor, rows: Tensor) -> Tensor:
    return _tensor_checks.class_per_sample(name, _tensor_checks.tensor(name, labels).to(rows.device), rows)


def pairs_of(given: Labelled, indices_tuple: IndicesTuple | None, *, repeats: bool) -> MinedPairs:
    """Return the pairs that a miner chose, or all pairs of equal and of different labels.

    Args:
        given: Rows and labels.
        indices_tuple: What a miner returned; None takes all pairs.
        repeats: Whether a pair that is there several times counts as often, or once.

    Raises:
        ValueError: If there is neither a miner's choice nor labels, or the choice is no pairs or triplets.
    """
    num_anchors, num_keys = len(given.anchors), len(given.keys)
    if indices_tuple is None:
        return MinedPairs(*_padded(*_same_label(given), num_anchors), None)
    if len(indices_tuple) not in (3, 4):
        raise ValueError(f"indices_tuple must be 3 tensors (triplets) or 4 (pairs), got {len(indices_tuple)}")
    lists = [_tensor_checks.tensor(f"indices_tuple[{place}]", indices) for place, indices in enumerate(indices_tuple)]
    of_keys = (1, 3) if len(lists) == 4 else (1, 2)
    lists = [_rows(given, indices, place, place in of_keys) for place, indices in enumerate(lists)]
    anchors, positives, negative_anchors, negatives = lists if len(lists) == 4 else (*lists[:2], lists[0], lists[2])
    attracted, log_negatives = anchors * num_keys + positives, negative_anchors * num_keys + negatives
    attracted = attracted.sort().values if repeats else attracted.unique()
    times = torch.bincount(log_negatives, minlength=num_anchors * num_keys).view(num_anchors, num_keys)
    times = times if repeats else times.clamp_max(1)
    return MinedPairs(*_padded(attracted // num_keys, attracted % num_keys, num_anchors), times)


def _rows(given: Labelled, indices: Tensor, place: int, of_keys: bool) -> Int[Tensor, " q"]:
    """Return the numbers of rows that a miner chose, on the rows' device."""
    name, rows = f"indices_tuple[{place}]", given.keys if of_keys else given.anchors
    # Pairs are laid out by their numbers, which are read in any case: so are wrong ones, wherever they are.
    numbers = _tensor_checks.whole_numbers(name, indices).cpu()
    way_out = "mine the same embeddings and ref_emb as the loss is given"
    return _tensor_checks.places(name, numbers, len(rows), "the last row", way_out).to(rows.device)


def _same_label(given: Labelled) -> tuple[Tensor, Tensor]:
    same = given.same_label
    if same is None:
        raise ValueError(
            "labels must be given (and ref_labels with ref_emb) where no indices_tuple is: loss(embeddings, labels)"
        )
    equal = same.anchor_ids.unsqueeze(1) == same.key_ids
    if given.keys is given.anchors:
        equal.fill_diagonal_(False)
    anchors, keys = equal.nonzero(as_tuple=True)
    return anchors, keys


def _padded(
    anchors: Int[Tensor, " q"], keys: Int[Tensor, " q"], num_anchors: int
) -> tuple[Int[Tensor, "a p"], Bool[Tensor, "a p"]]:
    """Lay out pairs, sorted by anchor, as one row per anchor."""
    counts = torch.bincount(anchors, minlength=num_anchors)
    width = int(counts.max()) if len(anchors) else 0
    place = torch.arange(len(anchors), device=anchors.device) - (counts.cumsum(0) - counts)[anchors]
    padded = torch.zeros(num_anchors, width, dtype=torch.int64, device=anchors.device)
    padded[anchors, place] = keys
    return padded, torch.arange(width, device=anchors.device) < counts.unsqueeze(1)
