"""How long `anchorwise diagnose` takes on a million rows, and how much memory: one run in a process of its own.

    python benchmarks/diagnose_million.py --out runs/million

The rows are clustered, as those of an encoder are: 1,000 centres, noise of 1.5 times their spread.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

NUM_CENTRES, NOISE = 1000, 1.5
CHUNK_ROWS = 1 << 16


def main() -> None:
    """Write the rows if they are not there, diagnose them, print what it took as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the rows and the report")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--anchors", type=int, default=2000)
    given = parser.parse_args()
    path = given.out / f"{given.rows}x{given.width}.npy"
    if not path.is_file():
        write_rows(path, given.rows, given.width)
    command = [sys.executable, "-c", "from anchorwise.cli.app import main; main()", "diagnose", str(path)]
    started_s = time.perf_counter()
    subprocess.run([*command, "--set", f"num_anchors={given.anchors}"], check=True, stdout=subprocess.DEVNULL)
    wall_time_s = time.perf_counter() - started_s
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "rows": given.rows,
                "width": given.width,
                "anchors": given.anchors,
                "wall_time_s": round(wall_time_s, 1),
                "cpu_time_s": round(used.ru_utime + used.ru_stime, 1),
                "peak_memory_gib": round(used.ru_maxrss / 2**20, 2),
                "threads": os.environ.get("OMP_NUM_THREADS", "default"),
                "cores": os.cpu_count(),
            }
        )
    )


def write_rows(path: Path, num_rows: int, width: int) -> None:
    """Write clustered rows, a part at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((NUM_CENTRES, width), dtype=np.float32)
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(num_rows, width))
    for start in range(0, num_rows, CHUNK_ROWS):
        part = rows[start : start + CHUNK_ROWS]
        part[:] = centres[rng.integers(NUM_CENTRES, size=len(part))]
        part += NOISE * rng.standard_normal(part.shape, dtype=np.float32)
    rows.flush()


if __name__ == "__main__":
    main()
