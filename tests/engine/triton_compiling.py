"""Every kernel becomes machine code for NVIDIA GPUs, which needs none; test_triton.py runs this in its own process."""

from typing import Any

import pytest
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from anchorwise.engine.triton import exceedances, gradients, sums
from anchorwise.engine.triton.setting import BLOCKS

# What a program may have on the smallest card of the two architectures, compute capability 8.6 and 8.9.
SHARED_BYTES = 99 * 1024
ROLES = {"ARE_ANCHORS": True, "ARE_KEYS": True, "BY_ROWS": True, "BY_SLOPE": True, "BY_POWER": True}
FACTORS = {"anchors", "keys", "rows_at", "others_at"}
TYPES = {"anchor_ids": "*i64", "key_ids": "*i64", "hardest_at": "*i32", "endpoint": "fp32"}


def _type_of(name: str, products: str) -> str:
    if name in FACTORS:
        return "*bf16" if products == "bfloat16" else "*fp32"
    return TYPES.get(name, "i32" if name in ("num_anchors", "num_keys", "num_rows", "num_others") else "*fp32")


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize(("products", "width"), [("float32", 100), ("bfloat16", 128), ("bfloat16", 512)])
@pytest.mark.parametrize("kernel", [sums._sums_kernel, exceedances._exceedances_kernel, gradients._gradient_kernel])
def test_kernels_compile_within_the_memory_of_every_card(kernel, products: str, width: int, architecture: int):
    blocks = BLOCKS[products]
    options = blocks.of_width(width)
    warps = {"num_warps": options.pop("num_warps"), "enable_fp_fusion": True}
    chosen: dict[str, Any] = {**options, **ROLES, "NUM_EXCLUDED": 2, "RESCORES": products == "bfloat16"}
    chosen |= {"HAS_POWER": True, "SPAN": blocks.span_of_width(width)}
    constants = {name: value for name, value in chosen.items() if name in kernel.arg_names}
    signature = {name: "constexpr" if name in constants else _type_of(name, products) for name in kernel.arg_names}
    # As torch allocates: pointers to multiples of 16 bytes.
    aligned = {
        (index,): [["tt.divisibility", 16]] for index, name in enumerate(signature) if signature[name].startswith("*")
    }
    source = ASTSource(kernel, signature, constants, aligned)
    compiled = triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=warps)
    assert len(compiled.asm["cubin"]) > 0
    assert compiled.metadata.shared <= SHARED_BYTES
