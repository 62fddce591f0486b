"""What each sampled anchor's tail says, and which of its neighbours are no true negatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float

from anchorwise.diagnostics.goodness import exponential_p_values
from anchorwise.diagnostics.rows import Rows
from anchorwise.diagnostics.stream import Tails
from anchorwise.tails import likelihood_evidence
from anchorwise.tails.exponential_law import none_beyond
from anchorwise.tails.rows import MIN_EXCEEDANCES

# a = anchors, t = tail points, u = tail points without the threshold

Kind = Literal["exact duplicate", "likely duplicate", "same class", "nearer than its own other view", ""]
NUM_SHOWN = 12
NUM_NEIGHBORS = 5
OUTLIER_LEVEL = 0.01  # Chance that any anchor of the sample is called an outlier without being one.


@dataclass(frozen=True, eq=False)
class AnchorReadings:
    """Numbers of every sampled anchor; not numbers where its tail allows none.

    Attributes:
        exponent: Hill's exponent of the shortfall law.
        hardest_score: Cosine of the hardest negative that is no exact duplicate.
        delta_aic: AIC of the exponential law minus AIC of the shortfall law; above 0 the shortfall law is likelier.
        p_value: How often the exponential law gives a larger one.
        shortfall_p_value: How often a sample of the shortfall law, fitted anew, is as far from its fit.
        exponential_p_value: The same of the exponential law.
        is_outlier: Whether the hardest negative is nearer than the rest of the anchor's tail explains.
    """

    exponent: Float[np.ndarray, " a"]
    hardest_score: Float[np.ndarray, " a"]
    delta_aic: Float[np.ndarray, " a"]
    p_value: Float[np.ndarray, " a"]
    shortfall_p_value: Float[np.ndarray, " a"]
    exponential_p_value: Float[np.ndarray, " a"]
    is_outlier: Bool[np.ndarray, " a"]

    @property
    def converged(self) -> Bool[np.ndarray, " a"]:
        """Which anchors have a statement."""
        return np.isfinite(self.p_value)


@dataclass(frozen=True)
class NearNeighbor:
    """A negative of an anchor.

    Attributes:
        row: Which it is.
        name: Of its item.
        label: Class; empty if unknown.
        score: Cosine with the anchor.
        kind: What it probably is; empty for a negative like any other.
    """

    row: int
    name: str
    label: str
    score: float
    kind: Kind


@dataclass(frozen=True)
class NearAnchor:
    """An anchor near the cap, with its hardest negatives, hardest first."""

    row: int
    name: str
    label: str
    neighbors: Sequence[NearNeighbor]


def read_anchors(tails: Tails, rng: np.random.Generator) -> AnchorReadings:
    """Return what every anchor's tail says; `rng` simulates tails."""
    scores, num_tail = torch.from_numpy(tails.scores), tails.scores.shape[1] - 1
    evidence = likelihood_evidence(scores, num_tail=num_tail)
    usable = evidence.converged
    return AnchorReadings(
        exponent=evidence.exponent.masked_fill(~usable, torch.nan).numpy(),
        hardest_score=tails.scores[:, 0],
        delta_aic=evidence.delta_aic.masked_fill(~usable, torch.nan).numpy(),
        p_value=evidence.pvalue.masked_fill(~usable, torch.nan).numpy(),
        shortfall_p_value=_goodness(_log_ratios(tails.scores), usable.numpy(), rng),
        exponential_p_value=_goodness(tails.scores[:, :-1] - tails.scores[:, -1:], usable.numpy(), rng),
        is_outlier=_outliers(tails.scores),
    )


def _goodness(
    values: Float[np.ndarray, "a u"], usable: Bool[np.ndarray, " a"], rng: np.random.Generator
) -> Float[np.ndarray, " a"]:
    p_values = np.full(len(usable), np.nan)
    if usable.any():
        p_values[usable] = exponential_p_values(values[usable].astype(np.float64), rng)
    return p_values


