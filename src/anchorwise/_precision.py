"""Arithmetic in the precision of its numbers: whatever the caller has chosen for the network, and at any scale."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

# Where float32 products may be rounded to TensorFloat-32 or bfloat16: cuBLAS, and oneDNN on a CPU.
_BACKENDS: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # pyright: ignore[reportAttributeAccessIssue]


class _Exact:
    """The settings of a process, which all threads share: the first to ask changes them, the last puts them back."""

    def __init__(self) -> None:
        self._lock, self._num_users = threading.Lock(), 0
        self._before: list[str] = []

    def enter(self) -> None:
        with self._lock:
            if self._num_users == 0:
                self._before = [backend.fp32_precision for backend in _BACKENDS]
                self._set(["ieee"] * len(_BACKENDS))
            self._num_users += 1

    def leave(self) -> None:
        with self._lock:
            self._num_users -= 1
            if self._num_users == 0:
                self._set(self._before)

    def _set(self, precisions: list[str]) -> None:
        for backend, precision in zip(_BACKENDS, precisions, strict=True):
            backend.fp32_precision = precision


_exact = _Exact()


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Neither autocast nor `torch.set_float32_matmul_precision` rounds what is multiplied inside.

    Scores rounded to half precision, or to the ten bits of TensorFloat-32, leave `1 - s` no digits near the endpoint.
    Gradients that autograd computes later follow the caller's choice. In a compiled graph only autocast is off: a graph
    cannot change a setting of the process.
    """
    with torch.autocast(device.type, enabled=False):
        if torch.compiler.is_compiling():
            yield
            return
        _exact.enter()
        try:
            yield
        finally:
            _exact.leave()


def magnitude(values: Tensor, *, dim: int | None = None) -> Tensor:
    """Return the largest power of two that is not above the largest absolute value; 1 where all values are 0.

    Division by a power of two changes no digit, so what is computed after it has the bits that it would have without,
    and neither overflows nor vanishes at any scale of the values.

    Args:
        values: Finite floating numbers of any shape.
        dim: The axis that is reduced, and kept with length 1; None reduces all of them.
    """
    largest = values.abs().amax() if dim is None else values.abs().amax(dim=dim, keepdim=True)
    return torch.where(largest > 0, largest / (2.0 * torch.frexp(largest).mantissa), 1.0)
