"""Mean and standard deviation of the scores of every row, without gradient."""

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise._precision import full_precision
from anchorwise.engine.backend import backend_for
from anchorwise.engine.calls import checked, scores_at, sum_rows
from anchorwise.engine.dense import Dense
from anchorwise.engine.request import Sum
from anchorwise.links import Moment
from anchorwise.pairs import Contrast

# a = anchors


@torch.no_grad()
def moment_rows(contrast: Contrast) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    """Return mean and standard deviation of every row's scores that count; both 0 where none does.

    They are read off the scores where these are in memory, and off the first two moments of the keys, without a pass
    over the scores, where every row leaves out the same number of known ones.
    """
    contrast = checked(contrast)
    backend = backend_for(Sum(contrast, Moment(1)))
    if isinstance(backend, Dense) and contrast.weight is None:
        return backend.moment_rows(contrast)
    mean, variance = _of_scores(contrast) if contrast.num_excluded is None else _of_keys(contrast)
    return mean, variance.sqrt()


def _of_scores(contrast: Contrast) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    number = sum_rows(contrast, Moment(0)).clamp_min(1.0)
    mean = sum_rows(contrast, Moment(1)) / number
    return mean, sum_rows(contrast, Moment(2, mean)) / number


def _of_keys(contrast: Contrast) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    anchors, keys, excluded_keys = contrast.anchors, contrast.keys, contrast.excluded_keys
    number = max(len(keys) - excluded_keys.shape[1], 1)
    centre = keys.mean(dim=0)
    centred = keys - centre
    with full_precision(anchors.device):
        mean_of_all = anchors @ centre
        squares_of_all = ((anchors @ (centred.T @ centred)) * anchors).sum(dim=1)
    # All scores, less the mean of all: a collapsed batch does not cancel, and those that count add up to minus the
    # excluded ones.
    excluded = scores_at(contrast, excluded_keys) - mean_of_all.unsqueeze(1)
    shift = excluded.sum(dim=1) / number
    variance = torch.addcmul((squares_of_all - excluded.square().sum(dim=1)) / number, shift, shift, value=-1.0)
    return mean_of_all - shift, variance.clamp_min_(0.0)