def same_class_share(rows: Rows, tails: Tails) -> Float[np.ndarray, " t"] | None:
    """Return by rank the share of hardest negatives that have the anchor's class; None without labels."""
    if rows.labels is None:
        return None
    labels, found = rows.labels, np.isfinite(tails.scores)
    same = labels[tails.keys % rows.num_items] == labels[tails.anchors % rows.num_items][:, None]
    return (same & found).sum(axis=0) / np.maximum(found.sum(axis=0), 1)


def nearest_to_cap(rows: Rows, tails: Tails, readings: AnchorReadings) -> list[NearAnchor]:
    """Return the anchors with the hardest negatives, those with exact duplicates first; no pair of items twice."""
    num_duplicates = np.bincount(tails.duplicates.anchors, minlength=len(tails.anchors))
    order = np.lexsort((-readings.hardest_score, -np.minimum(num_duplicates, 1)))
    positive = np.full(len(tails.anchors), np.inf)
    np.minimum.at(positive, tails.positives.anchors, tails.positives.scores)
    found = dict[frozenset[int], NearAnchor]()
    for index in order.tolist():
        row = int(tails.anchors[index])
        neighbors = _neighbors(rows, tails, index, bool(readings.is_outlier[index]), float(positive[index]))
        # Two rows that are each other's hardest negative are shown once.
        pair = frozenset(one % rows.num_items for one in (row, *(near.row for near in neighbors[:1])))
        found.setdefault(pair, NearAnchor(row, rows.name(row), rows.label_name(row), neighbors))
        if len(found) == NUM_SHOWN:
            break
    return list(found.values())


def _neighbors(rows: Rows, tails: Tails, index: int, is_outlier: bool, positive: float) -> list[NearNeighbor]:
    exact = tails.duplicates.anchors == index
    keys = np.r_[tails.duplicates.keys[exact], tails.keys[index]]
    scores = np.r_[tails.duplicates.scores[exact], tails.scores[index]]
    num_exact, label, found = int(exact.sum()), rows.label_name(int(tails.anchors[index])), list[NearNeighbor]()
    for rank, (key, score) in enumerate(zip(keys[:NUM_NEIGHBORS].tolist(), scores.tolist(), strict=False)):
        if key < 0:
            break
        kind: Kind = ""
        if rank < num_exact:
            kind = "exact duplicate"
        elif rank == num_exact and is_outlier:
            kind = "likely duplicate"
        elif label and rows.label_name(key) == label:
            kind = "same class"
        elif score > positive:
            kind = "nearer than its own other view"
        found.append(NearNeighbor(key, rows.name(key), rows.label_name(key), score, kind))
    return found


def _outliers(scores: Float[np.ndarray, "a t"]) -> Bool[np.ndarray, " a"]:
    """Say which hardest negatives do not belong to their anchor's tail.

    Under the shortfall law the logarithms of threshold shortfall over shortfall are exponential, whatever the exponent,
    so the largest over their mean has a known distribution (Fisher 1929). The level is divided among the anchors.
    """
    log_ratios = torch.from_numpy(_log_ratios(scores))
    num_points = (log_ratios > 0.0).sum(dim=1).double()  # What is tied with the threshold is no tail.
    ratio = num_points * log_ratios[:, 0] / log_ratios.sum(dim=1)
    usable = ratio.isfinite() & (num_points >= MIN_EXCEEDANCES)
    is_outlier = torch.zeros_like(usable)
    is_outlier[usable] = 1.0 - none_beyond(num_points[usable], ratio[usable]) < OUTLIER_LEVEL / len(ratio)
    return is_outlier.numpy()


def _log_ratios(scores: Float[np.ndarray, "a t"]) -> Float[np.ndarray, "a u"]:
    """Return the logarithms of threshold shortfall over shortfall; the last score is the threshold."""
    shortfalls = 1.0 - scores.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.log(shortfalls[:, -1:] / shortfalls[:, :-1])
