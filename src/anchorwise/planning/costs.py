"""What a batch will cost, before it is run: memory from formulas, time from a small batch on the same device."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from anchorwise import _checks
from anchorwise._device import as_device
from anchorwise.engine import Backend, Dense, Tiled, exceedance_rows, logsumexp_rows, tail_summaries, use_backend
from anchorwise.engine.memory import free_bytes
from anchorwise.engine.tiled.backend import tile_size
from anchorwise.engine.tiled.worker_threads import num_workers
from anchorwise.links import BlendLink, SoftmaxLink
from anchorwise.pairs import Contrast, unit_rows

# Rows with which a step is timed; the time of more grows with their square.
_NUM_PROBED = 2048
_TAIL_FRACTION = 0.1
# Beyond any machine; the probe, which is allocated, has this width at most.
_LARGEST = {"num_rows": 10**12, "dim": 2**16, "world_size": 10**6}


@dataclass(frozen=True)
class Cost:
    """What one step of a loss costs each rank: forward and backward, from embeddings to their gradients.

    Attributes:
        name: The loss, and whose or which backend's.
        memory_bytes: Above what the embeddings themselves need.
        time_s: Measured on a small batch here and scaled; None for formulas that are not ours to run.
        fits: Whether the memory is free on the device now.
    """

    name: str
    memory_bytes: int
    time_s: float | None
    fits: bool


@dataclass(frozen=True)
class _Formula:
    """A loss: its memory in numbers of the dtype for m rows of width d, and its time.

    The multiples of m^2 were measured at 4,096 rows (`benchmarks/engine_cases.py`); those of the WEINCE release, whose
    scores have the width as a further axis, and of pytorch-metric-learning, which pairs all pairs, at 2,048 and 512.
    Ratios of times are those of 8,192 rows of width 128 (`benchmarks/results/engine_2-core-epyc_2026-11-24.md`).

    Attributes:
        step: What is timed: takes anchors and keys.
        is_shared: Whether ranks share the work.
        times_plain: The time as a multiple of that of a matrix product and cross-entropy, where it is not timed.
    """

    name: str
    numbers: Callable[[int, int], float]
    step: Callable[[Tensor, Tensor], None] | None = None
    is_shared: bool = False
    times_plain: float | None = None


def plan(
    num_rows: int,
    dim: int,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    world_size: int = 1,
    *,
    time_steps: bool = True,
) -> list[Cost]:
    """Return what a batch costs with every backend, and with the formulas of other libraries.

    Args:
        num_rows: Rows that are compared, of all views and ranks together: 2n for n images with two views. At most 1e12.
        dim: Width of the embeddings, at most 65,536.
        dtype: Of the arithmetic: float32 (half precision is widened to it) or float64.
        device: Where the loss is computed; "auto" is CUDA where there is one.
        world_size: Ranks that share the batch, at most a million. Other libraries do not share the work on scores.
        time_steps: Whether to time a small batch, which takes about a second.

    Raises:
        ValueError: If a number is out of range, the dtype is none of the two, or there is no such device.
    """
    for name, number in (("num_rows", num_rows), ("dim", dim), ("world_size", world_size)):
        if _checks.count(name, number) > _LARGEST[name]:
            raise ValueError(f"{name} must be a whole number from 1 to {_LARGEST[name]}, got {number}")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, in which losses are computed, got {dtype}")
    place = as_device(device)
    free = free_bytes(place)
    tiled_numbers = partial(_tiled_numbers, device=place)
    rows = unit_rows(torch.randn(min(num_rows, _NUM_PROBED), dim, dtype=dtype, device=place))
    scale, costs = (num_rows / len(rows)) ** 2, []
    plain_s = scale * _seconds(_plain, rows, rows) if time_steps else None
    for formula in _formulas(tiled_numbers):
        memory = int(formula.numbers(num_rows, dim) * dtype.itemsize)
        spent_s = None
        if plain_s is not None and formula.step is not None:
            # A rank's anchors are some of the rows, and no score then serves its mirror image.
            shared = formula.is_shared and world_size > 1
            spent_s = scale * _seconds(formula.step, rows, rows.clone() if shared else rows)
            spent_s = spent_s / world_size if shared else spent_s
        elif plain_s is not None and formula.times_plain is not None:
            spent_s = formula.times_plain * plain_s
        costs.append(Cost(formula.name, memory, spent_s, memory <= free))
    return costs


def _formulas(tiled_numbers: Callable[[int, int], float]) -> list[_Formula]:
    dense, tiled = Dense(), Tiled()
    return [
        _Formula("tiled InfoNCE", tiled_numbers, partial(_info_nce, tiled), is_shared=True),
        _Formula("tiled WEINCE, likelihood gate", tiled_numbers, partial(_likelihood, tiled), is_shared=True),
        _Formula("tiled WEINCE, published gate", tiled_numbers, partial(_published, tiled), is_shared=True),
        _Formula("dense InfoNCE", lambda m, d: 4.7 * m * m + 4.0 * m * d, partial(_info_nce, dense)),
        _Formula("dense WEINCE, likelihood gate", lambda m, d: 7.8 * m * m + 4.0 * m * d, partial(_likelihood, dense)),
        _Formula("matrix product and cross-entropy", lambda m, d: 3.1 * m * m + 4.0 * m * d, times_plain=1.0),
        _Formula("naive WEINCE", lambda m, d: 7.7 * m * m + 4.0 * m * d, times_plain=3.0),
        _Formula("lightly NTXentLoss", lambda m, d: 4.7 * m * m + 4.0 * m * d, times_plain=1.9),
        _Formula("open_clip ClipLoss", lambda m, d: 1.35 * m * m + 4.0 * m * d, times_plain=0.4),
        _Formula("sentence-transformers, cached", lambda m, d: 23.0 * 256 * m + 4.0 * m * d, times_plain=1.0),
        _Formula("pytorch-metric-learning NTXentLoss", lambda m, d: 4.3 * m**3),
        _Formula("WEINCE release", lambda m, d: 6.0 * m * m * d),
    ]


def _tiled_numbers(num_rows: int, dim: int, *, device: torch.device) -> float:
    size = min(num_rows, tile_size(device))
    return 8.0 * num_rows * dim + 40.0 * num_rows + 8.0 * size * size * num_workers(device)


def _seconds(step: Callable[[Tensor, Tensor], None], anchors: Tensor, keys: Tensor) -> float:
    """Return the shortest of three steps, after one that starts everything."""
    spent = []
    for _ in range(4):
        start = time.perf_counter()
        step(anchors, keys)
        if anchors.device.type == "cuda":
            torch.cuda.synchronize(anchors.device)
        spent.append(time.perf_counter() - start)
    return min(spent[1:])


def _plain(anchors: Tensor, keys: Tensor) -> None:
    own = anchors.detach().clone().requires_grad_()
    logits = (own @ own.T / 0.1).fill_diagonal_(-torch.inf)
    functional.cross_entropy(logits, torch.arange(len(own), device=own.device).roll(1)).backward()


def _learnt(anchors: Tensor, keys: Tensor) -> Contrast:
    own = anchors.detach().clone().requires_grad_()
    return Contrast(own, own if keys is anchors else keys.detach().clone().requires_grad_())


def _info_nce(backend: Backend, anchors: Tensor, keys: Tensor) -> None:
    with use_backend(backend):
        logsumexp_rows(_learnt(anchors, keys), SoftmaxLink(0.1)).sum().backward()


def _blended(backend: Backend, anchors: Tensor, keys: Tensor) -> None:
    half = torch.full_like(anchors[:, 0], 0.5)
    with use_backend(backend):
        logsumexp_rows(_learnt(anchors, keys), BlendLink(half, 0.1, 8.0 * half)).sum().backward()


def _likelihood(backend: Backend, anchors: Tensor, keys: Tensor) -> None:
    with use_backend(backend):
        exceedance_rows(Contrast(anchors, keys), torch.full_like(anchors[:, 0], 0.1), 1.0)
    _blended(backend, anchors, keys)


def _published(backend: Backend, anchors: Tensor, keys: Tensor) -> None:
    num_tail = max(int(_TAIL_FRACTION * len(keys)), 1)
    with use_backend(backend):
        tail_summaries(Contrast(anchors, keys), num_tail, lambda scores: scores[:, :1])
    _blended(backend, anchors, keys)
