"""Are near-equal samples on both sides of a split by chance? Then accuracy while training says nothing of new ones."""

import re
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.evaluation.duplicates import NEAR_COSINE, nearest_thumbnails
from anchorwise.modalities.samples import Samples
from anchorwise.modalities.selection import held_out

# n = samples

NOTABLE_SHARE = 0.05
_MOST, _MOST_QUERIES = 10_000, 1_000
_NUMBERED = re.compile(r"(.+)([_\-. ])\d+(\.\w+)?$")


@dataclass(frozen=True)
class NearDuplicates:
    """Near-equal samples on both sides of a split by chance.

    Attributes:
        share: Of the samples on one side, those that have a near-equal one on the other, in [0, 1].
        names: One of them, and the one that is near it.
        pattern: A `data.group_pattern` that would keep them together; None where names give none away.
    """

    share: float
    names: tuple[str, str]
    pattern: str | None

    def __str__(self) -> str:
        first, second = self.names
        way_out = "" if self.pattern is None else f", for instance data.group_pattern='{self.pattern}'"
        return (
            f"{self.share:.0%} of the samples have a near-equal one, such as {first} and {second}: accuracy on "
            "validation parts, while training and when settings are chosen, is too high where a split parts them. If "
            f"they show one thing, data.group_pattern says what belongs together{way_out}"
        )


def near_duplicates(samples: Samples) -> NearDuplicates | None:
    """Look for near-equal samples across a split by chance; None where they are few, or nothing is known of them."""
    if samples.groups is not None:
        return None
    chosen = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))[:_MOST]
    is_query = held_out(torch.zeros(len(chosen)).long(), 0.2, seed=0)
    queries, others = chosen[is_query][:_MOST_QUERIES], chosen[~is_query]
    nearest = nearest_thumbnails(samples, queries, samples, others)
    if nearest is None:
        return None
    is_near = nearest.cosines > NEAR_COSINE
    share = float(is_near.double().mean())
    if share < NOTABLE_SHARE:
        return None
    pairs = _names(samples, queries[is_near], others[nearest.indices[is_near]])
    return NearDuplicates(share, pairs[0], _pattern(pairs))


def _names(samples: Samples, first: Int64[Tensor, " n"], second: Int64[Tensor, " n"]) -> list[tuple[str, str]]:
    return [
        (samples.name_of(one), samples.name_of(other))
        for one, other in zip(first.tolist(), second.tolist(), strict=True)
    ]


def _pattern(pairs: list[tuple[str, str]]) -> str | None:
    """Return the pattern of names such as `track_photo.jpg`, where near-equal samples mostly share the track."""
    found = [(_NUMBERED.match(one), _NUMBERED.match(other)) for one, other in pairs]
    shared = [one[2] for one, other in found if one is not None and other is not None and one[1] == other[1]]
    return f"(.+){re.escape(shared[0])}" if len(shared) > len(pairs) / 2 else None
