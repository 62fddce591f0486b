"""Accuracy of methods against what a step of them costs: a table and a picture from kept results and steps timed now.

    OMP_NUM_THREADS=1 python benchmarks/methods_cost.py --data cifar10.tar.gz --hardware 2-core-epyc

Every method of `compare-methods` takes a step in turn, round after round, in one process; a step's cost is the median
of its processor time on a CPU, of its wall time on a GPU. Accuracies are those of the kept results; methods that have
none are timed as well. Writes `benchmarks/results/methods-cost_HARDWARE_DATE.{md,json}` and
`docs/images/methods-cost.png`.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any

import matplotlib.pyplot as plt
import torch

from anchorwise import _files
from anchorwise._device import as_device
from anchorwise.comparison import Study, Workplace, study_recipe
from anchorwise.comparison.fingerprint import loaded
from anchorwise.comparison.memory import peak_mib
from anchorwise.comparison.summary import Standing, Summary
from anchorwise.comparison.work import first_batch
from anchorwise.evaluation.registry import metrics_of
from anchorwise.reporting.environment import environment
from anchorwise.training import RunConfig, apply_overrides
from anchorwise.training.distributed import Ranks
from anchorwise.training.state import initial_state
from anchorwise.training.step import train_step

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "studies" / "methods"
DATA_SET = "cifar10"
BASELINE = "simclr"
_LINE = 0.9  # Points of accuracy that a line of text takes in the picture.


def main() -> None:
    """Time, read, write."""
    asked = _arguments()
    study = apply_overrides(study_recipe("compare-methods"), [f"data_sets.{DATA_SET}.source={asked.data}"])
    costs = step_costs(study, num_rounds=asked.rounds)
    known = Workplace(study, RESULTS.parent, RESULTS).known()
    standings = {one.objective: one for one in Summary(study, known).standings[DATA_SET]}
    rows = [_row(standings[name], cost, costs[BASELINE]) for name, cost in costs.items()]
    date = datetime.now(UTC).date().isoformat()
    name = f"methods-cost_{asked.hardware}_{date}"
    here = {key: value for key, value in environment().items() if key != "command"}  # It says where the data lie.
    facts = {"environment": here, "rounds": asked.rounds, "rows": rows}
    _files.write_text(ROOT / "benchmarks" / "results" / f"{name}.json", json.dumps(facts, indent=1) + "\n")
    _files.write_text(ROOT / "benchmarks" / "results" / f"{name}.md", _page(rows, asked, date))
    _draw([row for row in rows if row["knn"] is not None], ROOT / "docs" / "images" / "methods-cost.png")


def step_costs(study: Study, *, num_rounds: int) -> dict[str, dict[str, float | None]]:
    """Return seconds of a step and MiB of its peak memory, by contender."""
    steps, costs = {}, {}
    for name, contender in study.objectives.items():
        config = study.run_config(DATA_SET, name, contender.grid[0], seed=0)
        steps[name], memory = _step(config)
        costs[name] = {"peak_mib": memory}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(num_rounds):
        for name, step in steps.items():
            times[name].append(step())
    return {name: {"step_s": median(times[name]), **cost} for name, cost in costs.items()}


def _step(config: RunConfig) -> tuple[Callable[[], float], float | None]:
    """Return what takes a step and says how long it took, and the peak memory of one."""
    device = as_device(config.train.device)
    splits, _ = loaded(config)
    state = initial_state(config, splits.pretrain, device)
    batch = first_batch(state.views, splits.pretrain, config.train.batch_size)
    clock = time.perf_counter if device.type == "cuda" else time.process_time

    def step() -> float:
        started_s = clock()
        train_step(state, state.model, batch, config, Ranks(0, 1, device)).outcome.loss.item()  # Waits for it.
        return clock() - started_s

    step()  # The first warms up.
    return step, peak_mib(step, device)


def _row(standing: Standing, cost: dict[str, Any], baseline: dict[str, Any]) -> dict[str, Any]:
    """Return a line of the table; accuracies are None where not all seeds are there."""
    metrics, is_whole = metrics_of(standing.study.judges), not standing.failures
    means = {
        name: metrics[name].factor * fmean(standing.values(metrics[name]).values()) if is_whole else None
        for name in ("knn", "linear")
    }
    return {
        "label": standing.label,
        "choice": standing.choice if is_whole else "",
        **means,
        "step_ms": 1000.0 * cost["step_s"],
        "of_baseline": cost["step_s"] / baseline["step_s"],
        "peak_mib": cost["peak_mib"],
    }


def _page(rows: list[dict[str, Any]], asked: argparse.Namespace, date: str) -> str:
    here, train = environment(), study_recipe("compare-methods").train
    lines = [
        "# What methods cost, and what they reach",
        "",
        f"{date}. {here['processor']}, accelerator: {here['accelerator']}, torch {here['torch']}, "
        f"Python {here['python']}; batches of {train.batch_size}. Median of {asked.rounds} rounds",
        "in which every method takes a step in turn.",
        "",
        f"    OMP_NUM_THREADS={torch.get_num_threads()} python benchmarks/methods_cost.py --data cifar10.tar.gz "
        f"--hardware {asked.hardware} --rounds {asked.rounds}",
        "",
        "| method | chosen | kNN % | linear % | step, ms | of SimCLR's | images/s | memory of a step, MiB |",
        "|---|---|---|---|---|---|---|---|",
        *(_line(row, train.batch_size) for row in rows),
        "",
        "Accuracies: means over the seeds that judge, where all are there; intervals are on the page of the study.",
        "",
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any], batch_size: int) -> str:
    knn, linear = ("" if row[name] is None else f"{row[name]:.1f}" for name in ("knn", "linear"))
    memory = "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"
    rate = batch_size / row["step_ms"] * 1000.0
    return (
        f"| {row['label']} | {row['choice']} | {knn} | {linear} | {row['step_ms']:.0f} | {row['of_baseline']:.2f} "
        f"| {rate:.0f} | {memory} |"
    )


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(7.6, 5.2))
    dearest = max(row["of_baseline"] for row in rows)
    lowest = dict[int, float]()  # Of the labels in a column, from the top down: none lies on another.
    for row in sorted(rows, key=lambda row: -row["knn"]):
        x, y = row["of_baseline"], row["knn"]
        column = round(2.5 * x / dearest)
        at = lowest[column] = min(y, lowest.get(column, 100.0) - _LINE)
        axes.plot(x, y, "o", color="#2C6FB0", markersize=5)
        axes.annotate(
            row["label"],
            (x, y),
            xytext=(x + 0.05 * dearest, at),
            fontsize=8,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
        )
    axes.set_xlabel("time of a step, of SimCLR's")
    axes.set_ylabel("kNN accuracy, %")
    axes.set_xlim(0.0, 1.25 * dearest)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150, bbox_inches="tight")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="CIFAR-10, as `anchorwise compare --data` takes it")
    parser.add_argument("--hardware", required=True, help="what the page calls the machine")
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
