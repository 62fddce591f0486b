"""Peak memory of a piece of work, above what was there before."""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

import torch

_STATUS, _REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_MIB = 2**20


def peak_mib(work: Callable[[], object], device: torch.device) -> float | None:
    """Return how far memory rises while `work` runs: allocated on CUDA, resident on Linux, elsewhere None.

    Resident memory is good to a few MiB; what the allocator has kept from earlier work counts as being there before.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / _MIB
    if device.type != "cpu" or not _reset_peak():
        return None
    before = _kib("VmRSS")
    work()
    return max(0.0, (_kib("VmHWM") - before) / 1024)


def _reset_peak() -> bool:
    """Make the kernel count the highest resident memory anew; returns whether it can."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        _REFERENCES.write_text("5", encoding="ascii")
    except (OSError, AttributeError):
        return False
    return True


def _kib(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    return int(found.group(1)) if found else 0
