"""Buffers for tiles, one set a worker thread, and the elementwise functions that are fastest on them.

Fresh memory for every tile would cost more in page faults than the arithmetic on it.
"""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

# r = anchors of a tile, c = keys of a tile, d = embedding width


class Workspace:
    """Named buffers, each as large as the largest tile it was asked for."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._of_thread = threading.local()

    def buffer(self, name: str, shape: Sequence[int]) -> Float[Tensor, "r c"]:
        """Return this thread's buffer of that name, with whatever it holds."""
        buffers: dict[str, Tensor] = self._of_thread.__dict__
        size = shape[0] * shape[1]
        if name not in buffers or buffers[name].numel() < size:
            buffers[name] = torch.empty(size, dtype=self._like.dtype, device=self._like.device)
        return buffers[name][:size].view(*shape)

    def scores(
        self, anchors: Float[Tensor, "r d"], keys: Float[Tensor, "c d"], scale: float = 1.0
    ) -> Float[Tensor, "r c"]:
        """Return `scale * anchors @ keys.T` in the buffer "scores"."""
        result = self.buffer("scores", (len(anchors), len(keys)))
        # The scale is the product's own `alpha`: no pass over the tile for it alone.
        return torch.addmm(result, anchors, keys.T, beta=0.0, alpha=scale, out=result)


def fast_log(values: Float[Tensor, "r c"], out: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    """Write the logarithms into `out`: with AVX-512 numpy's are two to three times as fast as torch's, else slower."""
    if values.device.type != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return torch.log(values, out=out)
    with np.errstate(all="ignore"):
        np.log(values.numpy(), out=out.numpy())
    return out
