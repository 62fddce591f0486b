"""Which backend computes: the first that suits a request, or the one that a context or the environment asks for."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from anchorwise import _checks
from anchorwise.engine.dense import Dense
from anchorwise.engine.request import Backend, Request
from anchorwise.engine.tiled.backend import Tiled
from anchorwise.engine.triton.backend import Triton

ENVIRONMENT_VARIABLE = "ANCHORWISE_BACKEND"

# In the order in which they are considered; the last one suits everything.
BACKENDS: dict[str, Backend] = {"triton": Triton(), "tiled": Tiled(), "dense": Dense()}


class _Forced(threading.local):
    """What `use_backend` asks for in this thread; torch 2.11 cannot compile a look at a ContextVar."""

    backend: Backend | None = None


_forced = _Forced()


@contextmanager
def use_backend(backend: str | Backend) -> Iterator[None]:
    """Compute with this backend, gradients of what is computed inside included.

        with anchorwise.engine.use_backend("dense"):
            loss = objective(view0, view1)

    What the backend does not support is computed as "auto" would. The environment variable ANCHORWISE_BACKEND does the
    same for a whole process.

    Args:
        backend: "auto", "dense", "tiled", "triton" (experimental, and never what "auto" chooses), or a backend such as
            `Tiled(size=1024)`.

    Raises:
        ValueError: If there is no such backend.
    """
    before = _forced.backend
    _forced.backend = _named("backend", backend)
    try:
        yield
    finally:
        _forced.backend = before


def backend_for(request: Request) -> Backend:
    """Return the backend that computes the request."""
    forced = _forced.backend or _named(ENVIRONMENT_VARIABLE, os.environ.get(ENVIRONMENT_VARIABLE, "auto"))
    if forced is not None and forced.supports(request):
        return forced
    for backend in BACKENDS.values():
        if backend.suits(request):
            return backend
    raise AssertionError("the dense backend suits everything")


def _named(source: str, backend: str | Backend) -> Backend | None:
    if isinstance(backend, Backend):
        return backend
    name = _checks.one_of(source, backend, ("auto", *reversed(BACKENDS)))
    return None if name == "auto" else BACKENDS[name]
