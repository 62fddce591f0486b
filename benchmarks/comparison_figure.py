"""Draw what a kept study came to, for the README: accuracy against temperature, and differences from the baseline.

    python benchmarks/comparison_figure.py benchmarks/studies/cifar10 docs/images/cifar10-comparison.png

The study is `compare-cifar10-small`, or a JSON file given as third argument. Nothing is trained.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anchorwise.comparison import Workplace, load_study, study_recipe
from anchorwise.comparison.summary import NAMES, Summary
from anchorwise.reporting.figures import BLUE, GREEN, GREY, ORANGE, PURPLE

# What is drawn against temperature, if the study has it.
CURVES = {
    "info_nce": (BLUE, "o-"),
    "info_nce_reg": (BLUE, "o:"),
    "weince_published": (GREY, "s--"),
    "weince": (ORANGE, "D-"),
    "weince_reg": (ORANGE, "D:"),
}
LEVELS = {"weibit": (GREEN, "-."), "arctanh": (PURPLE, "--")}


def main() -> None:
    """Read the results and write the picture."""
    results, picture, *file = map(Path, sys.argv[1:])
    study = load_study(file[0]) if file else study_recipe("compare-cifar10-small")
    summary = Summary(study, Workplace(study, results.parent, results).known())
    (data_set,) = study.data_sets
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_grid(left, summary, data_set)
    _draw_differences(right, summary, data_set)
    figure.legend(loc="outside lower left", ncols=4, fontsize=8, frameon=False)
    figure.savefig(picture, dpi=150)


def _draw_grid(axes: Axes, summary: Summary, data_set: str) -> None:
    """Draw validation accuracy on the selection seed; levels are means over the seeds that judge."""
    ticks: set[float] = set()
    for entry in summary.entries[data_set]:
        if entry.objective in CURVES and any(trial.score for rung in entry.progress.rungs for trial in rung.trials):
            colour, style = CURVES[entry.objective]
            scored = [trial for trial in entry.progress.rungs[0].trials if trial.score is not None]
            # A point sets one temperature, though perhaps in two places.
            points = [(float(next(iter(trial.point.values()))), 100 * (trial.score or 0.0)) for trial in scored]
            axes.plot(*zip(*points, strict=True), style, color=colour, label=entry.label, markersize=5)
            ticks |= {temperature for temperature, _ in points}
        if entry.objective in LEVELS and entry.by_seed:
            colour, style = LEVELS[entry.objective]
            scores = [100 * result.score(summary.study.primary, "validation") for result in entry.by_seed.values()]
            axes.axhline(float(np.mean(scores)), color=colour, linestyle=style, label=f"{entry.label}: no temperature")
    axes.set_xscale("log")
    axes.set_xticks(sorted(ticks), [f"{tick:g}" for tick in sorted(ticks)])
    axes.minorticks_off()
    axes.set_xlabel("temperature")
    axes.set_title(f"{NAMES[summary.study.primary]}, % of validation images", loc="left", fontsize=10)
    axes.grid(alpha=0.3)


def _draw_differences(axes: Axes, summary: Summary, data_set: str) -> None:
    """Draw the differences of the chosen points on test images, a dot per seed, with simultaneous intervals."""
    entries = [entry for entry in summary.entries[data_set] if entry.objective != summary.study.baseline]
    entries = [entry for entry in entries if entry.by_seed]
    for row, entry in enumerate(entries):
        verdict = summary.verdict(data_set, entry.objective)
        dots = 100 * np.array(verdict.differences)
        axes.plot(dots, np.full(len(dots), row), "o", color=GREY, markersize=4, alpha=0.7)
        if verdict.interval is not None and len(dots) > 1:
            reach = 100 * float(verdict.interval.half_width)
            centre = 100 * float(verdict.interval.mean)
            axes.errorbar(centre, row, xerr=reach, fmt="D", color="black", markersize=5, capsize=3)
    margin = 100 * summary.study.smallest_difference
    axes.axvspan(-margin, margin, color=GREY, alpha=0.12, linewidth=0)
    axes.axvline(0.0, color=GREY, linewidth=1.2)
    labels = [entry.label + (f" ({entry.choice})" if entry.progress.chosen else "") for entry in entries]
    axes.set_yticks(range(len(entries)), labels, fontsize=8)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    baseline = summary.entry(data_set, summary.study.baseline)
    title = f"{NAMES[summary.study.primary]}, test points above {baseline.label} ({baseline.choice})"
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="x", alpha=0.3)


if __name__ == "__main__":
    main()
