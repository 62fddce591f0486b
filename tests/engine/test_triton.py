"""The triton backend, in processes of their own: Triton has to know that it interprets before it is imported."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anchorwise.engine import Dense, Tiled, backend, logsumexp_rows, use_backend
from anchorwise.engine.request import LogSumExp
from anchorwise.links import SoftmaxLink
from anchorwise.pairs import Contrast

pytestmark = pytest.mark.whole

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")


def _run(cases: str, *chosen: str, interpret: bool) -> None:
    # Without the options of this run: its shape checks wrap kernels too, which Triton has to read as they are written.
    options = ["-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    program = [sys.executable, "-m", "pytest", *options, str(Path(__file__).with_name(cases)), *chosen]
    environment = {**os.environ, "TRITON_INTERPRET": str(int(interpret))}
    result = subprocess.run(program, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_triton
def test_every_case_holds_under_the_interpreter():
    _run("triton_cases.py", interpret=True)


@pytest.mark.gpu
@needs_triton
def test_every_case_holds_on_a_gpu():
    _run("triton_cases.py", interpret=False)


@needs_triton
def test_a_kernel_compiles_for_every_card_without_a_gpu():
    _run("triton_compiling.py", "-k", "2048", interpret=False)


@pytest.mark.slow
@needs_triton
def test_every_kernel_compiles_for_every_card_without_a_gpu():
    _run("triton_compiling.py", interpret=False)


def test_without_triton_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with (
        use_backend("triton"),
        pytest.raises(ModuleNotFoundError, match=r'needs the package triton.*use_backend\("tiled"\)'),
    ):
        logsumexp_rows(Contrast(torch.ones(4, 2), torch.ones(4, 2)), SoftmaxLink(0.1))


def test_triton_is_never_chosen_unasked():
    for num_rows in (4, 1000):
        rows = torch.ones(num_rows, 2)
        request = LogSumExp(Contrast(rows, rows), SoftmaxLink(0.1))
        assert isinstance(backend.backend_for(request), Dense | Tiled)
