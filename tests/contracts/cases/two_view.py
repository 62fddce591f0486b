"""Two views, sums of exponentials: cross-view, cross-modal, queue, decoupled, reweighted."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from anchorwise import (
    ADNCE,
    CLIP,
    DCL,
    DCLW,
    DHEL,
    HCL,
    ArctanhInfoNCE,
    AsymmetricInfoNCE,
    Blend,
    ConstantGate,
    CrossViewInfoNCE,
    GISTEmbed,
    MoCo,
    MoCoV3,
    SigLIP,
)
from tests.contracts.cases.case import Call, Case, cosines, with_hard_negatives, with_ids, with_keys
from tests.twins import two_view
from tests.twins.core import Rows

HALF = Blend(gate=ConstantGate(0.5), exponent=3.0)
BLEND = {"blend": HALF}


def _scaled(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), learned={"logit_scale": view0.new_tensor(4.0)})


def _scaled_and_shifted(view0: Tensor, view1: Tensor) -> Call:
    learned = {"logit_scale": view0.new_tensor(4.0), "logit_bias": view0.new_tensor(-2.0)}
    return Call((view0, view1), learned=learned)


def _queue(width: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(17, width, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(dtype)


def _queued(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), shared={"queue": _queue(view0.shape[1], view0.dtype)})


def _half_filled(view0: Tensor, view1: Tensor) -> Call:
    held = torch.arange(17) - 1
    held[8:] = -1
    shared = {"queue": _queue(view0.shape[1], view0.dtype), "queue_ids": held}
    return Call((view0, view1), per_sample={"ids": torch.arange(len(view0)) % 9}, shared=shared)


def _with_hard_ones(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), shared={"negatives": _queue(view0.shape[1], view0.dtype)})


def _with_hard_ones_and_a_queue(view0: Tensor, view1: Tensor) -> Call:
    call = _half_filled(view0, view1)
    hard = {"negatives": -_queue(view0.shape[1], view0.dtype)[:5], "negative_ids": torch.tensor([3, -1, 2, 99, 3])}
    return replace(call, shared={**call.shared, **hard})


def _guided(view0: Tensor, view1: Tensor) -> Call:
    # A guide of its own mind and width, which finds some pairs less alike than others.
    guides = (view0[:, :-1] + view1.roll(1, dims=1)[:, :-1], view1[:, 1:] - 0.4 * view0[:, 1:])
    return Call((view0, view1), per_sample={"guides": guides})


def _guided_with_ids(view0: Tensor, view1: Tensor) -> Call:
    call, named = _guided(view0, view1), with_ids(view0, view1)
    return replace(call, per_sample={**call.per_sample, **named.per_sample})


def _weighed(view0: Tensor, view1: Tensor) -> Call:
    # Not the same in both directions.
    samples = torch.arange(len(view0))
    weights = ((samples.unsqueeze(1) + 2 * samples) % 5 - 2.0).to(view0.dtype)
    return Call((view0, view1), per_pair={"log_weights": weights})


def _clip(view0: Rows, view1: Rows, logit_scale: float) -> list[float]:
    return two_view.cross_view(view0, view1, lambda s: s * logit_scale)


def _siglip(view0: Rows, view1: Rows, logit_scale: float, logit_bias: float) -> list[float]:
    return two_view.siglip(view0, view1, logit_scale, logit_bias)


def _moco(view0: Rows, view1: Rows, queue: Rows) -> list[float]:
    return two_view.moco(view0, view1, queue, two_view.scaled(0.07), lambda i, k: True)


def _moco_held(
    view0: Rows, view1: Rows, ids: list[int], queue: Rows, queue_ids: list[int], logit: two_view.Logit
) -> list[float]:
    return two_view.moco(view0, view1, queue, logit, lambda i, k: queue_ids[k] not in (-1, ids[i]))


def _cross_view_further(
    view0: Rows, view1: Rows, ids: list[int], logit: two_view.Logit, **further: list[Any]
) -> list[float]:
    there = [k for k, name in enumerate(further["queue_ids"]) if name != -1]
    rows = [*further["negatives"], *(further["queue"][k] for k in there)]
    names = [*further["negative_ids"], *(further["queue_ids"][k] for k in there)]
    return two_view.cross_view(view0, view1, logit, negatives=rows, ids=ids, negative_ids=names)


def _adnce_gradient(view0: Tensor, view1: Tensor) -> Tensor:
    rows, num_samples = torch.cat([view0, view1]), len(view0)
    scores, index = cosines(rows, rows), torch.arange(len(rows))
    others = index.unsqueeze(0) % num_samples != index.unsqueeze(1) % num_samples
    weights = (torch.exp(-((scores - 0.7) ** 2) / (2 * 0.5**2)) * others).detach()
    weights = weights / (weights.sum(dim=1, keepdim=True) / (len(rows) - 2))
    positives = (scores[index, (index + num_samples) % len(rows)] / 0.4).exp()
    return -(positives / (positives + (weights * (scores / 0.4).exp()).sum(dim=1))).log().mean()


def _asymmetric_gradient(view0: Tensor, view1: Tensor) -> Tensor:
    rows, num_samples = torch.cat([view0, view1]), len(view0)
    to_keys, to_anchors = cosines(view0.detach(), rows), cosines(view0, rows.detach())
    logits = (0.2 * to_keys + 0.8 * to_anchors) / 0.5
    index = torch.arange(num_samples)
    logits = logits.masked_fill(torch.nn.functional.one_hot(index, 2 * num_samples).bool(), -math.inf)
    return torch.nn.functional.cross_entropy(logits, index + num_samples)


def _asymmetric_hard_gradient(
    view0: Tensor,
    view1: Tensor,
    *,
    alpha: float = 0.2,
    temperature: float = 0.5,
    weight: float = 2.0,
    prior: float = 0.12,
    beta: float = 1.0,
) -> Tensor:
    rows, num_samples = torch.cat([view0, view1]), len(view0)
    to_keys, to_anchors = cosines(view0.detach(), rows), cosines(view0, rows.detach())
    logits, index = (alpha * to_keys + (1 - alpha) * to_anchors) / temperature, torch.arange(num_samples)
    negatives = logits[torch.arange(2 * num_samples).remainder(num_samples) != index.unsqueeze(1)].view(num_samples, -1)
    importance = (beta * negatives).exp()
    hard = (importance * negatives.exp()).sum(dim=1) / importance.mean(dim=1)
    pull, number = logits[index, index + num_samples].exp(), negatives.shape[1]
    hard = ((hard - prior * number * pull) / (1 - prior)).clamp_min(number * math.exp(-1 / temperature))
    return -(weight * pull / (weight * pull + hard)).log().mean()


MIXED = two_view.mixed(0.5, 0.07, 3.0)

CASES = [
    Case(
        "cross_view",
        CrossViewInfoNCE,
        partial(two_view.cross_view, logit=two_view.scaled(0.07)),
        others={"temperature": 0.2, "both_directions": False, "hard_negative_log_weight": None, **BLEND},
    ),
    Case(
        "cross_view-one",
        CrossViewInfoNCE,
        partial(two_view.cross_view, logit=two_view.scaled(0.005), both=False),
        given={"temperature": 0.005, "both_directions": False},
        symmetric=False,
    ),
    Case(
        "cross_view-further",
        CrossViewInfoNCE,
        partial(two_view.cross_view, logit=MIXED),
        given=BLEND,
        call=_with_hard_ones,
        single_sample="finite",
    ),
    Case(
        "cross_view-own",
        CrossViewInfoNCE,
        partial(two_view.cross_view, logit=MIXED, hard_negative_log_weight=0.7),
        given={"hard_negative_log_weight": 0.7, **BLEND},
        call=with_hard_negatives,
        single_sample="finite",
    ),
    Case(
        "cross_view-queued",
        CrossViewInfoNCE,
        partial(_cross_view_further, logit=MIXED),
        given=BLEND,
        call=_with_hard_ones_and_a_queue,
        single_sample="finite",
    ),
    Case("arctanh", ArctanhInfoNCE, two_view.arctanh, others={"same_view": False}),
    Case(
        "arctanh-cross",
        ArctanhInfoNCE,
        partial(two_view.arctanh, same_view=False),
        given={"same_view": False},
    ),
    Case(
        "clip",
        CLIP,
        partial(two_view.cross_view, logit=two_view.scaled(0.07)),
        others={"temperature": 0.2, "label_smoothing": 0.1, **BLEND},
    ),
    Case(
        "clip-smoothed",
        CLIP,
        partial(two_view.smoothed, logit=MIXED, smoothing=0.1),
        given={"label_smoothing": 0.1, **BLEND},
    ),
    Case(
        "clip-ids",
        CLIP,
        partial(two_view.smoothed, logit=MIXED, smoothing=0.1),
        given={"label_smoothing": 0.1, **BLEND},
        call=with_ids,
    ),
    Case("clip-weights", CLIP, partial(two_view.weighed, logit=two_view.scaled(0.07)), call=_weighed),
    Case("clip-scale", CLIP, _clip, call=_scaled),
    Case("clip-blend", CLIP, partial(two_view.cross_view, logit=MIXED), given=BLEND),
    Case(
        "gist_embed",
        GISTEmbed,
        partial(two_view.gist_embed, logit=two_view.scaled(0.1), margin=0.1),
        given={"temperature": 0.1, "margin": 0.1},
        others={"temperature": 0.3, "margin": 0.4, "margin_kind": "relative", "same_view": False},
        call=_guided,
        symmetric=False,
    ),
    Case(
        "gist_embed-relative",
        GISTEmbed,
        partial(two_view.gist_embed, logit=two_view.scaled(0.1), margin=0.3, relative=True, same_view=False),
        given={"temperature": 0.1, "margin": 0.3, "margin_kind": "relative", "same_view": False},
        call=_guided_with_ids,
        symmetric=False,
    ),
    Case(
        "siglip",
        SigLIP,
        partial(two_view.siglip, scale=10.0, bias=-10.0),
        others={"scale": 5.0, "bias": -2.71},
        single_sample="finite",
    ),
    Case("siglip-learned", SigLIP, _siglip, call=_scaled_and_shifted, single_sample="finite"),
    Case(
        "moco",
        MoCo,
        _moco,
        others={"temperature": 0.2, **BLEND},
        call=_queued,
        symmetric=False,
        single_sample="finite",
        without_gradient=(1,),
    ),
    Case(
        "moco-half_filled",
        MoCo,
        partial(_moco_held, logit=MIXED),
        given=BLEND,
        call=_half_filled,
        symmetric=False,
        single_sample="finite",
        without_gradient=(1,),
    ),
    Case(
        "moco_v3",
        MoCoV3,
        partial(two_view.moco_v3, logit=two_view.scaled(0.2), scale=0.8),
        others={"temperature": 0.5, "source_scale": False, **BLEND},
        call=with_keys,
        symmetric=False,
    ),
    Case(
        "dcl",
        DCL,
        partial(two_view.dcl, logit=two_view.scaled(0.1)),
        others={"temperature": 0.2, **BLEND},
        single_sample="refused",
    ),
    Case(
        "dcl-cold",
        DCL,
        partial(two_view.dcl, logit=two_view.scaled(0.005)),
        {"temperature": 0.005},
        single_sample="refused",
    ),
    Case(
        "dcl-hard_negatives",
        DCL,
        partial(two_view.dcl, logit=MIXED),
        given=BLEND | {"temperature": 0.07},
        call=with_hard_negatives,
        single_sample="refused",
    ),
    Case(
        "dclw",
        DCLW,
        partial(two_view.dclw, logit=two_view.scaled(0.1), sigma=0.5),
        others={"temperature": 0.2, "sigma": 1.0, "detach_weights": True, **BLEND},
        single_sample="refused",
    ),
    Case(
        "dhel",
        DHEL,
        partial(two_view.dhel, logit=two_view.scaled(0.3)),
        others={"temperature": 0.1, "both_views": False, "uniformity_weight": 0.5, **BLEND},
        single_sample="refused",
    ),
    Case(
        "dhel-one",
        DHEL,
        partial(two_view.dhel, logit=two_view.mixed(0.5, 0.005, 3.0), both=False, weight=0.5),
        given={"temperature": 0.005, "both_views": False, "uniformity_weight": 0.5, **BLEND},
        symmetric=False,
        single_sample="refused",
    ),
    Case(
        "hcl",
        HCL,
        partial(two_view.hcl, temperature=0.5, prior=0.1, beta=1.0),
        others={"temperature": 0.2, "positive_prior": 0.3, "beta": 0.5, "detach_weights": True},
    ),
    Case("hcl-ids", HCL, partial(two_view.hcl, temperature=0.5, prior=0.1, beta=1.0), call=with_ids),
    Case(
        "hcl-debiased",
        HCL,
        partial(two_view.hcl, temperature=0.1, prior=0.3, beta=0.0),
        given={"temperature": 0.1, "positive_prior": 0.3, "beta": 0.0},
    ),
    Case(
        "adnce",
        ADNCE,
        partial(two_view.adnce, logit=two_view.scaled(0.4), mu=0.7, sigma=0.5),
        others={"temperature": 0.2, "mu": 0.5, "sigma": 1.0, **BLEND},
        surrogate=_adnce_gradient,
    ),
    Case(
        "asymmetric",
        AsymmetricInfoNCE,
        partial(two_view.asymmetric, temperature=0.5, weight=1.0),
        others={"temperature": 0.2, "alpha": 0.5, "positive_weight": 2.0, "beta": 1.0, "positive_prior": 0.1},
        symmetric=False,
        surrogate=_asymmetric_gradient,
    ),
    Case(
        "asymmetric-hard",
        AsymmetricInfoNCE,
        partial(two_view.asymmetric_hard, temperature=0.5, weight=2.0, prior=0.12, beta=1.0),
        given={"positive_weight": 2.0, "beta": 1.0, "positive_prior": 0.12},
        symmetric=False,
        surrogate=_asymmetric_hard_gradient,
    ),
    Case(
        "asymmetric-debiased",
        AsymmetricInfoNCE,
        partial(two_view.asymmetric_hard, temperature=0.2, weight=1.0, prior=0.3, beta=0.0),
        given={"temperature": 0.2, "positive_prior": 0.3, "alpha": 0.5},
        symmetric=False,
        surrogate=partial(_asymmetric_hard_gradient, alpha=0.5, temperature=0.2, weight=1.0, prior=0.3, beta=0.0),
    ),
]
