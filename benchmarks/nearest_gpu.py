"""Nearest neighbours among a million rows: what a judge of embeddings waits for, on a GPU where there is one.

    python benchmarks/nearest_gpu.py --seconds 40

As many queries as the time allows, of clustered rows as those of an encoder are; from them follows what all would take.
"""

import argparse
import json
import time

import torch
from torch import Tensor

from anchorwise.evaluation.knn import knn_predictions
from anchorwise.evaluation.neighbors import CHUNK_SCORES, nearest, rows_at_once

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
NUM_CENTRES, NOISE = 1000, 1.5
TARGET_S = 20.0


def _clustered(num_rows: int, width: int) -> tuple[Tensor, Tensor]:
    """Return rows and the cluster of each."""
    generator = torch.Generator(DEVICE).manual_seed(0)
    given = {"generator": generator, "device": DEVICE}
    centres, labels = torch.randn(NUM_CENTRES, width, **given), torch.randint(NUM_CENTRES, (num_rows,), **given)
    return torch.randn(num_rows, width, **given).mul_(NOISE).add_(centres[labels]), labels


def _wait() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Search until the time is over, then vote; print both as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40.0, help="of each of the two")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    given = parser.parse_args()
    rows, labels = _clustered(given.rows, given.width)
    for num_neighbors in (10, 200):
        _wait()
        started, num_done = time.perf_counter(), 0
        for found in nearest(rows, rows, num_neighbors=num_neighbors, exclude_self=True):
            num_done = found.first_query + len(found.indices)
            _wait()
            if time.perf_counter() - started > given.seconds / 3:
                break
        spent_s = time.perf_counter() - started
        all_s = spent_s * given.rows / num_done
        known = {"rows": given.rows, "width": given.width, "neighbors": num_neighbors, "device": DEVICE.type}
        done = {"queries": num_done, "s": round(spent_s, 2), "all_s": round(all_s, 1), "met": all_s <= TARGET_S}
        print(json.dumps(known | done), flush=True)
    queries = min(given.rows, 4 * rows_at_once(CHUNK_SCORES, rows))
    started = time.perf_counter()
    knn_predictions(rows, labels, rows[:queries], max_neighbors=min(200, given.rows))
    _wait()
    print(json.dumps({"voted": queries, "s": round(time.perf_counter() - started, 2)}))


if __name__ == "__main__":
    main()
