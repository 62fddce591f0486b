"""Compile objectives under contract as one graph; run as a program, since shape checks cannot be traced."""

import sys

import torch

from anchorwise.objectives import OBJECTIVES
from tests.contracts import batches
from tests.contracts.cases import CASES

for case in CASES:
    if case.name not in OBJECTIVES and "all" not in sys.argv:
        continue
    torch.compiler.reset()
    call = case.call(*batches.ordinary())
    compiled = torch.compile(case.objective(), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*call.views, **call.given), call.loss(case.objective()))
    print(case.name)
