"""How kernels are started."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **options: Any) -> None:
    """Run a kernel on the device of its first argument."""
    device = arguments[0].device
    elsewhere = device.type == "cuda" and device.index != torch.cuda.current_device()
    context: AbstractContextManager[Any] = torch.cuda.device(device) if elsewhere else nullcontext()
    with context:
        # Multiply-adds are asked for, since what Triton does unasked differs between versions.
        kernel[grid](*arguments, enable_fp_fusion=True, **options)
