import subprocess
import sys

import pytest
import torch

from anchorwise.methods import METHODS
from tests.methods.ranks_worker import OF_OWN_RANK, trained

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def of_two_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, torch.Tensor]]]:
    folder = tmp_path_factory.mktemp("ranks")
    program = [sys.executable, "-m", "tests.methods.ranks_worker", str(folder)]
    ranks = [subprocess.Popen([*program, str(rank), "2"]) for rank in range(2)]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", [*(name for name in METHODS if name not in OF_OWN_RANK), "in pieces"])
def test_two_uneven_ranks_train_as_one_process_does(of_two_ranks: list, name: str):
    alone = trained("simclr" if name == "in pieces" else name)
    for rank in of_two_ranks:
        for what, value in alone.items():
            torch.testing.assert_close(rank[name][what], value, rtol=1e-10, atol=1e-12, msg=f"{name}: {what}")


@pytest.mark.parametrize("name", sorted(OF_OWN_RANK))
def test_what_draws_among_its_own_rank_is_the_same_on_all(of_two_ranks: list, name: str):
    first, second = (rank[name] for rank in of_two_ranks)
    for what, value in first.items():
        torch.testing.assert_close(second[what], value, rtol=1e-10, atol=1e-12, msg=f"{name}: {what}")
