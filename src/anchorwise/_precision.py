"""Arithmetic that keeps the digits of its numbers: whatever the caller has chosen for the network, at any scale."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional

# Where float32 products may be rounded to TensorFloat-32 or bfloat16: cuBLAS, and oneDNN on a CPU.
_BACKENDS: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # pyright: ignore[reportAttributeAccessIssue]


_UNROUNDED = {"none", "ieee"}

# From here on log(1 + exp(x)) is x, in float64 too.
LINEAR_FROM = 40.0


class _Exact:
    """The settings of a process, which all threads share: the first to ask changes them, the last puts them back."""

    def __init__(self) -> None:
        self._lock, self._num_users = threading.Lock(), 0
        self._before: list[str] = []

    def is_there(self) -> bool:
        """Return whether nothing has to be changed, and nothing is to be put back meanwhile."""
        with self._lock:
            return self._num_users == 0 and _UNROUNDED.issuperset(backend.fp32_precision for backend in _BACKENDS)

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
    Gradients that autograd computes later follow the caller's choice (`products` is exact in both directions). In a
    compiled graph only autocast is off: a graph cannot change a setting of the process.
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


def _rounds(device_type: str) -> bool:
    """Return whether products may be rounded there, as the caller's settings are."""
    try:
        return torch.is_autocast_enabled(device_type) or not _exact.is_there()
    except RuntimeError:  # The kind of device knows no autocast.
        return True


def applied(function: type[torch.autograd.Function], *inputs: Any) -> Any:
    """Return what a function of autograd makes of its inputs, which are given in order, all of them.

    Where a function has a `setup_context` of its own, which the transforms of `torch.func` need, torch binds the inputs
    of every call to a signature. Python takes longer for that than for a small product, so other calls do without.
    """
    transformed = torch._C._are_functorch_transforms_active()  # pyright: ignore[reportPrivateUsage]
    return (function if transformed or torch.compiler.is_compiling() else _in_one(function)).apply(*inputs)


@cache
def _in_one(function: type[torch.autograd.Function]) -> type[torch.autograd.Function]:
    """Return the function with the context set up in `forward`."""

    class InOne(torch.autograd.Function):
        backward = staticmethod(function.backward)
        jvp = staticmethod(function.jvp)

        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            output = function.forward(*inputs)
            function.setup_context(ctx, inputs, output)
            return output

    return InOne


def products(rows: Tensor, others: Tensor) -> Tensor:
    """Return `rows @ others.mT` in full precision, also where `backward` is called inside autocast.

    Differentiable any number of times, forward and backward, and under the transforms of `torch.func`. The products of
    rows with themselves are symmetric to the last bit.

    Args:
        rows: Floating, shape (n, d), or a stack of such, shape (..., n, d).
        others: Of the same dtype, shape (m, d), or as long a stack.
    """
    if others is not rows:
        return matrix_product(rows, others.mT)
    in_graph = torch.compiler.is_compiling()
    if not in_graph and not torch.is_grad_enabled():
        return _own_product(rows)
    return applied(_OwnProducts if in_graph else _OwnProductsBothWays, rows)


def matrix_product(rows: Tensor, columns: Tensor) -> Tensor:
    """Return `rows @ columns`, as `products`."""
    in_graph = torch.compiler.is_compiling()
    if not in_graph and not torch.is_grad_enabled():
        return _product(rows, columns)
    # A graph does not take what is differentiable forward as well.
    return applied(_Products if in_graph else _ProductsBothWays, rows, columns)


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    # To change settings that are right takes Python longer than a small product.
    if not torch.compiler.is_compiling() and not _rounds(rows.device.type):
        return rows @ columns
    with full_precision(rows.device):
        return rows @ columns


def _own_product(rows: Tensor) -> Tensor:
    found = _product(rows, rows.mT)
    # A matrix product rounds ij and ji apart: both are the larger one.
    if found.device.type != "cpu":
        return torch.maximum(found, found.mT)
    # To read along columns takes a CPU far longer than to copy a matrix and read along its rows.
    return found.clamp_min_(found.mT.contiguous())


def own_products_gradient(gradient: Tensor, rows: Tensor) -> Tensor:
    """Return the gradient by rows of their products with themselves, of the gradient by these."""
    mirrored = gradient.mT.contiguous() if gradient.device.type == "cpu" else gradient.mT
    return matrix_product(gradient + mirrored, rows)


class _Products(torch.autograd.Function):
    generate_vmap_rule = True
    forward = staticmethod(_product)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None]:
        (rows, columns), (gradient,), wanted = ctx.saved_tensors, grad_outputs, ctx.needs_input_grad
        by_rows = products(gradient, columns) if wanted[0] else None
        return by_rows, matrix_product(rows.mT, gradient) if wanted[1] else None


class _ProductsBothWays(_Products):
    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor) -> Tensor:
        (rows, columns), (of_rows, of_columns) = ctx.saved_tensors, grad_inputs
        return matrix_product(of_rows, columns) + matrix_product(rows, of_columns)


class _OwnProducts(torch.autograd.Function):
    generate_vmap_rule = True

    forward = staticmethod(_own_product)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (rows,), (gradient,) = ctx.saved_tensors, grad_outputs
        return own_products_gradient(gradient, rows)


class _OwnProductsBothWays(_OwnProducts):
    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Tensor) -> Tensor:
        (rows,), (change,) = ctx.saved_tensors, grad_inputs
        changed = products(change, rows)
        return changed + changed.mT


def log_sum(logits: Tensor, *, left_out: Tensor | None = None, dim: int = 1) -> Tensor:
    """Return the logsumexp along an axis; minus infinity, and no nan in its gradient, where nothing is left.

    Args:
        logits: Floating; entries of minus infinity do not count, and have no gradient.
        left_out: Which entries do not count; one that is True for every infinite entry saves a pass over the logits.
        dim: The axis that is summed over.
    """
    # The gradient of torch's is 0 / 0 where all is infinite: masking it afterwards ends at 0, but anomaly mode stops on
    # the way. The lowest number that is finite vanishes beside any other just as well.
    lowest = torch.finfo(logits.dtype).min
    finite = torch.threshold(logits, lowest, lowest) if left_out is None else logits.masked_fill(left_out, lowest)
    return torch.threshold(finite.logsumexp(dim=dim), lowest, -torch.inf)


def softmax_nll(positive_logits: Tensor, log_negatives: Tensor) -> Tensor:
    """Return `-p + log(exp(p) + exp(r))`, without its cancellation where the loss is small.

    Args:
        positive_logits: p, logits of positives.
        log_negatives: r, the logarithm of what the exponentials of their negatives' logits add up to.
    """
    return functional.softplus(log_negatives - positive_logits, threshold=LINEAR_FROM)


def hand_written_gradients_serve() -> bool:
    """Return whether a derivative need not be one that torch can take apart.

    A compiler, the transforms of `torch.func` and forward-mode differentiation have to.
    """
    if torch.compiler.is_compiling():
        return False
    transformed = torch._C._are_functorch_transforms_active()  # pyright: ignore[reportPrivateUsage]
    return not transformed and forward_ad._current_level < 0  # pyright: ignore[reportPrivateUsage]


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
