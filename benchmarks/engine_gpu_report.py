"""The page of the engine's benchmark on a GPU: what was asked for, what was measured, and all numbers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Runs = dict[tuple[str, int, int], dict[str, Any]]


@dataclass(frozen=True)
class Target:
    """What was asked for.

    Attributes:
        name: Of the case.
        rows: Of both views.
        dim: Their width.
        limit: Of the value, which must not exceed it unless it is a share.
        of: "ms", "plain" for a multiple of plain's time, "mib", or "share" of the rate of bfloat16 products, over
            6 M^2 D operations, which must be reached.
    """

    name: str
    rows: int
    dim: int
    limit: float
    of: str = "ms"

    def value(self, runs: Runs, rate: float) -> float | None:
        """Return what was measured; None where it was not."""
        run = runs.get((self.name, self.rows, self.dim), {})
        if "ms" not in run:
            return None
        if self.of == "mib":
            return run["extra_mib"]
        if self.of == "share":
            return 6 * self.rows**2 * self.dim / (run["ms"] * 1e9) / rate
        if self.of == "plain":
            plain = runs.get(("plain", self.rows, self.dim), {})
            return run["ms"] / plain["ms"] if "ms" in plain else None
        return run["ms"]

    def row(self, runs: Runs, rate: float) -> str:
        """Return the row of the table."""
        value, is_share = self.value(runs, rate), self.of == "share"
        met = (
            "not run"
            if value is None
            else "yes"
            if (value >= self.limit if is_share else value <= self.limit)
            else "no"
        )
        sign = ">=" if is_share else "<="
        found = "" if value is None else self._shown(value)
        return f"| {self.name}, {self.rows} x {self.dim} | {sign} {self._shown(self.limit)} | {found} | {met} |"

    def _shown(self, value: float) -> str:
        if self.of == "share":
            return f"{value:.0%} of bfloat16 products"
        unit = {"ms": "ms", "mib": "MiB", "plain": "x plain"}[self.of]
        return f"{value:.3g} {unit}"


TARGETS = [
    *(Target("InfoNCE, default", rows, 128, 1.0, "plain") for rows in (512, 2048)),
    *(Target("WEINCE, default", rows, 128, 1.5, "plain") for rows in (512, 2048)),
    *(Target("InfoNCE, default, CUDA graph", rows, 128, 0.08) for rows in (512, 2048)),
    *(Target("WEINCE, default, CUDA graph", rows, 128, 0.15) for rows in (512, 2048)),
    Target("InfoNCE, Triton bfloat16", 32768, 128, 1.6),
    Target("InfoNCE, Triton float32", 32768, 128, 8.0),
    Target("WEINCE, Triton bfloat16", 32768, 128, 4.0),
    Target("Weibit, Triton bfloat16", 32768, 128, 4.0),
    Target("WEINCE published, default", 8192, 128, 10.0),
    Target("InfoNCE, Triton bfloat16", 65536, 128, 6.0),
    Target("InfoNCE, Triton bfloat16", 65536, 512, 24.0),
    Target("InfoNCE, Triton bfloat16", 32768, 128, 0.75, "share"),
    Target("InfoNCE, default", 65536, 128, 200.0, "mib"),
    Target("InfoNCE, Triton bfloat16", 65536, 128, 200.0, "mib"),
]


def page_path(found: dict[str, str]) -> Path:
    """Return where the page of this card and day goes."""
    words = found["accelerator"].lower().replace("(", " ").split()
    card = next((word for word in words if any(sign.isdigit() for sign in word)), "no-gpu")
    return RESULTS / f"engine_{card}_{found['date'][:10]}.md"


def write_page(path: Path, result: dict[str, Any]) -> str:
    """Write the page and, beside it, its numbers; return the table of targets."""
    runs = {(run["name"], run["rows"], run["dim"]): run for run in result["runs"]}
    rate = result["matmul_tflops"]["bfloat16"]
    targets = ["| case | target | measured | met |", "|---|---|---|---|", *(each.row(runs, rate) for each in TARGETS)]
    lines = [f"# The engine on {result['environment']['accelerator']}", ""]
    lines += [
        "Forward and backward of one loss on embeddings that are there: float32, temperature 0.1; rows are those of"
    ]
    lines += [
        "both views. Medians over steps in turn, launches included; memory is the peak above what is there before."
    ]
    lines += ["", *(f"* {name}: {value}" for name, value in result["environment"].items())]
    rates = ", ".join(f"{name} {value:.0f}" for name, value in result["matmul_tflops"].items())
    lines += [f"* matrix products of 8192, TFLOP/s: {rates}", "", "## What was asked for", "", *targets, ""]
    lines += ["## All cases", "", "| rows x width | loss | ms | of plain | MiB |", "|---|---|---:|---:|---:|"]
    lines += [_row(run, runs) for run in result["runs"] if "ms" in run]
    left_out = [run for run in result["runs"] if "error" in run]
    lines += ["", *(f"* left out: {run['name']}, {run['rows']} x {run['dim']}: {run['error']}" for run in left_out)]
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return "\n".join(targets)


def _row(run: dict[str, Any], runs: Runs) -> str:
    plain = runs.get(("plain", run["rows"], run["dim"]), {})
    of_plain = f"{run['ms'] / plain['ms']:.2f}" if "ms" in plain else ""
    memory = "" if "CUDA graph" in run["name"] else f"{run['extra_mib']:.0f}"
    return f"| {run['rows']} x {run['dim']} | {run['name']} | {run['ms']:.3f} | {of_plain} | {memory} |"
