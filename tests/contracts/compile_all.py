"""Compile every objective under contract as one graph; run as a program, since shape checks cannot be traced."""

import torch

from tests.contracts import batches
from tests.contracts.cases import CASES

for case in CASES:
    torch.compiler.reset()
    batch = batches.ordinary()
    compiled = torch.compile(case.objective(), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*batch), case.objective()(*batch))
    print(case.name)
