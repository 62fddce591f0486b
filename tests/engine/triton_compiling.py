"""Every kernel becomes machine code for NVIDIA GPUs, which needs none; test_triton.py runs this in its own process.

Blocks are chosen as they are on such a card, and must fit it: neither more shared memory than a program may have, nor
more than a few registers that are kept in memory.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from anchorwise.engine.triton.blocks import blocks_of, usable_shared_bytes
from anchorwise.engine.triton.exceedances import exceedances_kernel
from anchorwise.engine.triton.gradients import gradients_kernel
from anchorwise.engine.triton.log_sums import log_sums_kernel
from anchorwise.engine.triton.rows import padded_width
from anchorwise.engine.triton.term_sums import term_sums_kernel
from anchorwise.engine.triton.terms import sigmoid_term

# KiB of a program, by compute capability: A100, the smaller Ampere and Ada, Hopper, Blackwell.
SHARED_KIB = {80: 163, 89: 99, 90: 227, 100: 227}
KERNELS = {
    "log_sums": log_sums_kernel,
    "term_sums": term_sums_kernel,
    "gradients": gradients_kernel,
    "exceedances": exceedances_kernel,
}
ROWS = {"anchors", "keys", "rows_at", "others_at"}
WHOLE_NUMBERS = re.compile(r"(num|padded)_\w+|offset|period|upstream_stride")


@dataclass(frozen=True)
class Variant:
    """A kernel as it is asked for."""

    kernel: str
    parts: int = 1
    width: int = 128
    is_plain: bool = False
    num_rows: int = 32768
    learns: bool = False
    num_ids: int = 0
    term: Any = None
    stride: int = 1

    def options(self, shared_bytes: int) -> dict[str, Any]:
        """Return what it is compiled for on a card."""
        blocks = blocks_of(
            *(padded_width(self.width), self.parts, self.num_rows, shared_bytes),
            **{"has_gradient": self.kernel == "gradients", "is_plain": self.is_plain, "size": None},
            is_crowded=self.learns or self.num_ids > 0,
        )
        stride, is_exponential = -1 if self.is_plain else self.stride, self.term is None
        return {
            **{"NUM_IDS": self.num_ids, "HAS_ONLY": self.num_ids > 1, "HAS_PERIOD": True, "TERM": self.term},
            **{"FIRST_STRIDE": stride, "SECOND_STRIDE": stride, "HAS_POWER": is_exponential and not self.is_plain},
            **{"IS_PLAIN": self.is_plain, "RESCORES": is_exponential and self.parts == 1 and not self.is_plain},
            **{"ARE_ANCHORS": True, "ARE_KEYS": True, "BY_ROWS": True, "BY_FIRST": self.learns},
            **{"BY_SECOND": self.learns, "IS_EXPONENTIAL": is_exponential},
            **{"WIDTH": self.width, "PADDED": padded_width(self.width), "PARTS": self.parts},
            **blocks.options,
        }

    def type_of(self, name: str) -> str:
        """Return the type of a kernel's argument."""
        if name in ROWS:
            return "*bf16" if self.parts == 1 else "*fp16"
        if WHOLE_NUMBERS.fullmatch(name):
            return "i32"
        if name == "endpoint" or (self.is_plain and name in ("first_at", "second_at", "slope_at", "power_at")):
            return "fp32"
        return {"anchor_ids": "*i64", "key_ids": "*i64", "hardest_at": "*i32"}.get(name, "*fp32")


SHAPES = [(parts, width) for parts in (1, 2) for width in (128, 512)]
VARIANTS = [
    *(
        Variant(name, *shape, is_plain)
        for name in ("log_sums", "gradients")
        for is_plain in (True, False)
        for shape in SHAPES
    ),
    *(Variant("exceedances", *shape) for shape in SHAPES),
    Variant("log_sums", is_plain=True, num_rows=2048),
    Variant("log_sums", num_ids=2),
    Variant("gradients", num_ids=2, learns=True),
    Variant("gradients", width=256),
    Variant("gradients", 2, 256),
    Variant("gradients", width=1000, learns=True),
    Variant("log_sums", 2, stride=0),
    Variant("term_sums", 2, term=sigmoid_term),
    Variant("gradients", 2, learns=True, term=sigmoid_term),
]


@pytest.mark.parametrize("capability", SHARED_KIB)
@pytest.mark.parametrize("variant", VARIANTS, ids=repr)
def test_kernels_fit_the_cards_they_are_for(variant: Variant, capability: int, tmp_path: Path):
    kernel, shared_bytes = KERNELS[variant.kernel], 1024 * SHARED_KIB[capability]
    options = variant.options(usable_shared_bytes(shared_bytes, capability // 10))
    constants = {name: value for name, value in options.items() if name in kernel.arg_names}
    signature = {name: "constexpr" if name in constants else variant.type_of(name) for name in kernel.arg_names}
    # As torch allocates: pointers to multiples of 16 bytes; and rows are padded.
    aligned = {
        (index,): [["tt.divisibility", 16]]
        for index, (name, kind) in enumerate(signature.items())
        if kind.startswith("*") or name.startswith("padded_")
    }
    compiled = triton.compile(
        ASTSource(kernel, signature, constants, aligned),
        target=GPUTarget("cuda", capability, 32),
        options={name: options[name] for name in ("num_warps", "num_stages")} | {"enable_fp_fusion": True},
    )
    (tmp_path / "kernel.cubin").write_bytes(compiled.asm["cubin"])
    program = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(tmp_path / "kernel.cubin")]
    used = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    registers, spilled = (int(re.findall(rf"{what}:(\d+)", used)[0]) for what in ("REG", "STACK"))
    print(
        f"{variant} on {capability}: {registers} registers, {compiled.metadata.shared} bytes shared, {spilled} spilled"
    )
    assert compiled.metadata.shared <= shared_bytes
    assert spilled <= 256  # Bytes a thread, which has 255 registers.
