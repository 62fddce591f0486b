"""Which backend computes: chosen by size and device, or forced by an argument, a context, or the environment."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from anchorwise import _checks
from anchorwise.engine.base import Backend
from anchorwise.engine.dense import Dense
from anchorwise.engine.tiled.backend import Tiled

ENVIRONMENT_VARIABLE = "ANCHORWISE_BACKEND"


def _triton() -> Backend:
    # Imported on demand: triton is not on every machine, and takes a second.
    from anchorwise.engine.triton import Triton

    return Triton()


NAMES: dict[str, Callable[[], Backend]] = {"dense": Dense, "tiled": Tiled, "triton": _triton}

# So few scores are faster all at once than in tiles; on a GPU, where calls cost launches, as many as one tile has.
_NUM_DENSE_SCORES = {"cpu": 256 * 256, "cuda": 4096 * 4096}


class _Chosen(threading.local):
    """What `use_backend` chose in this thread; torch 2.11 cannot compile a look at a ContextVar."""

    backend: Backend | None = None


_chosen = _Chosen()


@contextmanager
def use_backend(backend: str | Backend) -> Iterator[None]:
    """Compute with this backend, gradients of what is computed inside included.

        with anchorwise.engine.use_backend("dense"):
            loss = objective(view0, view1)

    The environment variable ANCHORWISE_BACKEND does the same for a whole process.

    Args:
        backend: "auto", "dense", "tiled", "triton" (experimental, and never what "auto" chooses), or a backend such as
            `Tiled(size=1024)`.

    Raises:
        ValueError: If there is no such backend.
        ModuleNotFoundError: If "triton" is asked for and not installed.
    """
    before = _chosen.backend
    _chosen.backend = _named("backend", backend)
    try:
        yield
    finally:
        _chosen.backend = before


def backend_for(anchors: Tensor, keys: Tensor) -> Backend:
    """Return the backend that computes these rows."""
    forced = _chosen.backend or _named(ENVIRONMENT_VARIABLE, os.environ.get(ENVIRONMENT_VARIABLE, "auto"))
    if forced is not None:
        return forced
    num_dense = _NUM_DENSE_SCORES.get(anchors.device.type, _NUM_DENSE_SCORES["cpu"])
    return Dense() if len(anchors) * len(keys) <= num_dense else Tiled()


def _named(source: str, backend: str | Backend) -> Backend | None:
    if isinstance(backend, Backend):
        return backend
    name = _checks.one_of(source, backend, ("auto", *NAMES))
    return None if name == "auto" else NAMES[name]()
