"""Requests that fused kernels answer.

Triton is imported by the calls alone: not every machine has it, and it takes a second.
"""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.engine.request import Backend, Exceedances, LogSumExp, Request
from anchorwise.engine.results import ExceedanceSums
from anchorwise.links import Link
from anchorwise.pairs import Contrast

if TYPE_CHECKING:
    from anchorwise.engine.triton.setting import Setting

# a = anchors

PRODUCTS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@final
@dataclass(frozen=True)
class Triton(Backend):
    """Fused kernels for NVIDIA GPUs. Experimental: checked on Hopper GPUs, and by Triton's interpreter on a CPU.

    Kernels compute `logsumexp_rows` with its gradients, for links with a closed form (`Link.log_shortfall`), and
    `exceedance_rows`; of float32 rows, and of pairs without weights. Sums are float32. Second derivatives are refused.

    Where M rows of width D are anchors and keys, sums take 2 M^2 D operations and their gradients 4 M^2 D, and 2 M^2 D
    for every further span of columns that a program has no registers for: 128 columns with float32 products, 256 with
    bfloat16. Memory is a few numbers a row, and a copy of the rows in bfloat16.

    With bfloat16 products a cosine is off by about 1e-3, and the logarithm of `endpoint - s` has no digits left near
    the endpoint. So the largest score of every row is kept out of its sums while the keys pass by, computed again from
    the float32 rows at the end, and only then added; the gradient uses that score too. All other scores stay as they
    are: rows with several keys nearer to the endpoint than 0.01 need float32 products.

    Args:
        products: Precision of the factors of matrix products, "float32" (three products of TensorFloat-32, which keep
            its digits) or "bfloat16".
        size: Rows, and keys, of a tile: a power of 2, at least 16; None chooses by precision.

    Raises:
        ModuleNotFoundError: If it is to compute something and Triton is not installed.
        ValueError: If rows are then not on a CUDA device, unless Triton interprets kernels.
    """

    products: str = "float32"
    size: int | None = None

    def __post_init__(self) -> None:
        _checks.one_of("products", self.products, PRODUCTS)
        if self.size is not None and _checks.count("size", self.size, 16) & (self.size - 1):
            raise ValueError(f"size must be a power of 2, got {self.size!r}")

    def supports(self, request: Request) -> bool:
        """Return whether there is a kernel for the request."""
        contrast = request.contrast
        _check_machine(contrast.anchors.device)
        if contrast.anchors.dtype != torch.float32 or contrast.weight is not None or contrast.only is not None:
            return False
        is_closed = isinstance(request, LogSumExp) and request.link.log_shortfall is not None
        return is_closed or isinstance(request, Exceedances)

    def suits(self, request: Request) -> bool:
        """Return False: until the kernels have been run on the GPUs they are for, only who asks for them gets them."""
        return False

    def logsumexp_rows(self, contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
        """Return log(sum over keys of exp(link(score)))."""
        from anchorwise.engine.triton.function import LogSumExpRows

        form = link.log_shortfall
        assert form is not None, "supports() has looked"
        has_power = isinstance(form.power, Tensor) or form.power != 0.0
        setting = replace(self._setting(contrast, form.endpoint), has_power=has_power)
        keys = None if contrast.is_symmetric else contrast.keys
        return LogSumExpRows.apply(setting, contrast.anchors, keys, form.slope, form.power)

    def exceedance_rows(self, contrast: Contrast, threshold: Float[Tensor, " a"], endpoint: float) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""
        from anchorwise.engine.triton.exceedances import exceedances_of

        return exceedances_of(self._setting(contrast, endpoint), contrast.anchors, contrast.keys, threshold)

    def _setting(self, contrast: Contrast, endpoint: float) -> "Setting":
        from anchorwise.engine.triton.setting import BLOCKS, Setting, stacked_ids

        blocks = BLOCKS[self.products] if self.size is None else replace(BLOCKS[self.products], size=self.size)
        ids = stacked_ids(contrast.exclude, contrast.anchors, contrast.keys)
        return Setting(PRODUCTS[self.products], blocks, *ids, len(contrast.exclude), endpoint)


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
