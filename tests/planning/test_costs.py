import pytest
import torch
from typer.testing import CliRunner

from anchorwise import planning
from anchorwise.cli.app import app


def test_tiled_memory_grows_with_the_rows_and_dense_memory_with_their_square():
    small, large = ({cost.name: cost for cost in planning.plan(rows, 128, time_steps=False)} for rows in (8192, 32768))
    assert large["tiled InfoNCE"].memory_bytes < 4.1 * small["tiled InfoNCE"].memory_bytes
    assert large["tiled InfoNCE"].memory_bytes < 200 * 2**20
    assert large["dense InfoNCE"].memory_bytes > 15 * small["dense InfoNCE"].memory_bytes
    assert all(cost.time_s is None for cost in small.values())


def test_steps_are_timed_and_ranks_share_the_tiled_work_alone():
    alone, shared = ({cost.name: cost.time_s for cost in planning.plan(128, 8, world_size=size)} for size in (1, 1000))
    timed = [time_s for time_s in alone.values() if time_s is not None]
    assert len(timed) >= 2
    assert min(timed) > 0
    assert shared["tiled InfoNCE"] < alone["tiled InfoNCE"] / 10
    assert shared["dense InfoNCE"] > alone["dense InfoNCE"] / 10


def test_what_makes_no_batch_is_refused():
    with pytest.raises(ValueError, match="num_rows must be a whole number of at least 1, got 0"):
        planning.plan(0, 128)
    with pytest.raises(ValueError, match=r"dtype must be torch.float32 or torch.float64.*got torch.float16"):
        planning.plan(8, 128, torch.float16)
    with pytest.raises(ValueError, match="device must be 'auto' or a torch device of this machine, got 'cuda:99'"):
        planning.plan(8, 128, device="cuda:99")


def test_the_command_prints_a_row_for_every_loss():
    result = CliRunner().invoke(app, ["plan", "256", "--dim", "16"])
    assert result.exit_code == 0
    for name in ("tiled InfoNCE", "dense InfoNCE", "lightly", "KiB", "yes"):
        assert name in result.output
