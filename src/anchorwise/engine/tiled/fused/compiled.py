"""The kernels as a shared library: compiled for this machine when first needed, and kept for later processes.

Nothing depends on it: where there is no C compiler, where it fails, or where nothing can be written, `kernels` returns
None, and torch's own operations take their place. The compiler is that of the environment variable CC, by default
`cc`; an empty CC does without.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import subprocess
import threading
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from anchorwise import _files

# Neither infinities nor the order of sums are given up; products may be added before they are rounded.
_FLAGS = ("-O2", "-ftree-vectorize", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
_OUTPUT = ("-shared", "-fPIC", "-x", "c", "-")
_SECONDS = 60.0  # It takes one.

_pointer, _whole, _real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
_TILE, _SHORTFALL, _SIDES = (_pointer, _whole, _whole), (_real, _real), (_whole, _whole, _pointer)
_ARGUMENTS = {
    "sum_exponentials": (*_TILE, _pointer, *_SIDES),
    "differentiate_exponentials": (*_TILE, _pointer, *_SIDES),
    "add_log_sums": (*_TILE, *_SHORTFALL, _pointer, _pointer, _pointer, _whole, *_SIDES),
    "differentiate_log_sums": (*_TILE, *_SHORTFALL, _pointer, _whole, *_SIDES),
    "add_exceedances": (*_TILE, *_SHORTFALL, _pointer, _pointer, _whole, *_SIDES),
}
_lock = threading.Lock()


def kernels_for(rows: Tensor) -> ctypes.CDLL | None:
    """Return the kernels for scores of these rows; None where there are none: they are for float32 on a CPU."""
    return kernels() if rows.device.type == "cpu" and rows.dtype == torch.float32 else None


def kernels() -> ctypes.CDLL | None:
    """Return the kernels, which the first call of a process may compile; None where they cannot be had."""
    with _lock:  # Others wait for the one that compiles.
        return _kernels(os.environ.get("CC", "cc"))


@functools.cache
def _kernels(compiler: str) -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(str(_compiled(compiler)))
    except (OSError, subprocess.SubprocessError, ValueError):  # ValueError: quotes in CC that do not end.
        return None
    for name, arguments in _ARGUMENTS.items():
        getattr(library, name).argtypes, getattr(library, name).restype = arguments, None
    return library


def _compiled(compiler: str) -> Path:
    """Return the library's file, and make it if it is not there.

    Raises:
        OSError: If there is no compiler, if the file cannot be written, or if others could have written it.
        subprocess.SubprocessError: If the compiler fails.
    """
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    command = [*shlex.split(compiler), *_FLAGS, native, *_OUTPUT]
    source = resources.files("anchorwise.engine.tiled.fused").joinpath("kernels.c").read_bytes()
    made_from = hashlib.sha256(repr((source, command, _processor())).encode()).hexdigest()[:32]
    path = _files.cache_dir() / "kernels" / f"{made_from}.so"
    if not path.exists():
        with _files.replacing(path) as temporary:
            subprocess.run(
                [*command, "-o", str(temporary)], input=source, check=True, capture_output=True, timeout=_SECONDS
            )
    status = path.stat()
    # The folder may be one that several users share, and what is loaded from it is run.
    if status.st_uid != os.getuid() or status.st_mode & 0o002:
        raise PermissionError(f"{path} is not this user's own")
    return path


def _processor() -> str:
    """Return what the processor can do: a home may be shared by different machines, for one of which this is made."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    features = sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))})
    return repr((platform.system(), platform.machine(), platform.processor(), features))
