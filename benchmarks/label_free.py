"""What numbers without labels are worth: their rank correlation with the probe and kNN, over runs that are there.

    python -m benchmarks.label_free digits runs/*/ --out label-free.json
    python -m benchmarks.label_free cifar10.tar.gz cifar/runs/*/ --num-train 10000 --out label-free-cifar.json

judges every finished run of the folders (what is judged already is kept in them) and prints a Markdown table. Intervals
are percentiles of a bootstrap over runs; runs of one method and rate resemble each other, so they are rather too short.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from anchorwise import _files
from anchorwise._config import identity
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.label_free import LabelFree
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.evaluation.work import Work
from anchorwise.modalities.encoder import WEIGHTS_FILE
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.registry import rebuild
from anchorwise.modalities.samples import Samples, Splits

NUMBERS = ("effective_rank", "rankme", "alpha_req", "alpha_distance", "lidar", "uniformity", "class_alignment")
ACCURACIES = ("knn", "linear")
NUM_RESAMPLES, LEVEL = 2000, 0.95
CONFIG = EvaluationConfig(
    judges=(Classification.Config(split_seeds=(0,)), *EvaluationConfig().judges[1:], LabelFree.Config())
)


def measured(run: Path, splits: Splits[Samples]) -> dict[str, Any]:
    """Return a run's numbers, and what tells it from others."""
    # Of an earlier version's configuration too, these are where they are.
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    asked = {"label_free": [identity(judge) for judge in CONFIG.judges], "samples": splits.facts().model_dump()}
    work = Work(kept=run / "judged")
    numbers = work.piece(asked, lambda: judged_samples(rebuild(run), splits, CONFIG).numbers)
    facts = {
        "method": config["method"]["name"],
        "peak_lr": config["optimizer"]["peak_lr"],
        "seed": config["train"]["seed"],
    }
    return {**facts, **numbers, "alpha_distance": abs(numbers["alpha_req"] - 1.0)}


def correlation(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> tuple[float, float, float]:
    """Return Spearman's rank correlation with the ends of its bootstrap interval."""
    pairs = np.array([first, second])
    rng = np.random.default_rng(seed)
    resampled = [pairs[:, rng.integers(0, pairs.shape[1], pairs.shape[1])] for _ in range(NUM_RESAMPLES)]
    found = [_rank_correlation(one) for one in resampled if (np.ptp(one, axis=1) > 0).all()]
    low, high = np.percentile(found, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return _rank_correlation(pairs), float(low), float(high)


def _rank_correlation(pairs: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(pairs, axis=1))[0, 1])


def table(runs: Sequence[dict[str, Any]]) -> str:
    """Return the correlations as Markdown."""
    lines = [f"| number | {' | '.join(f'with {name}' for name in ACCURACIES)} |", "|---|---|---|"]
    for number in NUMBERS:
        values = [run[number] for run in runs]
        found = [correlation(values, [run[name] for run in runs]) for name in ACCURACIES]
        cells = [f"{rho:+.2f} [{low:+.2f}, {high:+.2f}]" for rho, low, high in found]
        lines.append(f"| {' | '.join([number, *cells])} |")
    return "\n".join(lines)


def main() -> None:
    """Judge the runs and print what their numbers are worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the images: a data set's name, a folder or an archive")
    parser.add_argument("runs", nargs="+", type=Path, help="run directories; unfinished ones are left out")
    parser.add_argument("--num-train", type=int, help="training images, as many of each class; all if left out")
    parser.add_argument("--num-test", type=int, help="test images, likewise")
    parser.add_argument("--out", type=Path, help="JSON file for all numbers")
    given = parser.parse_args()
    data = DataConfig(source=given.data, num_train_images=given.num_train, num_test_images=given.num_test)
    splits, found = load_splits(data), list[dict[str, Any]]()
    for run in sorted(given.runs):
        if (run / WEIGHTS_FILE).is_file():
            found.append({"run": run.name, **measured(run, splits)})
            print(json.dumps(found[-1]), flush=True)
    print(table(found))
    if given.out is not None:
        _files.write_text(given.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
