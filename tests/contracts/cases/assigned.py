"""Objectives with prototypes, clusters or soft targets."""

from functools import partial

import torch
from torch import Tensor

from anchorwise import MEOW, ProtoNCE, SoftTargets, SwAV
from tests.contracts.cases.case import Call, Case, cosines, three_views
from tests.contracts.cases.two_view import _keyed, _queue
from tests.twins import assigned


def _prototypes(view: Tensor) -> Tensor:
    return _queue(view.shape[1], view.dtype)[:5]


def _with_prototypes(view0: Tensor, view1: Tensor) -> Call:
    return Call((view0, view1), learned={"prototypes": _prototypes(view0)})


def _crops(view0: Tensor, view1: Tensor) -> Call:
    return Call(three_views(view0, view1).views, learned={"prototypes": _prototypes(view0)})


def _clustered(view0: Tensor, view1: Tensor) -> Call:
    return Call(
        (view0 + 0.5 * view1,),
        per_image={"assignments": torch.arange(len(view0)) % 5},
        shared={"concentrations": torch.tensor([0.1, 0.2, 0.3, 0.1, 0.5], dtype=torch.float64)},
        learned={"prototypes": _prototypes(view0)},
    )


def _in_clusters(view0: Tensor, view1: Tensor) -> Call:
    images = torch.arange(len(view0))
    return Call((view0, view1), per_image={"clusters": torch.stack([images % 2, images % 5, images // 3], dim=1)})


def _queued_keys(view0: Tensor, view1: Tensor) -> Call:
    queue = _queue(view0.shape[1], view0.dtype)
    learned = {"logit_scale": view0.new_tensor(4.0)}
    return Call((view0, view1), _keyed(view0, view1).per_image, {"queues": (queue, -queue)}, learned)


def _swav_gradient(
    *views: Tensor, prototypes: Tensor, temperature: float = 0.1, epsilon: float = 0.05, num_iterations: int = 3
) -> Tensor:
    """Autograd through the predictions alone, with the assignments of the slow twin."""
    scores = [cosines(view, prototypes) for view in views]
    losses = []
    for code in (0, 1):
        target = torch.tensor(assigned.sinkhorn(scores[code].tolist(), epsilon, num_iterations), dtype=torch.float64)
        for view in range(len(views)):
            if view != code:
                losses.append(-(target * (scores[view] / temperature).log_softmax(dim=1)).sum(dim=1))
    return torch.cat(losses).mean()


CASES = [
    Case(
        "swav",
        SwAV,
        assigned.swav,
        others={"temperature": 0.2, "epsilon": 0.1, "num_iterations": 2, "num_code_views": 1},
        call=_with_prototypes,
        single_image="finite",
        surrogate=_swav_gradient,
    ),
    Case(
        "swav-crops",
        SwAV,
        partial(assigned.swav, temperature=0.05, epsilon=0.5, num_iterations=1),
        given={"temperature": 0.05, "epsilon": 0.5, "num_iterations": 1},
        call=_crops,
        symmetric=False,
        single_image="finite",
        surrogate=partial(_swav_gradient, temperature=0.05, epsilon=0.5, num_iterations=1),
    ),
    Case("proto_nce", ProtoNCE, assigned.proto_nce, call=_clustered, single_image="finite"),
    Case(
        "soft_targets",
        SoftTargets,
        assigned.soft_targets,
        others={"temperature": 0.2, "alpha": 0.1},
        call=_keyed,
        symmetric=False,
        single_image="finite",
    ),
    Case(
        "soft_targets-queue",
        SoftTargets,
        assigned.soft_targets,
        call=_queued_keys,
        symmetric=False,
        single_image="finite",
        surrogate=lambda *views, **given: _soft_gradient(*views, **given),
    ),
    Case("meow", MEOW, assigned.meow, others={"temperature": 0.9}, call=_in_clusters),
]


def _soft_gradient(
    view0: Tensor, view1: Tensor, keys: tuple[Tensor, Tensor], queues: tuple[Tensor, Tensor], logit_scale: Tensor
) -> Tensor:
    normal = torch.nn.functional.normalize
    loss = view0.new_zeros(())
    for view, own, other, queue in ((view0, keys[0], keys[1], queues[1]), (view1, keys[1], keys[0], queues[0])):
        candidates = normal(torch.cat([other, queue])).detach()
        found = (logit_scale * normal(own) @ candidates.T).softmax(dim=1).detach()
        target = 0.4 * found + 0.6 * torch.eye(len(view), len(candidates), dtype=view.dtype)
        loss = loss - (target * (logit_scale * normal(view) @ candidates.T).log_softmax(dim=1)).sum(dim=1).mean() / 2
    return loss
