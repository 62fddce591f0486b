"""Objectives with prototypes, clusters or soft targets."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from anchorwise import MEOW, AdaMEOW, ProtoNCE, SoftTargets, SwAV
from tests.contracts.cases.case import Call, Case, cosines, three_views, with_keys
from tests.contracts.cases.two_view import BLEND, _queue
from tests.twins import assigned
from tests.twins.core import Rows


def _prototypes(view: Tensor) -> Tensor:
    return _queue(view.shape[1], view.dtype)[:5]


def _with_prototypes(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), learned={"prototypes": _prototypes(view0)})


def _crops(view0: Tensor, view1: Tensor) -> Call:
    return Call(three_views(view0, view1).views, learned={"prototypes": _prototypes(view0)})


def _clustered(view0: Tensor, view1: Tensor) -> Call:
    return Call(
        (view0 + 0.5 * view1,),
        per_sample={"assignments": torch.arange(len(view0)) % 5},
        shared={"concentrations": torch.tensor([0.1, 0.2, 0.3, 0.1, 0.5], dtype=torch.float64)},
        learned={"prototypes": _prototypes(view0)},
    )


def _in_clusters(view0: Tensor, view1: Tensor) -> Call:
    samples = torch.arange(len(view0))
    return Call((view0, view1), per_sample={"clusters": torch.stack([samples % 2, samples % 5, samples // 3], dim=1)})


def _queued_keys(view0: Tensor, view1: Tensor) -> Call:
    queue = _queue(view0.shape[1], view0.dtype)
    learned = {"logit_scale": view0.new_tensor(4.0)}
    return Call((view0, view1), with_keys(view0, view1).per_sample, {"queues": (queue, -queue)}, learned)


def _captions(view0: Tensor, view1: Tensor) -> Call:
    call, samples = _queued_keys(view0, view1), torch.arange(len(view0))
    held = (torch.arange(17) % 6, torch.full((17,), -2))
    return replace(call, per_sample={**call.per_sample, "ids": samples % 5}, shared={**call.shared, "queue_ids": held})


def _half_a_queue(view0: Tensor, view1: Tensor) -> Call:
    queue = _queue(view0.shape[1], view0.dtype)
    return Call((view0, view1), shared={"queues": (queue[:8], -queue[:8])}, learned={"prototypes": _prototypes(view0)})


def _linear(rows: Tensor) -> Tensor:
    slopes = torch.linspace(-1.0, 2.0, rows.shape[-1], dtype=rows.dtype, device=rows.device)
    return (rows * slopes).sum(dim=-1, keepdim=True) + 0.5


def _weighed(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), shared={"network": _linear})


def _ada_meow(view0: Rows, view1: Rows, network: object) -> list[float]:
    last = len(view0[0]) - 1
    return assigned.ada_meow(view0, view1, lambda pair: sum((3 * i / last - 1) * x for i, x in enumerate(pair)) + 0.5)


def _swav_gradient(
    *views: Tensor,
    prototypes: Tensor,
    queues: tuple[Tensor, ...] = (),
    temperature: float = 0.1,
    epsilon: float = 0.05,
    num_iterations: int = 3,
    jointly: bool = False,
) -> Tensor:
    """Autograd through the predictions alone, with the assignments of the slow twin."""
    scores = [cosines(view, prototypes) for view in views]
    losses = []
    for code in (0, 1):
        batch = [code] if not jointly else [1 - code, code]
        earlier = [row for view in batch if queues for row in cosines(queues[view], prototypes).tolist()]
        all_scores = [*earlier, *(row for view in batch for row in scores[view].tolist())]
        shares = assigned.sinkhorn(all_scores, epsilon, num_iterations)[-len(views[0]) :]
        target = torch.tensor(shares, dtype=torch.float64)
        for view in range(len(views)):
            if view != code:
                losses.append(-(target * (scores[view] / temperature).log_softmax(dim=1)).sum(dim=1))
    return torch.cat(losses).mean()


CASES = [
    Case(
        "swav",
        SwAV,
        assigned.swav,
        others={"temperature": 0.2, "epsilon": 0.1, "num_iterations": 2, "num_code_views": 1, "jointly": True},
        call=_with_prototypes,
        single_sample="finite",
        surrogate=_swav_gradient,
        cold={"temperature": 0.005, "epsilon": 0.001},
    ),
    Case(
        "swav-crops",
        SwAV,
        partial(assigned.swav, temperature=0.05, epsilon=0.5, num_iterations=1),
        given={"temperature": 0.05, "epsilon": 0.5, "num_iterations": 1},
        call=_crops,
        symmetric=False,
        single_sample="finite",
        surrogate=partial(_swav_gradient, temperature=0.05, epsilon=0.5, num_iterations=1),
    ),
    Case(
        "swav-queue",
        SwAV,
        assigned.swav,
        call=_half_a_queue,
        single_sample="finite",
        symmetric=False,
        surrogate=_swav_gradient,
    ),
    Case(
        "swav-jointly",
        SwAV,
        partial(assigned.swav, jointly=True),
        given={"jointly": True},
        call=_half_a_queue,
        single_sample="finite",
        surrogate=partial(_swav_gradient, jointly=True),
    ),
    Case(
        "swav-unbalanced",
        SwAV,
        partial(assigned.swav, num_iterations=0, epsilon=0.5),
        given={"num_iterations": 0, "epsilon": 0.5},
        call=_with_prototypes,
        single_sample="finite",
        surrogate=partial(_swav_gradient, num_iterations=0, epsilon=0.5),
    ),
    Case("proto_nce", ProtoNCE, assigned.proto_nce, call=_clustered, single_sample="finite"),
    Case(
        "soft_targets",
        SoftTargets,
        assigned.soft_targets,
        others={"temperature": 0.2, "alpha": 0.1, "label_smoothing": 0.1, **BLEND},
        call=with_keys,
        symmetric=False,
        single_sample="finite",
    ),
    Case(
        "soft_targets-queue",
        SoftTargets,
        assigned.soft_targets,
        call=_queued_keys,
        symmetric=False,
        single_sample="finite",
        surrogate=lambda *views, **given: _soft_gradient(*views, **given),
    ),
    Case(
        "soft_targets-smoothed",
        SoftTargets,
        partial(assigned.soft_targets, smoothing=0.1),
        given={"label_smoothing": 0.1},
        call=_queued_keys,
        symmetric=False,
        single_sample="finite",
        surrogate=lambda *views, **given: _soft_gradient(*views, smoothing=0.1, **given),
    ),
    Case(
        "soft_targets-captions",
        SoftTargets,
        partial(assigned.soft_targets, smoothing=0.1),
        given={"label_smoothing": 0.1},
        call=_captions,
        symmetric=False,
        single_sample="finite",
        surrogate=lambda *views, **given: _soft_gradient(*views, smoothing=0.1, **given),
    ),
    Case("meow", MEOW, assigned.meow, others={"temperature": 0.9, "both_directions": False}, call=_in_clusters),
    Case(
        "meow-released",
        MEOW,
        partial(assigned.meow, both=False),
        given={"both_directions": False},
        call=_in_clusters,
        symmetric=False,
    ),
    Case(
        "ada_meow",
        AdaMEOW,
        _ada_meow,
        others={"temperature": 0.9},
        call=_weighed,
        symmetric=False,
        single_sample="finite",
    ),
]


def _soft_gradient(  # noqa: PLR0913  # All that the objective is called with.
    view0: Tensor,
    view1: Tensor,
    keys: tuple[Tensor, Tensor],
    queues: tuple[Tensor, Tensor],
    logit_scale: Tensor,
    smoothing: float = 0.0,
    ids: Tensor | None = None,
    queue_ids: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    normal = torch.nn.functional.normalize
    loss = view0.new_zeros(())
    for side, (view, own) in enumerate(((view0, keys[0]), (view1, keys[1]))):
        candidates = normal(torch.cat([keys[1 - side], queues[1 - side]])).detach()
        names = torch.arange(len(candidates))
        if ids is not None and queue_ids is not None:
            names = torch.cat([ids, queue_ids[1 - side]])
        is_own = (names[: len(view), None] == names).to(view.dtype)
        found = (logit_scale * normal(own) @ candidates.T).softmax(dim=1).detach()
        soft = 0.4 * found + 0.6 * is_own / is_own.sum(dim=1, keepdim=True)
        target = (1 - smoothing) * soft + smoothing / len(candidates)
        loss = loss - (target * (logit_scale * normal(view) @ candidates.T).log_softmax(dim=1)).sum(dim=1).mean() / 2
    return loss
