"""The losses that the engine's benchmark on a GPU measures: this library's, and what people use, where it is installed.

Every entry makes a loss of two views. What is not installed, or cannot do a size, is left out with its reason.
"""

import dataclasses
from collections.abc import Callable
from importlib import import_module

import torch
from engine_cases import CASES, TEMPERATURE
from torch import Tensor
from torch.nn import functional

import anchorwise
from anchorwise.engine import Backend, Dense, Tiled, use_backend

Loss = Callable[[Tensor, Tensor], Tensor]
SMALL, MIDDLE, LARGE = 2048, 8192, 32768


@dataclasses.dataclass(frozen=True)
class Case:
    """A loss of the table.

    Attributes:
        name: Of the row.
        make: Makes the loss.
        least: Rows from which on it is measured.
        most: Rows up to which it is measured: what stores scores has no memory, or takes too long, above.
        captured: Whether it is replayed from a CUDA graph.
    """

    name: str
    make: Callable[[], Loss]
    least: int = 0
    most: int = 2**20
    captured: bool = False


def _under(backend: Callable[[], str | Backend], objective: anchorwise.Objective) -> Callable[[], Loss]:
    def make() -> Loss:
        chosen = backend()

        def loss(view0: Tensor, view1: Tensor) -> Tensor:
            with use_backend(chosen):
                return objective(view0, view1)

        return loss

    return make


def _triton(products: str) -> Callable[[], Backend]:
    return lambda: anchorwise.engine.Triton(products)


def _one_way(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Loss:
    """Make a loss of both views of a cross-entropy of rows, keys and targets, as language models have it."""

    def both(view0: Tensor, view1: Tensor) -> Tensor:
        units = [functional.normalize(view, dim=1) for view in (view0, view1)]
        target = torch.arange(len(view0), device=view0.device)
        return (loss(units[0] / TEMPERATURE, units[1], target) + loss(units[1] / TEMPERATURE, units[0], target)) / 2

    return both


def _torch_fused() -> Loss:
    fused = functional.linear_cross_entropy  # pyright: ignore[reportAttributeAccessIssue]  # Of torch 2.13.
    return _one_way(lambda rows, keys, target: fused(rows, keys, target))


def _liger() -> Loss:
    fused = import_module("liger_kernel.transformers").LigerFusedLinearCrossEntropyLoss()
    return _one_way(lambda rows, keys, target: fused(keys, rows, target))


def _quack() -> Loss:
    fused = import_module("quack.linear_cross_entropy").chunked_linear_cross_entropy
    return _one_way(lambda rows, keys, target: fused(rows.bfloat16(), keys.bfloat16(), target))


def _siglip_kernel() -> Loss:
    fused = import_module("siglip_kernel").fused_siglip_loss

    def loss(view0: Tensor, view1: Tensor) -> Tensor:
        units = [functional.normalize(view, dim=1).bfloat16() for view in (view0, view1)]
        numbers = torch.tensor([2.302, -10.0], device=view0.device)
        return fused(*units, numbers[0], numbers[1])

    return loss


def _inf_cl() -> Loss:
    fused = import_module("inf_cl").cal_inf_loss

    def loss(view0: Tensor, view1: Tensor) -> Tensor:
        units = [functional.normalize(view, dim=1) for view in (view0, view1)]
        return fused(*units, scale=torch.tensor(1 / TEMPERATURE, device=view0.device))

    return loss


def _memory_efficient_clip() -> Loss:
    fused = import_module("memory_efficient_clip").MemoryEfficientCLIPLoss()
    scale = torch.tensor(1 / TEMPERATURE)
    return lambda view0, view1: fused(functional.normalize(view0, dim=1), functional.normalize(view1, dim=1), scale)


def _own(name: str, objective: anchorwise.Objective, **sizes: int) -> list[Case]:
    backends: dict[str, Callable[[], str | Backend]] = {
        "default": lambda: "auto",
        "Triton float32": _triton("float32"),
        "Triton bfloat16": _triton("bfloat16"),
    }
    return [
        Case(
            f"{name}, {backend}{', CUDA graph' if captured else ''}",
            _under(make, objective),
            captured=captured,
            **sizes,
        )
        for backend, make in backends.items()
        for captured in (False, True)
    ]


_INFO_NCE = anchorwise.InfoNCE(temperature=TEMPERATURE)
_WEINCE = anchorwise.WEINCE(temperature=TEMPERATURE)
_PUBLISHED = anchorwise.WEINCE(temperature=TEMPERATURE, gate="published", exponent="unit")

ALL_CASES = [
    Case("plain", CASES["plain"], most=LARGE),
    Case("plain, CUDA graph", CASES["plain"], most=MIDDLE, captured=True),
    Case("plain, compiled", lambda: torch.compile(CASES["plain"](), dynamic=False), most=LARGE),
    Case("lightly", CASES["lightly"], most=LARGE),
    Case("open_clip", CASES["open_clip"], most=LARGE),
    Case("naive WEINCE", CASES["naive WEINCE"], most=MIDDLE),
    Case("torch linear_cross_entropy", _torch_fused, least=MIDDLE, most=LARGE),
    Case("Liger", _liger, least=MIDDLE),
    Case("quack", _quack, least=MIDDLE),
    Case("siglip-kernel", _siglip_kernel, least=MIDDLE),
    Case("Inf-CL", _inf_cl, least=MIDDLE),
    Case("MemoryEfficientCLIP", _memory_efficient_clip, least=MIDDLE),
    Case("InfoNCE, dense", _under(Dense, _INFO_NCE), most=MIDDLE),
    Case("InfoNCE, tiled", _under(Tiled, _INFO_NCE), least=MIDDLE, most=LARGE),
    *_own("InfoNCE", _INFO_NCE),
    *_own("WEINCE", _WEINCE, most=LARGE),
    *_own("WEINCE published", _PUBLISHED, least=MIDDLE, most=MIDDLE),
    *_own("Weibit", anchorwise.Weibit(), least=MIDDLE, most=LARGE),
    *_own("SigLIP", anchorwise.SigLIP(), least=MIDDLE, most=LARGE),
]
