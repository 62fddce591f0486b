import sys

import pytest
import torch

from anchorwise.comparison.memory import peak_mib


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from Linux's /proc")
def test_the_peak_of_known_tensors_is_found():
    # 128 MiB at once, then 32 MiB; resident memory is good to a few MiB.
    peak = peak_mib(lambda: [torch.ones(32, 2**20).sum(), torch.ones(8, 2**20).sum()], torch.device("cpu"))
    assert peak == pytest.approx(128, abs=8)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from Linux's /proc")
def test_work_that_takes_nothing_has_no_peak():
    peak = peak_mib(lambda: None, torch.device("cpu"))
    assert peak is not None
    assert peak < 4
