import gc
import os
from collections.abc import Iterator
from contextlib import nullcontext
from zlib import crc32

import jaxtyping
import pytest
import torch

# A worker of the run has one core, and so has what it starts: threads that wait for work take the cores of the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)
# Modules and tests stay until the end: to look for garbage among them, over and over, takes a tenth of the time.
gc.disable()

# Shapes and types are checked at every call in one test of so many, chosen by its name: in all, they are half the time.
TESTS_FOR_ONE_THAT_CHECKS_SHAPES = 4


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of a report are made and not drawn, which takes most of its time: for tests of something else."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, buffer, **given: buffer.write(b"<svg/>"))


def pytest_report_header() -> list[str]:
    return [] if torch.cuda.is_available() else ["no CUDA device: tests/gpu is not collected"]


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # Libraries complain of what is left at the end.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    checks_shapes = crc32(item.nodeid.encode()) % TESTS_FOR_ONE_THAT_CHECKS_SHAPES == 0
    jaxtyping.config.update("jaxtyping_disable", not checks_shapes)
    return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="there is no CUDA device"))


@pytest.fixture
def without_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast, which no objective lets round anything, does not know the meta device."""
    monkeypatch.setattr(torch, "autocast", lambda *given, **named: nullcontext())


@pytest.fixture
def as_users_call() -> Iterator[None]:
    """Call without the checks of annotations that only tests have: what is refused is refused in our own words."""
    checked = not jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", not checked)
