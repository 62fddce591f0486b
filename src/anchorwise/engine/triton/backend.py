"""The engine's calls, answered by fused kernels where there is one."""

from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise import _checks
from anchorwise.engine.base import Backend, Keys, Summary
from anchorwise.engine.results import ExceedanceSums, Tail
from anchorwise.engine.tiled.backend import Tiled
from anchorwise.engine.triton.exceedances import exceedances_of
from anchorwise.engine.triton.function import LogSumExp
from anchorwise.engine.triton.setting import BLOCKS, PRODUCTS, Setting, check_device, stacked_ids
from anchorwise.links import Link

# a = anchors, k = keys, d = embedding width, e = width of values, t = tail points


# Answers what has no kernel.
_OTHERS = Tiled()


@final
@dataclass(frozen=True)
class Triton(Backend):
    """Fused kernels for NVIDIA GPUs. Experimental: checked on Hopper GPUs, and by Triton's interpreter on a CPU.

    Kernels compute `logsumexp_rows` with its gradients, for links with a closed form (`Link.log_shortfall`) and pairs
    without weights, and `exceedance_rows`; of float32 rows that this process has for itself. The tiled backend answers
    everything else. Sums are float32. Second derivatives are refused.

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
        ValueError: If rows are not on a CUDA device, unless Triton interprets kernels.
    """

    products: str = "float32"
    size: int | None = None

    def __post_init__(self) -> None:
        _checks.one_of("products", self.products, PRODUCTS)
        if self.size is not None and _checks.count("size", self.size, 16) & (self.size - 1):
            raise ValueError(f"size must be a power of 2, got {self.size!r}")

    def logsumexp_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, " a"]:
        """Return log(sum over keys of weight * exp(link(score)))."""
        form = link.log_shortfall
        if form is None or not self._has_kernels(anchors, keys):
            return _OTHERS.logsumexp_rows(anchors, keys, link)
        setting = self._setting(anchors, keys, form.endpoint)
        setting = replace(setting, has_power=isinstance(form.power, Tensor) or form.power != 0.0)
        return LogSumExp.apply(setting, anchors, None if keys.rows is anchors else keys.rows, form.slope, form.power)

    def exceedance_rows(
        self, anchors: Float[Tensor, "a d"], keys: Keys, threshold: Float[Tensor, " a"], endpoint: float
    ) -> ExceedanceSums:
        """Return the sums over the scores above every row's threshold."""
        if not self._has_kernels(anchors, keys):
            return _OTHERS.exceedance_rows(anchors, keys, threshold, endpoint)
        return exceedances_of(self._setting(anchors, keys, endpoint), anchors, keys.rows, threshold)

    def sum_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, link: Link) -> Float[Tensor, " a"]:
        """Return the sum over keys of weight * link(score)."""
        return _OTHERS.sum_rows(anchors, keys, link)

    def attend_rows(
        self, anchors: Float[Tensor, "a d"], keys: Keys, values: Float[Tensor, "k e"], link: Link
    ) -> Float[Tensor, "a e"]:
        """Return the means of the values, weighted by the softmax of the logits."""
        return _OTHERS.attend_rows(anchors, keys, values, link)

    def scores_at(
        self, anchors: Float[Tensor, "a d"], keys: Float[Tensor, "k d"], chosen: Int[Tensor, "a t"]
    ) -> Float[Tensor, "a t"]:
        """Return the scores of every anchor with its chosen keys."""
        return _OTHERS.scores_at(anchors, keys, chosen)

    def tail_rows(self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int) -> Tail:
        """Return the largest scores of every row with their keys."""
        return _OTHERS.tail_rows(anchors, keys, num_tail)

    def tail_summaries(
        self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int, summary: Summary
    ) -> Float[Tensor, "a s"]:
        """Return the summary of every row's tail."""
        return _OTHERS.tail_summaries(anchors, keys, num_tail, summary)

    def pooled_tail(self, anchors: Float[Tensor, "a d"], keys: Keys, num_tail: int) -> Float[Tensor, " t"]:
        """Return the largest scores of all rows together."""
        return _OTHERS.pooled_tail(anchors, keys, num_tail)

    def _has_kernels(self, anchors: Tensor, keys: Keys) -> bool:
        check_device(anchors.device)
        unsupported = (keys.weight, keys.only, keys.ranks, keys.watch)
        return anchors.dtype == torch.float32 and all(value is None for value in unsupported)

    def _setting(self, anchors: Tensor, keys: Keys, endpoint: float) -> Setting:
        blocks = BLOCKS[self.products] if self.size is None else replace(BLOCKS[self.products], size=self.size)
        ids = stacked_ids(keys.exclude, anchors, keys.rows)
        return Setting(PRODUCTS[self.products], blocks, *ids, len(keys.exclude), endpoint)
