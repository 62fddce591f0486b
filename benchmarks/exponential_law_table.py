"""Simulate the table behind the p-values of `anchorwise.tails.likelihood_evidence`; see `tails/exponential_law.py`.

    python benchmarks/exponential_law_table.py

Takes some five minutes on one core and writes `src/anchorwise/tails/exponential_law.json`; the same seed and torch
give the same table.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from torch import Tensor

from anchorwise import _files
from anchorwise.tails.exponential_law import TABLE_FILE, residual_moments

TARGET = Path(__file__).parents[1] / "src" / "anchorwise" / "tails" / TABLE_FILE
NUM_EXCEEDANCES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024, 2048, 4096)
WIDTHS = (
    *(0.0, 0.05, 0.1, 0.14, 0.17, 0.2, 0.23, 0.26, 0.3, 0.34, 0.38, 0.42, 0.46),
    *(0.52, 0.58, 0.64, 0.72, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35),
)
LEVELS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2),
    *(0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999),
)
MAX_TAILS = 400_000
MAX_POINTS = 200_000_000  # Simulated per tail size.
WIDE = 1e4  # Stands for width 0: an endpoint so far away that only the second moment of the tail counts.
FEWEST = 4_000  # Tails without a point beyond the endpoint; with fewer, the next wider endpoint stands in.


def main() -> None:
    """Simulate all tail sizes and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    quantiles = []
    for num_points in NUM_EXCEEDANCES:
        quantiles.append(_quantiles(num_points, generator))
        print(f"{num_points} tail points done", flush=True)
    table = {"levels": LEVELS, "num_exceedances": NUM_EXCEEDANCES, "widths": WIDTHS, "quantiles": quantiles}
    _files.write_text(arguments.out, json.dumps(table, separators=(",", ":")) + "\n")


def _quantiles(num_points: int, generator: torch.Generator) -> list[list[float]]:
    """Return the quantiles of the standardised S for all widths."""
    ratios = [math.log(num_points) / width if width else WIDE for width in WIDTHS]
    num_tails = min(MAX_TAILS, MAX_POINTS // num_points)
    num_chunk = max(1, 2_000_000 // num_points)
    parts = [
        _simulated(min(num_chunk, num_tails - done), num_points, ratios, generator)
        for done in range(0, num_tails, num_chunk)
    ]
    levels, rows = torch.tensor(LEVELS, dtype=torch.float64), []
    for column in torch.cat(parts).T:
        kept = column[column.isfinite()]
        rows.append([round(value, 3) for value in kept.quantile(levels).tolist()] if len(kept) >= FEWEST else rows[-1])
    return rows


def _simulated(num_tails: int, num_points: int, ratios: list[float], generator: torch.Generator) -> Tensor:
    """Return the standardised S of simulated tails, one column for each ratio; infinite where a point lies beyond."""
    x = torch.empty(num_tails, num_points, dtype=torch.float64).exponential_(generator=generator)
    x /= x.mean(dim=1, keepdim=True)
    means, deviations = residual_moments(torch.tensor(ratios, dtype=torch.float64).clamp_min(1.0 + 1e-6))
    columns = []
    for ratio, mean, deviation in zip(ratios, means, deviations, strict=True):
        t = (x / ratio).clamp_max(1.0)
        residual = (-torch.log1p(-t) - t).mean(dim=1)
        columns.append((residual - mean) / deviation * math.sqrt(num_points))
    return torch.stack(columns, dim=1)


if __name__ == "__main__":
    main()
