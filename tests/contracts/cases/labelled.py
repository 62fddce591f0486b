"""Objectives that know classes."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from anchorwise import NSPT, SepCLR, SimLAP, SupCon, SupReMix
from tests.contracts.cases.case import Call, Case, three_views
from tests.contracts.cases.two_view import BLEND
from tests.twins import labelled
from tests.twins.core import Rows
from tests.twins.two_view import mixed, scaled


def _classes(num_samples: int) -> Tensor:
    # Five classes of uneven sizes and, in a batch of 24, one sample alone in its class.
    return torch.arange(num_samples).remainder(5).masked_fill(torch.arange(num_samples) == 7, 99)


def _with_labels(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), per_sample={"labels": _classes(len(view0))})


def _three_views_with_labels(view0: Tensor, view1: Tensor) -> Call:
    return Call(three_views(view0, view1).views, per_sample={"labels": _classes(len(view0))})


def _masked(view0: Tensor, view1: Tensor) -> Call:
    # Not the same in both directions, of different weights, and nothing for the first sample.
    samples = torch.arange(len(view0))
    mask = ((samples.unsqueeze(1) + 2 * samples) % 5).clamp_max(2).to(view0.dtype)
    return Call((view0, view1), per_pair={"mask": mask.index_fill(0, samples[:1], 0.0)})


def _one_view_with_labels(view0: Tensor, view1: Tensor) -> Call:
    # Made of both, so that both get a gradient.
    return Call((view0 + 0.5 * view1,), per_sample={"labels": _classes(len(view0))})


def _ages(num_samples: int) -> Tensor:
    # Between 0 and 6, several of them twice, one far off.
    return torch.arange(num_samples).remainder(13).div(2.0).masked_fill(torch.arange(num_samples) == 7, 40.0)


def _with_ages(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), per_sample={"labels": _ages(len(view0))})


def _one_view_with_ages(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0 + 0.5 * view1,), per_sample={"labels": _ages(len(view0))})


def _sup_re_mix_gradient(*views: Tensor, labels: Tensor, temperature: float, window: float, share: float) -> Tensor:
    """Every mixture written out as a row without gradient."""
    rows, y = torch.nn.functional.normalize(torch.cat(views), dim=1), labels.to(views[0]).repeat(len(views))
    held, index = rows.detach(), torch.arange(len(rows))
    losses = []
    for i in index:
        scores, others = [(rows @ rows[i])[index != i]], [y[index != i]]
        positives = [scores[0][others[0] == y[i]]]
        far = y != y[i]
        scores.append((share * held[i] + (1 - share) * held[far]) @ rows[i])
        others.append(share * y[i] + (1 - share) * y[far])
        below, above = index[(y < y[i]) & (y > y[i] - window)], index[(y > y[i]) & (y < y[i] + window)]
        j, k = torch.cartesian_prod(below, above).unbind(dim=1)
        part = ((y[k] - y[i]) / (y[k] - y[j])).unsqueeze(1)
        scores.append((part * held[j] + (1 - part) * held[k]) @ rows[i])
        others.append(y[i].expand(len(j)))
        positives.append(scores[-1])
        logits = torch.cat(scores) / temperature + (torch.cat(others) - y[i]).abs().log1p()
        wanted = torch.cat(positives)
        losses.append(logits.logsumexp(dim=0) - wanted.mean() / temperature if len(wanted) else 0.0 * rows.sum())
    return torch.stack(losses).mean()


def _paired(view0: Tensor, view1: Tensor) -> Call:
    labels = _classes(len(view0))
    gates = (view0 + view1.roll(1, dims=0)).detach().sigmoid()
    return Call((view0, view1), {"labels": labels, "partners": labels.roll(2), "gates": gates})


def _paired_and_scaled(view0: Tensor, view1: Tensor) -> Call:
    call = _paired(view0, view1)
    return Call(call.views, call.per_sample, learned={"logit_scale": view0.new_tensor(4.0)})


def _scaled_sim_lap(view0: Rows, view1: Rows, *, logit_scale: float, **given: Any) -> list[float]:
    return labelled.sim_lap(view0, view1, scale=logit_scale, **given)


def _two_heads(view0: Tensor, view1: Tensor) -> Call:
    salients = (0.2 * (view0[:, :3] + 5.0), 0.2 * (view1[:, :3].cos() + 5.0))
    targets = torch.arange(len(view0)).remainder(3).clamp_max(1)
    return Call((view0, view1), {"salients": tuple(rows.detach() for rows in salients), "targets": targets})


def _taught(view0: Tensor, view1: Tensor) -> Call:
    call = _with_labels(view0, view1)
    # Not the student's rows, though of one geometry with them.
    teachers = tuple((0.8 * view + 0.5 * view.roll(1, dims=1)).detach() for view in call.views)
    return Call(call.views, {**call.per_sample, "teachers": teachers})


def _rehearsed(view0: Tensor, view1: Tensor) -> Call:
    call = _taught(view0, view1)
    anchors = torch.arange(len(view0)).remainder(3) == 0
    return Call(call.views, {**call.per_sample, "anchors": anchors}, learned={"logit_scale": view0.new_tensor(4.0)})


def _some_with_labels(view0: Tensor, view1: Tensor) -> Call:
    call = _with_labels(view0, view1)
    counted = torch.arange(len(view0)).remainder(4) > 0
    return Call(call.views, {**call.per_sample, "counted": counted})


CASES = [
    Case(
        "sup_con",
        SupCon,
        partial(labelled.sup_con, logit=scaled(0.1)),
        others={
            "temperature": 0.2,
            "base_temperature": 0.07,
            "average": "inside",
            "only_first_view": True,
            "normalise": False,
            **BLEND,
        },
        call=_with_labels,
    ),
    Case(
        "sup_con-lengths",
        SupCon,
        partial(labelled.sup_con, logit=scaled(2.0), normalise=False),
        given={"temperature": 2.0, "normalise": False},
        call=_three_views_with_labels,
        single_sample="finite",
        scale_free=False,
    ),
    Case(
        "sup_con-counted",
        SupCon,
        partial(labelled.sup_con, logit=scaled(0.2)),
        given={"temperature": 0.2},
        call=_some_with_labels,
    ),
    Case(
        "sup_con-one_view",
        SupCon,
        partial(labelled.sup_con, logit=mixed(0.5, 0.2, 3.0), scale=0.2 / 0.07),
        given={"temperature": 0.2, "base_temperature": 0.07, **BLEND},
        call=_one_view_with_labels,
    ),
    Case(
        "sup_con-inside",
        SupCon,
        partial(labelled.sup_con, logit=mixed(0.5, 0.2, 3.0), average="inside"),
        given={"temperature": 0.2, "average": "inside", **BLEND},
        call=_three_views_with_labels,
        single_sample="finite",
    ),
    Case(
        "sup_con-mask",
        SupCon,
        partial(labelled.sup_con, logit=scaled(0.2), average="none", num_anchor_views=1),
        given={"temperature": 0.2, "average": "none", "only_first_view": True},
        call=_masked,
        symmetric=False,
    ),
    Case(
        "nspt",
        NSPT,
        labelled.nspt,
        others={"temperature": 0.2},
        call=_taught,
        symmetric=False,
        single_sample="finite",
    ),
    Case("nspt-rehearsed", NSPT, labelled.nspt, call=_rehearsed, symmetric=False, single_sample="finite"),
    Case(
        "sup_re_mix",
        SupReMix,
        partial(labelled.sup_re_mix, shares=0.2),
        given={"mixing": 0.2},
        others={"temperature": 0.1, "window": 2.0, "mixing": 0.5},
        call=_with_ages,
        surrogate=partial(_sup_re_mix_gradient, temperature=0.3, window=5.0, share=0.2),
    ),
    Case(
        "sup_re_mix-cold",
        SupReMix,
        partial(labelled.sup_re_mix, shares=0.7, temperature=0.005, window=2.5),
        given={"mixing": 0.7, "temperature": 0.005, "window": 2.5},
        call=_one_view_with_ages,
        surrogate=partial(_sup_re_mix_gradient, temperature=0.005, window=2.5, share=0.7),
    ),
    Case(
        "sim_lap",
        SimLAP,
        labelled.sim_lap,
        others={"temperature": 0.2, "renormalise": True},
        call=_paired,
        symmetric=False,
    ),
    Case(
        "sim_lap-renormalised",
        SimLAP,
        partial(labelled.sim_lap, renormalise=True, scale=20.0),
        given={"renormalise": True, "temperature": 0.05},
        call=_paired,
        symmetric=False,
    ),
    Case("sim_lap-scale", SimLAP, _scaled_sim_lap, call=_paired_and_scaled, symmetric=False),
    Case(
        "sep_clr",
        SepCLR,
        labelled.sep_clr,
        others={
            "temperature": 0.2,
            "uniform_weight": 1.0,
            "salient_weight": 1.0,
            "background_weight": 100.0,
            "joint_entropy_weight": 1.0,
        },
        call=_two_heads,
        symmetric=False,
        single_sample="refused",
    ),
    Case(
        "sep_clr-joint",
        SepCLR,
        partial(labelled.sep_clr, temperature=0.05, weights=(0.5, 0.0, 0.0, 2.0)),
        given={
            "temperature": 0.05,
            "uniform_weight": 0.5,
            "salient_weight": 0.0,
            "background_weight": 0.0,
            "joint_entropy_weight": 2.0,
        },
        call=_two_heads,
        symmetric=False,
        single_sample="refused",
    ),
]
