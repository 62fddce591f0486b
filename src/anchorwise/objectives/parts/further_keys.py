"""Keys of all anchors beside the views' own rows: hard negatives, rows of a queue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anchorwise import _tensor_checks
from anchorwise._ranks import gather_rows
from anchorwise.pairs import EMPTY_SLOT, Contrast, SameId, Views, numbered, unit_rows
from anchorwise.pairs.rows import stacked

# n = samples, d = embedding width, k = further keys


@dataclass(frozen=True)
class FurtherKeys:
    """Keys of all anchors beside the views'.

    Attributes:
        rows: Unit rows.
        ids: The samples they come from; None where they are of none of the batch.
        empty: Which of them are not there; None where all are.
        own_log_weight: Logarithm of what a sample's own among them count for; number j is the own one of sample j
            modulo the number of samples.
    """

    rows: Float[Tensor, "k d"]
    ids: Int[Tensor, " k"] | None = None
    empty: Bool[Tensor, " k"] | None = None
    own_log_weight: float = 0.0


def hard_keys(
    given: object, views: Views, view: Float[Tensor, "n d"], *, own_log_weight: float = 0.0
) -> list[FurtherKeys]:
    """Return the hard negatives of the samples of all ranks: one entry, or none where none are given.

    Args:
        given: Rows of a hard negative of every sample, of a second one, and so on; or None.
        views: Of the samples of all ranks.
        view: Rows of this rank's samples, beside which they are looked at.
        own_log_weight: Logarithm of what an anchor's own count for.

    Raises:
        ValueError: If there are none, or they differ from the view in shape or device.
        TypeError: If they are no tensors, or not floating.
    """
    if given is None:
        return []
    number = len(given) if isinstance(given, Sequence) else 1
    if number == 0:
        raise ValueError("hard_negatives must be rows of one hard negative of every sample at least, got none")
    of_each = _tensor_checks.views_beside("hard_negatives", given, [view] * number)
    rows = gather_rows(unit_rows(stacked(of_each, dim=1)).to(views.units))
    return [FurtherKeys(rows.transpose(0, 1).flatten(0, 1), own_log_weight=own_log_weight)]


def queued_keys(rows: Float[Tensor, "k d"], ids: Int[Tensor, " k"] | None) -> Float[Tensor, "k d"]:
    """Return the unit rows of a queue without gradient; with ids, its empty slots are rows of zeros.

    What memory held before may be no number, and weights of 0 would not keep gradients finite.
    """
    return rows.detach() if ids is None else rows.detach().masked_fill((ids == EMPTY_SLOT).unsqueeze(1), 0.0)


def with_further(contrast: Contrast, further: Sequence[FurtherKeys]) -> Contrast:
    """Contrast anchors with further rows too.

    Args:
        contrast: Whose only exclusion is that of a sample's own rows.
        further: Behind its keys. Positives that begin anew behind the last key are none of the result's.
    """
    if not further:
        return contrast
    (own,), named = contrast.exclude, [keys.ids for keys in further if keys.ids is not None]
    sides = [own.anchor_ids, own.key_ids, *named]
    # Numbers are from 0, so that -1 is of no sample of the batch, whatever the samples are called.
    of_anchors, of_keys, *of_named = numbered(torch.cat(sides)).split([len(ids) for ids in sides])
    numbers = [of_keys]
    for keys in further:
        numbers.append(of_keys.new_full((len(keys.rows),), -1) if keys.ids is None else of_named.pop(0))
    exclude = [SameId(of_anchors, torch.cat(numbers))]
    if any(keys.empty is not None for keys in further):
        slots = [of_keys.new_ones(len(keys.rows)) if keys.empty is None else 1 - keys.empty.long() for keys in further]
        exclude.append(SameId(torch.zeros_like(of_anchors), torch.cat([torch.ones_like(of_keys), *slots])))
    begins_anew = contrast.first_positive is not None and len(contrast.positive_diagonals) > 1
    return replace(
        contrast,
        keys=torch.cat([contrast.keys, *(keys.rows for keys in further)]),
        exclude=tuple(exclude),
        num_excluded=None if named or len(exclude) > 1 else contrast.num_excluded,
        first_positive=None if begins_anew else contrast.first_positive,
    )
