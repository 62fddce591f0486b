"""Which entries of a whole score matrix do not count."""

from functools import reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anchorwise.pairs import Contrast

# a = anchors, k = keys


def left_out(contrast: Contrast) -> Bool[Tensor, "a k"]:
    """Return which pairs do not count, for what is to be differentiated; made once."""
    return contrast.once("left_out", lambda: _mask(contrast))


def fill_left_out_(entries: Float[Tensor, "a k"], contrast: Contrast, value: float | Float[Tensor, " a"]) -> Tensor:
    """Return the matrix with other entries where pairs do not count: one number, or one for each anchor; overwrites it.

    Where pairs of one sample follow one another as the rows do, only they are written, in one pass over their few
    entries, and no mask of all pairs is made.
    """
    places = _places_of_one_sample(entries, contrast)
    if places is None:
        gone = left_out(contrast)
        if isinstance(value, Tensor):
            return torch.where(gone, value.unsqueeze(1), entries)
        return entries.masked_fill_(gone, value)
    if isinstance(value, Tensor):
        places.copy_(value.view(len(places), 1, -1))
    else:
        places.fill_(value)
    return entries


def _places_of_one_sample(entries: Tensor, contrast: Contrast) -> Tensor | None:
    """Return the entries of pairs of one sample as a view, by anchors' view, keys' view and sample."""
    if contrast.only is not None or len(contrast.exclude) != 1:
        return None
    period, first = contrast.exclude[0].period, contrast.exclude[0].first_anchor
    num_anchors, num_keys = entries.shape
    if period is None or first != 0 or num_anchors % period or num_keys % period:
        return None
    by_sample = entries.view(num_anchors // period, period, num_keys // period, period)
    return by_sample.diagonal(dim1=1, dim2=3)


def _mask(contrast: Contrast) -> Bool[Tensor, "a k"]:
    masks = [same.anchor_ids.unsqueeze(1) == same.key_ids for same in contrast.exclude]
    if contrast.only is not None:
        masks.append(contrast.only.anchor_ids.unsqueeze(1) != contrast.only.key_ids)
    if not masks:
        shape = (len(contrast.anchors), len(contrast.keys))
        return contrast.anchors.new_zeros(shape, dtype=torch.bool)
    return reduce(torch.logical_or, masks)
