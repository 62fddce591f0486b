"""Objectives that keep something about every sample."""

from functools import partial

import torch
from torch import Tensor

from anchorwise import FastCLIP, ISogCLR, KoLeo, SogCLR, Triplet
from tests.contracts.cases.case import Call, Case, cosines, one_view, three_views
from tests.contracts.cases.two_view import BLEND
from tests.twins import global_loss


def _numbered(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), per_sample={"ids": (7 * torch.arange(len(view0))) % 29})


def _numbered_and_tempered(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), _numbered(view0, view1).per_sample, learned={"logit_scale": view0.new_tensor(5.0)})


def _negatives(view0: Tensor, view1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    rows, num_samples = torch.cat([view0, view1]), len(view0)
    scores, index = cosines(rows, rows), torch.arange(len(rows))
    others = index.unsqueeze(0) % num_samples != index.unsqueeze(1) % num_samples
    return scores, others, scores[index, (index + num_samples) % len(rows)]


def _sog_clr_gradient(view0: Tensor, view1: Tensor, ids: Tensor) -> Tensor:
    """The source's: sum over negatives of sg(e^(s/t) / (number u)) s - s_positive, at a first visit."""
    scores, others, positives = _negatives(view0, view1)
    exponentials = (scores / 0.1).exp() * others
    shares = (exponentials / exponentials.sum(dim=1, keepdim=True)).detach()
    return ((shares * scores).sum(dim=1) - positives).mean()


def _tempered_gradient(view0: Tensor, view1: Tensor, ids: Tensor, logit_scale: Tensor) -> Tensor:
    """At a first visit u is the batch's own mean, and the gradient that of temperature (log mean + rho) - s."""
    scores, others, positives = _negatives(view0, view1)
    means = ((scores * logit_scale).exp() * others).sum(dim=1) / (len(scores) - 2)
    return (1 / logit_scale * (means.log() + 1.5) - positives).mean()


def _i_sog_clr_gradient(view0: Tensor, view1: Tensor, ids: Tensor) -> Tensor:
    scores, others, positives = _negatives(view0, view1)
    tau = global_loss.STORED
    return (tau * (((scores - positives.unsqueeze(1)) / tau).exp() * others).sum(dim=1).log()).mean()


def _fast_clip_gradient(
    view0: Tensor, view1: Tensor, ids: Tensor, logit_scale: float | Tensor = 1 / 0.07, rho: float = 6.5
) -> Tensor:
    scores, itself = cosines(view0, view1), torch.eye(len(view0), dtype=torch.bool)
    sides = []
    for side in (scores, scores.T):
        shifted = ((side - side.diagonal().unsqueeze(1)) * logit_scale).exp().masked_fill(itself, 0.0)
        sides.append(1 / logit_scale * ((shifted.sum(dim=1) / (len(side) - 1)).log() + rho))
    return torch.cat(sides).mean()


CASES = [
    Case(
        "sog_clr",
        SogCLR,
        global_loss.sog_clr,
        given={"num_samples": 30},
        others={"num_samples": None, "temperature": 0.2, "gamma": None, "rho": 0.3, **BLEND},
        call=_numbered,
        single_sample="refused",
        surrogate=_sog_clr_gradient,
    ),
    Case(
        "sog_clr-learned",
        SogCLR,
        partial(global_loss.sog_clr, rho=1.5),
        given={"num_samples": 30, "rho": 1.5},
        call=_numbered_and_tempered,
        single_sample="refused",
        surrogate=_tempered_gradient,
    ),
    Case(
        "sog_clr-cold",
        SogCLR,
        partial(global_loss.sog_clr, temperature=0.005),
        given={"num_samples": 30, "temperature": 0.005},
        call=_numbered,
        single_sample="refused",
        surrogate=lambda view0, view1, ids: _cold(view0, view1),
    ),
    Case(
        "fast_clip",
        FastCLIP,
        global_loss.fast_clip,
        given={"num_samples": 30},
        others={"num_samples": None, "temperature": 0.2, "gamma": None, "rho": 0.3, **BLEND},
        call=_numbered,
        single_sample="refused",
        surrogate=_fast_clip_gradient,
    ),
    Case(
        "fast_clip-learned",
        FastCLIP,
        partial(global_loss.fast_clip, rho=1.5),
        given={"num_samples": 30, "rho": 1.5},
        call=_numbered_and_tempered,
        single_sample="refused",
        surrogate=partial(_fast_clip_gradient, rho=1.5),
    ),
    Case(
        "i_sog_clr",
        ISogCLR,
        global_loss.i_sog_clr,
        given={"num_samples": 30},
        others={
            "num_samples": None,
            "temperature": 0.2,
            "temperature_range": None,
            "rho": 0.3,
            "gamma": None,
            "beta": None,
            "eta": None,
        },
        call=_numbered,
        single_sample="refused",
        surrogate=_i_sog_clr_gradient,
        cold={"temperature": 0.005, "temperature_range": (0.005, 0.7)},
    ),
    Case("ko_leo", KoLeo, global_loss.ko_leo, single_sample="finite", singular=True),
    Case("ko_leo-one_view", KoLeo, global_loss.ko_leo, call=one_view, single_sample="finite", singular=True),
    Case(
        "triplet",
        Triplet,
        global_loss.triplet,
        others={"margin": 0.5, "both": False, "normalise": False},
        call=three_views,
        symmetric=False,
        single_sample="finite",
    ),
    Case(
        "triplet-lengths",
        Triplet,
        partial(global_loss.triplet, normalise=False),
        given={"normalise": False},
        call=three_views,
        symmetric=False,
        scale_free=False,
        single_sample="finite",
    ),
]


def _cold(view0: Tensor, view1: Tensor) -> Tensor:
    scores, others, positives = _negatives(view0, view1)
    logits = (scores / 0.005).masked_fill(~others, -torch.inf)
    return (0.005 * logits.logsumexp(dim=1) - positives).mean()
