"""No objective waits for the host: it reads nothing from the device and copies nothing to it.

So a step is queued as fast as the host can, and can be captured in a CUDA graph. The meta device stands in for a GPU:
its tensors have no values, so that nothing can be read, and what is in the memory of the CPU is seen beside them.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from anchorwise import WEINCE, Blend, CrossViewInfoNCE, ProtoNCE, Weibit
from anchorwise.engine import use_backend
from anchorwise.objectives.parts.per_sample import table_ids
from anchorwise.tails import EXPONENTS
from anchorwise.tails.estimators import sorted_median
from tests import twins
from tests.contracts import batches
from tests.contracts.cases import CASES, Call, Case
from tests.contracts.cases.case import two_views, with_ids
from tests.contracts.test_arguments import UNDER_CONTRACT


def _queued(view0: Tensor, view1: Tensor) -> Call:
    return next(case for case in CASES if case.name == "cross_view-queued").call(view0, view1)


def _blended(**blend: Any) -> CrossViewInfoNCE:
    return CrossViewInfoNCE(blend=Blend(**blend))


def _case(make: Callable[..., Any], call: Callable[..., Call], **given: Any) -> Case:
    name = "-".join(map(str, given.values()))
    return Case(f"{make.__name__}-{name}-{call.__name__}", make, twins.info_nce, given, call=call)


def _draws(case: Case) -> bool:
    return "generator" in case.call(*batches.ordinary()).given


# How tails are read has more ways than the contract has cases.
READING = [
    *(
        _case(WEINCE, call, gate=gate, exponent=exponent)
        for gate in ("likelihood", "published")
        for exponent in EXPONENTS
        for call in (two_views, with_ids)
    ),
    *(_case(_blended, _queued, gate="hard", exponent=exponent) for exponent in ("anchor", "pooled")),
    *(_case(Weibit, with_ids, exponent=exponent, num_hardest=50) for exponent in EXPONENTS),
    _case(WEINCE, with_ids, gate="cap"),
]


# No generator draws without values; where one does, the draws stay on its device.
CAN_BE_FOLLOWED = [case for case in [*UNDER_CONTRACT, *READING] if not _draws(case)]


# What a CUDA device reads and the meta device does not, how long the result is; and what Python's numbers come as.
READ_BY_CUDA = {
    *("aten::nanmedian", "aten::bincount", "aten::one_hot", "aten::masked_select", "aten::linalg_solve_ex"),
    *("aten::multinomial", "aten::lift_fresh"),
}


class OnOneDevice(TorchDispatchMode):
    """Refuses operations that have to do with the memory of the CPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func._schema.name not in READ_BY_CUDA, func
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, result)):
            assert not isinstance(value, Tensor) or value.device.type == "meta", func
        return result


def _without_values(call: Call) -> Call:
    def learnt(part: Any) -> Any:
        return tree_map_only(Tensor, lambda value: value.to("meta").requires_grad_(value.is_floating_point()), part)

    return replace(call, **{field.name: learnt(getattr(call, field.name)) for field in fields(call)})


@pytest.mark.usefixtures("as_users_call", "without_autocast")
@pytest.mark.whole
@pytest.mark.parametrize("case", CAN_BE_FOLLOWED, ids=lambda case: case.name)
def test_no_objective_waits_for_the_host(case: Case):
    call = _without_values(case.call(*(view.float() for view in batches.ordinary())))
    objective = case.objective().to("meta")
    with use_backend("dense"), OnOneDevice():
        outcome = call.detail(objective)
        outcome.loss.backward()
    assert all(isinstance(value, Tensor) for value in outcome.stats.values())


def _on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anchorwise._tensor_checks.are_read", lambda values: False)


def test_where_values_are_not_read_a_wrong_place_is_none(monkeypatch: pytest.MonkeyPatch):
    _on_a_device(monkeypatch)
    objective = next(case for case in CASES if case.name == "sog_clr").objective()
    size = objective.num_samples
    assert table_ids(objective, torch.tensor([-1, 0, size]), size).tolist() == [size, 0, size]


def test_where_values_are_not_read_a_wrong_temperature_gives_no_finite_loss(monkeypatch: pytest.MonkeyPatch):
    _on_a_device(monkeypatch)
    rows, _ = batches.ordinary()
    given = {"prototypes": rows[:2], "assignments": torch.arange(24) % 2}
    assert ProtoNCE()(rows, concentrations=rows.new_tensor([0.1, 0.2]), **given).isfinite()
    for wrong in (0.0, torch.inf):
        assert not ProtoNCE()(rows, concentrations=rows.new_tensor([0.1, wrong]), **given).isfinite()


@pytest.mark.parametrize("name", ["dcl", "dclw", "dhel", "mv_dhel", "kcl", "f_micl", "align_uniform"])
def test_where_values_are_not_read_a_batch_of_one_id_gives_no_finite_loss(name: str, monkeypatch: pytest.MonkeyPatch):
    _on_a_device(monkeypatch)
    case = next(case for case in CASES if case.name == name)
    call = case.call(*batches.ordinary())
    one_id = torch.zeros(24, dtype=torch.int64)
    assert not replace(call, per_sample={**call.per_sample, "ids": one_id}).loss(case.objective()).isfinite()


def test_the_median_that_a_gpu_finds_without_the_host_is_the_lower_one_of_what_are_numbers():
    generator = torch.Generator().manual_seed(0)
    for num_values in range(1, 12):
        values = torch.randn(num_values, generator=generator)
        values[torch.rand(num_values, generator=generator) < 0.4] = torch.nan
        torch.testing.assert_close(sorted_median(values), values.nanmedian().view(1), equal_nan=True)
