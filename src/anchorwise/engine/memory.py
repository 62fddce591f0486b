"""How much memory is free, and how it is seen that it ran out."""

import os
from pathlib import Path

import torch

MEMORY_INFO = Path("/proc/meminfo")  # Of Linux; it counts what caches would give back.


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error of torch says that memory ran out; on a CPU its text alone does."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a GPU, or of the machine for a device that is none; all of it if that is not said."""
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        free, total = torch.cuda.mem_get_info(index)
        used, kept = torch.cuda.memory_allocated(index), torch.cuda.memory_reserved(index)
        allowed = int(torch.cuda.get_per_process_memory_fraction(index) * total)
        return min(free + kept - used, allowed - used)  # What torch keeps of earlier tensors is free to it.
    if MEMORY_INFO.exists():
        entries = dict(line.split(":") for line in MEMORY_INFO.read_text(encoding="ascii").splitlines())
        return 1024 * int(entries["MemAvailable"].split()[0])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
