"""Requests that fused kernels answer.

Triton is imported by the calls alone: not every machine has it, and it takes a second.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.engine.request import Backend, Exceedances, LogSumExp, Request, Sum
from anchorwise.engine.results import ExceedanceSums
from anchorwise.links import Link, LogGaussianKernel, Parameter
from anchorwise.links.base import LogShortfall
from anchorwise.pairs import Contrast

if TYPE_CHECKING:
    from anchorwise.engine.triton.problem import Problem

# a = anchors

PRODUCTS = ("float32", "bfloat16")


# Whether "auto" chooses these kernels on a GPU. Not before this form of them has run on one: `pytest -m gpu tests/gpu`
# holds, and `benchmarks/engine_gpu.py` shows them faster than the other backends at every size.
HAS_RUN_ON_A_GPU = False


@final
@dataclass(frozen=True)
class Triton(Backend):
    """Fused kernels for NVIDIA GPUs of compute capability 8.0 or higher. Experimental: "auto" does not choose them yet.

    Kernels compute `logsumexp_rows` of links with a closed form (`Link.log_shortfall`, Gaussian kernels) and `sum_rows`
    of those that have a kernel (`engine.triton.terms`), with the gradients of both, and `exceedance_rows`; of float32
    rows, and of pairs without weights. Sums are float32, and the same bits every time. Second derivatives are refused.

    Where M rows of width D are anchors and keys, sums take 2 M^2 D operations and their gradients 4 M^2 D; where the
    anchors are not the keys, the gradients of each take 4 M^2 D. Memory is a few numbers a row, and a copy of the rows
    of half or the whole of their size.

    Float32 products are three products of rows in two float16 parts each, which keep the digits of unit rows: scores
    are off by 5e-8, sums and gradients by 2e-6.

    With bfloat16 products, a third of them, a cosine is off by up to 4e-3, by 2e-4 as a rule, and the logarithm of
    `endpoint - s` has no digits left near the endpoint. So the largest score of every row is kept out of its sums while
    the keys pass by, computed again from the float32 rows at the end, and only then added; the gradient uses that score
    too. All other scores stay as they are: rows with several keys nearer to the endpoint than 0.01 need float32
    products. A softmax link of one fixed temperature above 0.025 is not rescored: a cosine's error moves no logit by
    more than it does those of the next hardest negatives.

    Unasked, products are bfloat16 where rows came in half precision and the link is such a softmax: their own rounding
    has moved scores as far. All else takes float32 products.

    Args:
        products: Precision of the factors of matrix products, "float32" or "bfloat16"; None chooses by rows and link.
        size: Rows, and keys, of a tile: a power of 2, at least 16; None chooses by precision, width and device.

    Raises:
        ModuleNotFoundError: If it is to compute something and Triton is not installed.
        ValueError: If rows are then not on a CUDA device, unless Triton interprets kernels.
    """

    products: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        if self.products is not None:
            _checks.one_of("products", self.products, PRODUCTS)
        if self.size is not None and _checks.count("size", self.size, 16) & (self.size - 1):
            raise ValueError(f"size must be a power of 2, got {self.size!r}")

    def supports(self, request: Request) -> bool:
        """Return whether there is a kernel for the request."""
        contrast = request.contrast
        _check_machine(contrast.anchors.device)
        if contrast.anchors.dtype != torch.float32 or contrast.weight is not None:
            return False
        if isinstance(request, LogSumExp):
            return _closed_form(request.link) is not None
        return isinstance(request, Exceedances) or (isinstance(request, Sum) and _has_term(request.link))

    def suits(self, request: Request) -> bool:
        """Return whether this is a GPU that has kernels for the request, and kernels have proved themselves on one.

        What is compiled or transformed needs operations of torch, as a whole.
        """
        device = request.contrast.anchors.device
        if not HAS_RUN_ON_A_GPU or device.type != "cuda" or find_spec("triton") is None:
            return False
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():  # pyright: ignore[reportPrivateUsage]
            return False
        return torch.cuda.get_device_capability(device) >= (8, 0) and self.supports(request)

    def logsumexp_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return log(sum over keys of exp(link(score)))."""
        form = _closed_form(link)
        assert form is not None, "supports() has looked"
        values = self._reduced(contrast, (form.slope, form.power), form.endpoint, None)
        return values - 2.0 * link.t if isinstance(link, LogGaussianKernel) else values

    def sum_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return the sum over keys of link(score)."""
        from anchorwise.engine.triton.terms import term_of

        term = term_of(link)
        assert term is not None, "supports() has looked"
        return self._reduced(contrast, (term.first, term.second), term.endpoint, term.function)

    def exceedance_rows(self, contrast: Contrast, threshold: Float[Tensor, " a"], endpoint: float) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""
        from anchorwise.engine.triton.exceedances import exceedances_of

        return exceedances_of(self._problem(contrast, is_tolerant=False), threshold, endpoint)

    def _reduced(
        self, contrast: Contrast, numbers: tuple[Parameter, Parameter], endpoint: float, term: Any
    ) -> Float[Tensor, " a"]:
        from anchorwise.engine.triton import summing

        like = contrast.anchors
        first, second = (value.to(like) if isinstance(value, Tensor) else float(value) for value in numbers)
        fixed = [value.detach() if isinstance(value, Tensor) else value for value in (first, second)]
        link = summing.Link(fixed[0], fixed[1], endpoint, term)
        problem = self._problem(contrast, is_tolerant=term is None and link.is_plain)
        return summing.ReducedRows.apply(problem, link, contrast.anchors, contrast.keys, first, second)

    def _problem(self, contrast: Contrast, *, is_tolerant: bool) -> "Problem":
        """Return the contrast as kernels take it, for something that rounded scores hardly move or for anything."""
        from anchorwise.engine.triton.problem import Problem

        by_rows = "bfloat16" if is_tolerant and contrast.is_rounded else "float32"
        return Problem.of(contrast, two_parts=(self.products or by_rows) == "float32", size=self.size)


def _closed_form(link: Link) -> LogShortfall | None:
    """Return the logit that there is a kernel for; that of a Gaussian kernel up to a constant, `2 t s - 2 t`."""
    return LogShortfall(2.0 * link.t) if isinstance(link, LogGaussianKernel) else link.log_shortfall


def _has_term(link: Link) -> bool:
    from anchorwise.engine.triton.terms import term_of

    return term_of(link) is not None


def _check_machine(device: torch.device) -> None:
    """Refuse machines without Triton, and devices without kernels."""
    if find_spec("triton") is None:
        raise ModuleNotFoundError(
            "the triton backend needs the package triton, which comes with torch for CUDA on Linux: pip install "
            'triton, or choose another backend with anchorwise.engine.use_backend("tiled")'
        )
    from triton import knobs

    if device.type != "cuda" and not knobs.runtime.interpret:
        raise ValueError(
            f"the triton backend needs rows on a CUDA device, got {device}; move them with .cuda(), compute under "
            'anchorwise.engine.use_backend("tiled"), or set TRITON_INTERPRET=1 before Python starts to try the kernels'
        )
