"""Pictures of a comparison: intervals, differences seed by seed, grids, cost, the tail over training, the ladder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anchorwise.comparison.statistics import Intervals
from anchorwise.comparison.summary import NAMES, Entry, Summary
from anchorwise.comparison.verdict import Outcome
from anchorwise.reporting.figures import BLUE, GREEN, GREY, LINE_STYLES, ORANGE, PALETTE, panel

_VERDICT_COLOURS = {Outcome.BETTER: GREEN, Outcome.WORSE: ORANGE, Outcome.ALIKE: BLUE}
_MARKERS = "osD^vPX*"
_ROW_INCH, _FRAME_INCH, _LEGEND_INCH = 0.3, 1.1, 0.11


def interval_figure(entries: Sequence[Entry], metric: str, *, title: str) -> Figure:
    """Return mean, plain interval and every seed of a test accuracy, one row per objective."""
    figure, axes = _rows([entry.label for entry in entries], title, f"{NAMES[metric]}, % of test images")
    for row, entry in enumerate(entries):
        values = 100 * np.array(list(entry.values(metric).values()))
        axes.plot(values, np.full(len(values), row), "o", color=GREY, markersize=3.5, alpha=0.7)
        _bar(axes, entry.interval(metric), row, BLUE)
    return figure


def difference_figure(summary: Summary, data_set: str, *, title: str) -> Figure:
    """Return the difference from the baseline of every seed, with simultaneous intervals, of what has been judged."""
    entries = [entry for entry in summary.entries[data_set] if entry.objective != summary.study.baseline]
    entries = [entry for entry in entries if entry.by_seed]
    name = NAMES[summary.study.primary]
    figure, axes = _rows([entry.label for entry in entries], title, f"{name}, points above the baseline")
    margin = 100 * summary.study.smallest_difference
    axes.axvspan(-margin, margin, color=GREY, alpha=0.12, linewidth=0)
    axes.axvline(0.0, color=GREY, linewidth=1.2)
    for row, entry in enumerate(entries):
        verdict = summary.verdict(data_set, entry.objective)
        colour = _VERDICT_COLOURS.get(verdict.outcome, GREY)
        dots = 100 * np.array(verdict.differences)
        axes.plot(dots, np.full(len(dots), row), "o", color=colour, markersize=4.0, alpha=0.6)
        _bar(axes, verdict.interval, row, colour)
    return figure


def grid_figure(entries: Sequence[Entry], metric: str, *, title: str) -> Figure | None:
    """Return validation accuracy against temperature; objectives without one are level lines. None without a grid."""
    tempered = {entry.label: points for entry in entries if len(points := _temperatures(entry)) > 1}
    if not tempered:
        return None
    figure, axes = panel(title, "temperature", f"{NAMES[metric]}, % of validation images", width_inch=6.4)
    for index, entry in enumerate(entries):
        style = _style(index)
        if entry.label in tempered:
            positions, scores = zip(*tempered[entry.label], strict=True)
            marker = _MARKERS[index % len(_MARKERS)]
            axes.plot(positions, 100 * np.array(scores), marker=marker, label=entry.label, **style)
        elif not entry.progress.rungs and entry.by_seed:
            level = np.mean([100 * result.score(metric, "validation") for result in entry.by_seed.values()])
            axes.axhline(float(level), label=f"{entry.label} (no grid)", **style)
    axes.set_xscale("log")
    ticks = sorted({position for points in tempered.values() for position, _ in points})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    _legend_below(figure, axes)
    return figure


def history_figure(
    entries: Sequence[Entry], x: str, y: str, *, title: str, labels: tuple[str, str], factor: float = 1.0
) -> Figure | None:
    """Return a logged number over training, mean over seeds; None where no objective logs it.

    Args:
        entries: The objectives.
        x: "step" or "wall_s".
        y: Name in the history of a run.
        title: Above the axes.
        labels: Below the axes and left of them.
        factor: Of y; 100 for percent.
    """
    figure, axes = panel(title, *labels, width_inch=6.4)
    for index, entry in enumerate(entries):
        curves = [
            np.array([(record[x], record[y]) for record in result.history if y in record])
            for result in entry.by_seed.values()
        ]
        curves = [curve for curve in curves if len(curve)]
        if curves:
            length = min(map(len, curves))
            mean = np.mean([curve[:length] for curve in curves], axis=0)
            axes.plot(mean[:, 0], factor * mean[:, 1], label=entry.label, **_style(index))
    if not axes.lines:
        return None
    _legend_below(figure, axes)
    return figure


def cost_figure(entries: Sequence[Entry], metric: str, *, title: str, x_label: str, factor: float = 1.0) -> Figure:
    """Return a cost per objective as bars, with every seed as a dot."""
    figure, axes = _rows([entry.label for entry in entries], title, x_label)
    for row, entry in enumerate(entries):
        values = factor * np.array(list(entry.values(metric).values()))
        if len(values):
            axes.barh(row, np.median(values), height=0.55, color="#C9D2DC")
            axes.plot(values, np.full(len(values), row), "o", color=GREY, markersize=3.5)
    axes.set_xlim(left=0.0)
    return figure


def ladder_figure(summary: Summary, data_set: str, metric: str, *, title: str) -> Figure:
    """Return the waterfall: from the first objective of the ladder, what each change adds, with plain intervals."""
    ladder = summary.study.ladder
    labels = [summary.study.label(name) for name in ladder]
    figure, axes = _rows(labels, title, f"{NAMES[metric]}, % of test images")
    first = summary.entry(data_set, ladder[0]).interval(metric)
    level = 100 * float(first.mean) if first is not None else 0.0
    _bar(axes, first, 0, GREY)
    ends = [level]
    for row, (before, name) in enumerate(pairwise(ladder), start=1):
        step = summary.difference(data_set, name, before, metric)
        if step is None:
            continue
        size = 100 * float(step.mean)
        axes.barh(row, size, left=level, height=0.5, color=GREEN if size > 0 else ORANGE, alpha=0.75)
        axes.plot([level, level], [row - 1, row], color=GREY, linewidth=0.8)
        level += size
        ends += [level - 100 * _finite(step), level + 100 * _finite(step)]
        axes.errorbar(level, row, xerr=100 * _finite(step), color="black", capsize=3.0, linewidth=1.2)
    span = max(max(ends) - min(ends), 1.0)
    axes.set_xlim(min(ends) - 0.1 * span, max(ends) + 0.1 * span)
    return figure


def _rows(labels: Sequence[str], title: str, x_label: str) -> tuple[Figure, Axes]:
    """Return a panel with one row per label, the first on top."""
    figure, axes = panel(title, x_label, "", width_inch=6.4)
    figure.set_figheight(_FRAME_INCH + _ROW_INCH * max(len(labels), 2))
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    return figure, axes


def _bar(axes: Axes, interval: Intervals | None, row: int, colour: str) -> None:
    if interval is not None:
        reach = 100 * _finite(interval)
        axes.errorbar(100 * float(interval.mean), row, xerr=reach, fmt="D", color=colour, markersize=5.0, capsize=3.0)


def _finite(interval: Intervals) -> float:
    return float(interval.half_width) if interval.num_seeds > 1 else 0.0


def _temperatures(entry: Entry) -> list[tuple[float, float]]:
    """Return temperatures and scores of the first rung, which has all of them; the best where one repeats."""
    best: dict[float, float] = {}
    for rung in entry.progress.rungs[:1]:
        for trial in rung.trials:
            values = [value for name, value in trial.point.items() if name.rpartition(".")[2] == "temperature"]
            if values and trial.score is not None:
                best[float(values[0])] = max(trial.score, best.get(float(values[0]), 0.0))
    return sorted(best.items())


def _style(index: int) -> dict[str, Any]:
    """Return colour and dashes; sixteen objectives are all different."""
    shift = index // len(LINE_STYLES)
    return {"color": PALETTE[(index + shift) % len(PALETTE)], "linestyle": LINE_STYLES[index % len(LINE_STYLES)]}


def _legend_below(figure: Figure, axes: Axes) -> None:
    num_entries = len(axes.get_legend_handles_labels()[0])
    figure.set_figheight(3.6 + _LEGEND_INCH * num_entries)
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=8.5)
