"""What `Weibit(exponent="lagged")` changes: accuracy on digits over paired seeds.

    python benchmarks/lagged_exponent.py --hardware 2-core-epyc

Writes `benchmarks/results/lagged-exponent_<hardware>_<date>.md`.
"""

import argparse
import os
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from anchorwise.evaluation.embed import embed_splits
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.reporting.environment import environment
from anchorwise.training import apply_overrides, pretrain, recipe

RESULTS = Path(__file__).parent / "results"


def knn_accuracies(exponent: str, seeds: int, folder: Path) -> list[float]:
    """Return kNN accuracy in percent on digits for each seed."""
    found = []
    for seed in range(seeds):
        settings = ["objective.name=weibit", f"objective.exponent={exponent!r}", f"train.seed={seed}"]
        config = apply_overrides(recipe("digits"), settings)
        directory = pretrain(config, folder / f"{exponent}-{seed}", show_progress=False)
        stored = directory.encoder()
        judged = evaluate(*embed_splits(stored, load_splits(config.data)))
        found.append(100.0 * judged.knn.accuracy.mean)
    return found


def main() -> None:
    """Measure it and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--hardware", default=f"{os.cpu_count()}-core", help="for the name of the file")
    arguments = parser.parse_args()
    lines = ["# A lagged exponent: what it changes", ""]
    lines += [f"* {name}: {value}" for name, value in environment().items()]
    with tempfile.TemporaryDirectory() as folder:
        found = {name: knn_accuracies(name, arguments.seeds, Path(folder)) for name in ("batch", "lagged")}
    lines += [
        "",
        "Digits, the `digits` recipe, kNN in %:",
        "",
        "| seed | batch | lagged | difference |",
        "|---|---:|---:|---:|",
    ]
    differences = [late - own for own, late in zip(found["batch"], found["lagged"], strict=True)]
    for seed, (own, late) in enumerate(zip(found["batch"], found["lagged"], strict=True)):
        lines.append(f"| {seed} | {own:.2f} | {late:.2f} | {late - own:+.2f} |")
    spread = statistics.stdev(differences) / len(differences) ** 0.5
    lines += ["", f"Mean difference {statistics.fmean(differences):+.2f}, standard error {spread:.2f}."]
    name = f"lagged-exponent_{arguments.hardware}_{datetime.now(UTC):%Y-%m-%d}.md"
    (RESULTS / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
