import threading

import pytest
import torch

from anchorwise import engine
from anchorwise._precision import full_precision
from anchorwise.engine import Dense, Tiled, use_backend
from anchorwise.pairs import Contrast, unit_rows

CPU = torch.device("cpu")
MATMUL = torch.backends.mkldnn.matmul


@pytest.fixture(autouse=True)
def _as_before():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("backend", [Dense(), Tiled(size=512)], ids=repr)
def test_float32_scores_are_exact_whatever_the_caller_lets_torch_round(backend):
    rows = unit_rows(torch.randn(1024, 512, generator=torch.Generator().manual_seed(0)))
    results = []
    for precision in ("highest", "medium"):
        torch.set_float32_matmul_precision(precision)
        with use_backend(backend):
            results.append(engine.tail_rows(Contrast(rows, rows), 9).scores)
    assert torch.equal(*results)


def test_the_callers_choice_is_back_after_the_last_of_several_threads():
    torch.set_float32_matmul_precision("medium")
    inside, leave = threading.Barrier(2), threading.Event()

    def other() -> None:
        with full_precision(CPU):
            inside.wait()
            leave.wait()

    thread = threading.Thread(target=other)
    thread.start()
    with full_precision(CPU):
        inside.wait()
    assert MATMUL.fp32_precision == "ieee"  # The other thread still multiplies.
    leave.set()
    thread.join()
    assert MATMUL.fp32_precision == "bf16"
    with pytest.raises(KeyError), full_precision(CPU):
        raise KeyError
    assert MATMUL.fp32_precision == "bf16"
    assert torch.get_float32_matmul_precision() == "medium"
