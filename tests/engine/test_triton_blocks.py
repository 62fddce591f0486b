"""Sizes of blocks, which need no GPU and no Triton."""

from itertools import product

import pytest

from anchorwise.engine.triton.blocks import blocks_of, usable_shared_bytes


@pytest.mark.parametrize("kib", [99, 163, 227])
def test_blocks_fit_every_width_of_rows_on_every_card(kib: int):
    for padded, parts, has_gradient, is_plain, size in product(
        (16, 32, 64, 128, 256, 512, 640, 4096), (1, 2), (True, False), (True, False), (None, 16, 64, 128)
    ):
        kind = {"has_gradient": has_gradient, "is_plain": is_plain, "is_crowded": not is_plain, "size": size}
        blocks = blocks_of(padded, parts, 32768, 1024 * kib, **kind)
        assert blocks.shared_bytes(padded, parts) <= 1024 * kib
        assert padded % blocks.depth == 0
        assert bool(blocks.span) == has_gradient
        assert size in (None, blocks.rows)


def test_few_rows_have_smaller_blocks_so_that_more_of_a_gpu_works():
    kind = {"has_gradient": False, "is_plain": True, "is_crowded": False, "size": None}
    few, many = (blocks_of(128, 1, num_rows, usable_shared_bytes(227 * 1024, 9), **kind) for num_rows in (2048, 32768))
    assert few.rows < many.rows


def test_blackwell_keeps_memory_for_what_its_tensor_cores_are_given():
    assert usable_shared_bytes(227 * 1024, 10) < usable_shared_bytes(227 * 1024, 9)
