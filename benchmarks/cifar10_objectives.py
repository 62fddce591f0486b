"""Objectives side by side on real CIFAR-10 with the small encoder: does the correction beat a tuned temperature?

    python benchmarks/cifar10_objectives.py --data FOLDER_OR_TAR --out runs/cifar10-objectives

Every objective trains once with seed 0. The three with the best kNN accuracy on validation parts of the training
images, and the best InfoNCE, train twice more. Test images are scored at the end of each run and choose nothing. Runs
are run directories: a stopped study goes on where it was.
"""

import argparse
import json
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from anchorwise.data.datasets import load_splits
from anchorwise.evaluation.embed import embed_splits
from anchorwise.evaluation.judge import Evaluation, evaluate
from anchorwise.training import ObjectiveConfig, RunConfig, RunDirectory, pretrain, recipe

Params = dict[str, Any]

INFO_NCE = {
    f"InfoNCE, tau {tau}": ObjectiveConfig(name="info_nce", params={"temperature": tau}) for tau in (0.1, 0.2, 0.5)
}
PUBLISHED: Params = {"name": "weince", "gate": "published", "exponent": "unit"}
LIKELIHOOD: Params = {"name": "weince", "gate": "likelihood", "exponent": "batch"}


def _plain(params: Params) -> ObjectiveConfig:
    return ObjectiveConfig(name=params["name"], params={key: value for key, value in params.items() if key != "name"})


def _regularised(params: Params) -> ObjectiveConfig:
    """Both regularisers as in the paper's runs: weights 0.5, 50 negatives, the weibit exponent from the batch."""
    weibit = {"name": "weibit", "exponent": {"name": "pooled"}, "num_hardest": 50}
    softmax = {"name": "info_nce", "temperature": params["temperature"], "num_hardest": 50}
    return ObjectiveConfig(
        name="hardest_regularised", params={"objective": params, "weibit": weibit, "softmax": softmax}
    )


def _objectives() -> dict[str, ObjectiveConfig]:
    objectives = dict(INFO_NCE)
    objectives["Weibit, batch Hill exponent"] = ObjectiveConfig(name="weibit", params={"exponent": "batch"})
    for name, params in (("published", PUBLISHED), ("likelihood", LIKELIHOOD)):
        for tau in (0.2, 0.5):
            label = f"WEINCE, {name} gate, tau {tau}"
            objectives[label] = _plain({**params, "temperature": tau})
            objectives[f"{label}, regularised"] = _regularised({**params, "temperature": tau})
    objectives["InfoNCE, tau 0.2, regularised"] = _regularised({"name": "info_nce", "temperature": 0.2})
    objectives["InfoNCE, tau 0.5, regularised"] = _regularised({"name": "info_nce", "temperature": 0.5})
    objectives["Weibit, anchor Hill exponent"] = ObjectiveConfig(name="weibit", params={"exponent": "anchor"})
    return objectives


def _run(label: str, objective: ObjectiveConfig, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    base = recipe("cifar10-small")
    config: RunConfig = base.model_copy(
        update={
            "objective": objective,
            "data": base.data.model_copy(update={"source": arguments.data}),
            "train": base.train.model_copy(update={"seed": seed, "knn_every_epochs": 0}),
        }
    )
    folder = "".join(letter if letter.isalnum() or letter == "." else "-" for letter in label.lower())
    directory = pretrain(config, arguments.out / f"{folder}-seed{seed}", show_progress=False)
    evaluation, summary = _evaluated(directory), directory.summary()
    return {
        "objective": label,
        "seed": seed,
        "validation_knn": statistics.fmean(evaluation.knn.validation_accuracies),
        "knn": evaluation.knn.accuracy.mean,
        "linear": evaluation.linear.accuracy.mean,
        "recall_at_1": evaluation.recall[1],
        "effective_rank": evaluation.geometry.effective_rank,
        "hardest_score": summary["hardest_score"],
        "lambda": summary.get("lambda"),
        "exponent": summary.get("exponent"),
        "train_time_s": summary["train_time_s"],
    }


def _evaluated(directory: RunDirectory) -> Evaluation:
    file = directory.path / "evaluation.json"
    if file.is_file():
        return Evaluation.load(file)
    stored = directory.encoder()
    evaluation = evaluate(*embed_splits(stored.encoder, stored.spec, load_splits(directory.config().data)))
    evaluation.save(file)
    return evaluation


def _chosen(rows: list[dict[str, Any]]) -> list[str]:
    """Name the three best by validation accuracy, and the best InfoNCE."""
    ranked = [row["objective"] for row in sorted(rows, key=lambda row: -row["validation_knn"])]
    best_info_nce = next(label for label in ranked if label in INFO_NCE)
    return list(dict.fromkeys([*ranked[:3], best_info_nce]))


def _table(rows: list[dict[str, Any]]) -> str:
    """Return every run as a row of a Markdown table, accuracies in percent."""
    lines = [
        "| objective | seed | kNN, validation | kNN | linear | recall@1 | effective rank | hardest negative | lambda "
        "| exponent | s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        percent = [f"{100 * row[name]:.2f}" for name in ("validation_knn", "knn", "linear", "recall_at_1")]
        tail = [f"{row['effective_rank']:.1f}", f"{row['hardest_score']:.3f}"]
        learnt = ["" if row[name] is None else f"{row[name]:.2f}" for name in ("lambda", "exponent")]
        cells = [row["objective"], str(row["seed"]), *percent, *tail, *learnt, f"{row['train_time_s']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _one_share(num_workers: int) -> None:
    torch.set_num_threads(max((os.cpu_count() or 1) // num_workers, 1))


def main() -> None:
    """Run the study and write its rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", required=True, help="CIFAR-10 as a folder or tar of class folders in train/ and test/"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/cifar10-objectives"))
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, each on its share of the cores")
    arguments = parser.parse_args()
    objectives = _objectives()
    with ProcessPoolExecutor(arguments.workers, get_context("spawn"), _one_share, (arguments.workers,)) as pool:
        first = [pool.submit(_run, label, objective, 0, arguments) for label, objective in objectives.items()]
        rows = [run.result() for run in first]
        again = [(label, seed) for seed in (1, 2) for label in _chosen(rows)]
        later = [pool.submit(_run, label, objectives[label], seed, arguments) for label, seed in again]
        rows += [run.result() for run in later]
    (arguments.out / "rows.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (arguments.out / "table.md").write_text(_table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
