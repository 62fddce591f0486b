"""The report of the engine's benchmark: tables, what the targets ask for, and the figure of memory against batch size.

    python benchmarks/engine_report.py benchmarks/results/engine_<hardware>_<date>.json

writes report and figure again from results that are there.
"""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from anchorwise.engine.tiled.fused import kernels
from anchorwise.reporting.environment import environment, version

FIGURE = Path(__file__).parents[1] / "docs" / "images" / "engine-memory.png"
Key = tuple[str, int, int]
Runs = list[dict[str, Any]]
BEFORE = ", before"  # What follows the name of a case of another version.


def medians(runs: list[dict[str, Any]], threads: int | None) -> dict[Key, dict[str, float]]:
    """Return the medians over rounds of wall time, process time and extra memory of every case."""
    grouped: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        if run["threads"] == threads and "error" not in run:
            grouped[run["name"], run["rows"], run["dim"]].append(run)
    return {
        key: {name: statistics.median(run[name] for run in of_case) for name in ("wall_s", "process_s", "extra_mib")}
        for key, of_case in grouped.items()
    }


def write_report(path: Path, result: dict[str, Any]) -> None:
    """Write the results, the report beside them, and the figure."""
    if "environment" not in result:
        compiled = {"tile kernels": "none, torch's operations" if kernels() is None else "compiled"}
        result["environment"] = environment() | {name: version(name) for name in result["packages"]} | compiled
    path.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    here = [run for run in result["runs"] if not run["name"].endswith(BEFORE)]
    wall, single = medians(here, None), medians(here, 1)
    lines = [f"# The engine on {result['environment']['processor']}, {result['environment']['cpu_cores']} cores", ""]
    lines += ["Forward and backward of one loss, float32, temperature 0.1; rows are those of both views. Medians.", ""]
    lines += [f"* {name}: {value}" for name, value in result["environment"].items()]
    rates = result["matmul_gflops"]
    lines += [f"* float32 matrix product: {rates['default']:.0f} GFLOP/s, {rates['1']:.0f} with one thread", ""]
    lines += [*_table(wall, single), "", *_against_targets(wall, single, rates)]
    if "before" in result:
        lines += ["", *_beside(result["runs"], result["before"])]
    failed = [run for run in result["runs"] if "error" in run]
    errors = sorted({f"{run['name']}, {run['rows']} x {run['dim']}: {run['error']}" for run in failed})
    lines += ["", *(f"* failed: {error}" for error in errors)]
    path.with_suffix(".md").write_text("\n".join(lines).rstrip() + "\n")
    _figure(wall)


def _table(wall: dict[Key, dict[str, float]], single: dict[Key, dict[str, float]]) -> list[str]:
    lines = ["| rows x width | loss | wall, default threads | of plain | CPU time, one thread | of plain | extra MiB |"]
    lines += ["|---|---|---:|---:|---:|---:|---:|"]
    for (name, rows, dim), found in sorted(wall.items(), key=lambda item: (item[0][1], item[0][2])):
        plain, alone = wall.get(("plain", rows, dim)), single.get((name, rows, dim))
        plain_alone = single.get(("plain", rows, dim))
        ratio = f"{found['wall_s'] / plain['wall_s']:.2f}" if plain else ""
        alone_ratio = f"{alone['process_s'] / plain_alone['process_s']:.2f}" if alone and plain_alone else ""
        alone_time = _ms(alone["process_s"]) if alone else ""
        lines.append(
            f"| {rows} x {dim} | {name} | {_ms(found['wall_s'])} | {ratio} | {alone_time} | {alone_ratio} | "
            f"{found['extra_mib']:.0f} |"
        )
    return lines


