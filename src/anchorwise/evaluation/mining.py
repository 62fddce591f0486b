"""Hard negatives found by an encoder: what is near a sample and does not belong to it.

The search is exact, in tiles of the engine. Settings are those of sentence-transformers' mine_hard_negatives; a margin
keeps out what is so near that it may belong to the sample after all (de Souza Moreira et al. 2024, "NV-Retriever",
https://arxiv.org/abs/2407.15831).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise import _checks, engine
from anchorwise.evaluation.partners import Pairs
from anchorwise.pairs import Contrast, SameId

# n = samples, h = hard negatives of each

_BESIDE_MARGIN = 3  # Times as many are looked at as are wanted, where some may fall to a margin.


@dataclass(frozen=True)
class Mining:
    """Which of the nearest others are hard negatives.

    Attributes:
        num_negatives: Of every sample.
        range_min: Nearest others that are passed over.
        range_max: Nearest others that are looked at, those passed over among them; as many as are needed if None, three
            times as many where something may be refused.
        max_score: Highest cosine; None for any.
        absolute_margin: How far a cosine must be below that of the sample's own; None for any.
        relative_margin: Share of the own cosine by which it must be below it; None for any.

    Raises:
        ValueError: If a number is out of its range.
    """

    num_negatives: int = 1
    range_min: int = 0
    range_max: int | None = None
    max_score: float | None = None
    absolute_margin: float | None = None
    relative_margin: float | None = None

    def __post_init__(self) -> None:
        _checks.count("num_negatives", self.num_negatives)
        _checks.at_least("range_min", self.range_min, 0)
        if self.range_max is not None and self.range_max < self.range_min + self.num_negatives:
            raise ValueError(
                f"range_max must be at least range_min + num_negatives = {self.range_min + self.num_negatives}, got "
                f"{self.range_max}"
            )
        for name in ("max_score", "absolute_margin", "relative_margin"):
            if (value := getattr(self, name)) is not None:
                _checks.number(name, value)

    @property
    def num_looked_at(self) -> int:
        """Nearest others that are looked at."""
        if self.range_max is not None:
            return self.range_max
        refuses = any(each is not None for each in (self.max_score, self.absolute_margin, self.relative_margin))
        return self.range_min + self.num_negatives * (_BESIDE_MARGIN if refuses else 1)

    def allowed(self, scores: Float[Tensor, "n t"], own: Float[Tensor, " n"]) -> Tensor:
        """Return which cosines a hard negative may have, beside those of the samples' own."""
        own = own.unsqueeze(1)
        is_allowed = scores > -torch.inf
        if self.max_score is not None:
            is_allowed &= scores <= self.max_score
        if self.absolute_margin is not None:
            is_allowed &= scores <= own - self.absolute_margin
        if self.relative_margin is not None:
            is_allowed &= scores <= own - self.relative_margin * own.abs()
        return is_allowed


@dataclass(frozen=True)
class Mined:
    """What was found.

    Attributes:
        negatives: Numbers of rows of `Pairs.second` for every sample, nearest first; -1 where there are too few.
        num_refused: Nearest others that fell to a highest score or a margin.
    """

    negatives: Int64[Tensor, "n h"]
    num_refused: int

    @property
    def is_whole(self) -> Tensor:
        """Which samples have all their hard negatives."""
        return (self.negatives >= 0).all(dim=1)


def mine(
    pairs: Pairs,
    groups: Int64[Tensor, " n"] | None,
    settings: Mining,
    *,
    same: Int64[Tensor, " k"] | None = None,
) -> Mined:
    """Return hard negatives among what belongs to the other samples.

    Args:
        pairs: One partner for each sample.
        groups: Samples of one number are no negatives of each other; None if each stands alone.
        settings: Which of the nearest count.
        same: Rows of `Pairs.second` of one number are one text, of which the first that is found counts alone.

    Raises:
        ValueError: If more are looked at than there are others.
    """
    ids = torch.arange(len(pairs.first)) if groups is None else groups
    ids = ids.to(pairs.first.device)
    if settings.num_looked_at >= len(pairs.second):
        raise ValueError(
            f"{settings.num_looked_at} nearest others are looked at, and there are {len(pairs.second) - 1}; set "
            "range_max or num_negatives lower"
        )
    contrast = Contrast(pairs.first, pairs.second, exclude=(SameId(ids, ids[pairs.of]),))
    nearest = engine.tail_rows(contrast, settings.num_looked_at)
    scores, keys = nearest.scores[:, settings.range_min :], nearest.keys[:, settings.range_min :]
    is_allowed = settings.allowed(scores, pairs.scores())
    refused = int(((scores > -torch.inf) & ~is_allowed).sum())
    if same is not None:
        of = same.to(keys.device)[keys]
        is_allowed &= ~(of.unsqueeze(2) == of.unsqueeze(1)).tril(-1).any(dim=2)
    # Those that may be, in their order, then the others.
    order = is_allowed.logical_not().to(torch.int8).argsort(dim=1, stable=True)[:, : settings.num_negatives]
    chosen = keys.gather(1, order).masked_fill(~is_allowed.gather(1, order), -1)
    return Mined(chosen, refused)
