"""Compile objectives as one graph; run in a process of its own, since shape checks cannot be traced."""

import torch

from tests.contracts import batches
from tests.contracts.cases import CASES


def compile_all(names: list[str]) -> None:
    cases = {case.name: case for case in CASES}
    for case in (cases[name] for name in names):
        torch.compiler.reset()
        call = case.call(*batches.ordinary())
        compiled = torch.compile(case.objective(), fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(*call.views, **call.given), call.loss(case.objective()), msg=case.name)