def _beside(runs: list[dict[str, Any]], before: str) -> list[str]:
    """Return what this version takes of another one's: medians over rounds, in each of which they took turns."""
    lines = [
        f"## Beside {before}",
        "",
        "Ratios, with the lowest and the highest of all rounds; below 1 this version is faster.",
    ]
    lines += ["", "| rows x width | loss | wall, default threads | CPU time, one thread | extra MiB, before |"]
    lines += ["|---|---|---|---|---:|"]
    found: dict[tuple[Key, int | None], tuple[list[dict[str, Any]], list[dict[str, Any]]]] = defaultdict(
        lambda: ([], [])
    )
    for run in runs:
        name = run["name"].removesuffix(BEFORE)
        found[(name, run["rows"], run["dim"]), run["threads"]][name != run["name"]].append(run)
    for name, rows, dim in sorted({key for (key, _), (_, others) in found.items() if others}, key=lambda key: key[1:]):
        cells, extra = [], ""
        for threads, unit in ((None, "wall_s"), (1, "process_s")):
            of_both = zip(*found[(name, rows, dim), threads], strict=True)
            pairs = [(new, old) for new, old in of_both if "error" not in new and "error" not in old]
            ratios = [new[unit] / old[unit] for new, old in pairs]
            middle = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if pairs else ""
            cells.append(middle)
            if pairs and threads is None:
                extra = f"{statistics.median(old['extra_mib'] for _, old in pairs):.0f}"
        lines.append(f"| {rows} x {dim} | {name} | {cells[0]} | {cells[1]} | {extra} |")
    return lines


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _against_targets(
    wall: dict[Key, dict[str, float]], single: dict[Key, dict[str, float]], rates: dict[str, float]
) -> list[str]:
    """Return what was asked for beside what was measured."""
    info, likelihood, published = "tiled InfoNCE", "tiled WEINCE, likelihood", "tiled WEINCE, published"
    lines = [
        "## What was asked for",
        "",
        "| target | wall, default threads | CPU time, one thread |",
        "|---|---:|---:|",
    ]

    def row(target: str, value: Any) -> None:
        cells = []
        for table, unit in ((wall, "wall_s"), (single, "process_s")):
            try:
                cells.append(value(table, unit))
            except KeyError:
                cells.append("not run")
        lines.append(f"| {target} | {cells[0]} | {cells[1]} |")

    def ratio(name: str, other: str, rows: int, dim: int) -> Any:
        return lambda table, unit: f"{table[name, rows, dim][unit] / table[other, rows, dim][unit]:.2f}"

    row(
        "extra memory at 32768 x 128 at most 200 MiB: InfoNCE",
        lambda table, _: f"{table[info, 32768, 128]['extra_mib']:.0f} MiB",
    )
    row("the same: WEINCE, likelihood", lambda table, _: f"{table[likelihood, 32768, 128]['extra_mib']:.0f} MiB")
    row("InfoNCE at most 0.25 of plain at 8192 x 128", ratio(info, "plain", 8192, 128))
    row("at 512 x 128 no slower than plain", ratio(info, "plain", 512, 128))
    for dim in (128, 512):
        row(f"WEINCE, likelihood, at most 1.5 of InfoNCE at 8192 x {dim}", ratio(likelihood, info, 8192, dim))
        row(f"WEINCE, published, at most 2.3 of InfoNCE at 8192 x {dim}", ratio(published, info, 8192, dim))

    def share(table: dict[Key, dict[str, float]], unit: str) -> str:
        rate = rates["default" if unit == "wall_s" else "1"]
        return f"{4 * 8192**2 * 512 / table[info, 8192, 512][unit] / 1e9 / rate:.0%}"

    row("InfoNCE at least 60 % of the matrix product's rate at 8192 x 512, 4 M^2 D operations", share)
    for rows in (2048, 8192):
        others = [key[0] for key in wall if key[1:] == (rows, 128) and not key[0].startswith("tiled")]

        def fastest(table: Any, unit: str, rows: int = rows, others: list[str] = others) -> str:
            shortest = min(table[name, rows, 128][unit] for name in others)
            return f"{shortest / table[info, rows, 128][unit]:.1f} times as long"

        row(f"InfoNCE faster than every other loss at {rows} x 128: the fastest other takes", fastest)
    return lines


def _figure(wall: dict[Key, dict[str, float]]) -> None:
    """Draw extra memory against the number of rows, at width 128."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for (name, rows, dim), found in sorted(wall.items(), key=lambda item: item[0][1]):
        if dim == 128 and name != "plain, tuned allocator":
            curves[name].append((rows, max(found["extra_mib"], 1.0)))
    for name, points in curves.items():
        ours = name.startswith("tiled")
        axes.plot(*zip(*points, strict=True), marker="o", linewidth=2.2 if ours else 1.0, label=name)
    axes.set(xscale="log", yscale="log", xlabel="rows of both views (2n)", ylabel="memory of one step, MiB")
    axes.set_title("Memory of a loss and its gradient, width 128, float32", fontsize=10)
    axes.set_xticks(sorted({rows for points in curves.values() for rows, _ in points}))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=150)


if __name__ == "__main__":
    results = Path(sys.argv[1])
    write_report(results.with_suffix(""), json.loads(results.read_text()))
