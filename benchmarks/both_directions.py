"""CLIP's loss of rows and of columns: this version, another one, and OpenCLIP's formula, in turn.

    OMP_NUM_THREADS=1 python benchmarks/both_directions.py --hardware 2-core-epyc --than ../old/src --than-name bc8ab42

Each case is a process of its own (`benchmarks/engine_cases.py`), of one thread, so that its CPU seconds are its own.
Writes `benchmarks/results/both-directions_HARDWARE_DATE.md`. OpenCLIP is left out where it is not installed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from anchorwise import _files
from anchorwise.reporting.environment import environment

CASES = Path(__file__).parent / "engine_cases.py"
RESULTS = Path(__file__).parent / "results"
SIZES = ((256, 512), (1024, 512), (4096, 128), (4096, 512))  # Pairs and width.


def measured(name: str, num_pairs: int, width: int, source: Path | None) -> dict[str, float]:
    """Return what a process finds that imports the package from there; None is where this one does."""
    variables = os.environ if source is None else {**os.environ, "PYTHONPATH": str(source.resolve())}
    command = [sys.executable, str(CASES), name, str(2 * num_pairs), str(width), "--threads", "1", "--seconds", "2"]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def _milliseconds(seconds: list[float]) -> str:
    found = 1e3 * statistics.median(seconds)
    return f"{found:,.0f} ms" if found >= 100.0 else f"{found:.1f} ms"


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", required=True)
    parser.add_argument("--than", type=Path, required=True, help="the folder with the other version's package")
    parser.add_argument("--than-name", required=True, help="what the page calls it")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    contenders: dict[str, tuple[str, Path | None]] = {
        "this version": ("tiled CLIP", None),
        arguments.than_name: ("tiled CLIP", arguments.than),
    }
    if find_spec("open_clip"):
        contenders["open_clip"] = ("open_clip", None)
    others = [*contenders][1:]
    date, here = datetime.now(UTC).date().isoformat(), environment()
    lines = [
        f"# Both directions between views ({arguments.hardware}, {date})",
        "",
        f"Written by `benchmarks/both_directions.py --than-name {arguments.than_name}`: CLIP's loss of pairs, forward",
        f"and backward, at a fixed temperature of 0.1. CPU seconds of one thread, medians over {arguments.rounds}",
        "rounds in which the contenders take turns; ratios are medians of those within a round, with the lowest and",
        f"the highest. Memory is what each takes above the start. torch {here['torch']}, {here['processor']}.",
        "",
        f"| pairs x width | this version | of {' | of '.join(others)} | {' | '.join(others)} | memory, MiB |",
        "|---|---|" + "---|" * (2 * len(contenders) - 1),
    ]
    for num_pairs, width in SIZES:
        rounds = [
            {name: measured(case, num_pairs, width, source) for name, (case, source) in contenders.items()}
            for _ in range(arguments.rounds)
        ]
        seconds = {name: [each[name]["process_s"] for each in rounds] for name in contenders}
        ours = seconds["this version"]
        cells = [f"{num_pairs:,} x {width}", _milliseconds(ours)]
        for name in others:
            ratios = [one / other for one, other in zip(ours, seconds[name], strict=True)]
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        cells += (_milliseconds(seconds[name]) for name in others)
        extra = (statistics.median(each[name]["extra_mib"] for each in rounds) for name in contenders)
        lines.append(f"| {' | '.join([*cells, ', '.join(f'{mib:.0f}' for mib in extra)])} |")
        _files.write_text(RESULTS / f"both-directions_{arguments.hardware}_{date}.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
