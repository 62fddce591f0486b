"""Pictures of a comparison: intervals, differences seed by seed, grids, cost, the tail over training, the ladder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anchorwise.comparison.statistics import Intervals
from anchorwise.comparison.summary import NAMES, Entry, Summary
from anchorwise.comparison.verdict import Outcome
from anchorwise.reporting.figures import (
    BLUE,
    GREEN,
    GREY,
    LINE_STYLES,
    ORANGE,
    PALETTE,
    STYLE,
    draw_curve,
    panel,
)
from anchorwise.reporting.wording import counted

_VERDICT_COLOURS = {Outcome.BETTER: GREEN, Outcome.WORSE: ORANGE, Outcome.ALIKE: BLUE}
_MARKERS = "osD^vPX*"
_WIDTH_INCH = 4.8  # Letters are legible where a figure is as wide as a phone.
_ROW_INCH, _FRAME_INCH, _LEGEND_INCH = 0.45, 0.85, 0.19


def interval_figure(entries: Sequence[Entry], metric: str, *, title: str) -> Figure | None:
    """Return mean, plain interval and every seed of a test accuracy, by objective; None where there is none."""
    drawn = [entry for entry in entries if entry.values(metric)]
    if not drawn:
        return None
    figure, axes = _rows([entry.label for entry in drawn], title, f"{NAMES[metric]}, % of test images")
    for row, entry in enumerate(drawn):
        values = 100 * np.array(list(entry.values(metric).values()))
        axes.plot(values, np.full(len(values), row), "o", color=GREY, markersize=3.5, alpha=0.7)
        _bar(axes, entry.interval(metric), row, BLUE)
    return figure


def difference_figure(summary: Summary, data_set: str, *, title: str) -> Figure | None:
    """Return the difference from the baseline of every seed, with simultaneous intervals; None before any is judged."""
    others = [entry for entry in summary.entries[data_set] if entry.objective != summary.study.baseline]
    verdicts = [(entry.label, summary.verdict(data_set, entry.objective)) for entry in others]
    judged = [(label, verdict) for label, verdict in verdicts if verdict.differences]
    if not judged:
        return None
    name = NAMES[summary.study.primary]
    figure, axes = _rows([label for label, _ in judged], title, f"{name}, points above the baseline")
    margin = 100 * summary.study.smallest_difference
    axes.axvspan(-margin, margin, color=GREY, alpha=0.12, linewidth=0)
    axes.axvline(0.0, color=GREY, linewidth=1.2)
    for row, (_, verdict) in enumerate(judged):
        colour = _VERDICT_COLOURS.get(verdict.outcome, GREY)
        dots = 100 * np.array(verdict.differences)
        axes.plot(dots, np.full(len(dots), row), "o", color=colour, markersize=4.0, alpha=0.6)
        _bar(axes, verdict.interval, row, colour)
    return figure


def grid_figure(entries: Sequence[Entry], metric: str, *, title: str) -> Figure | None:
    """Return validation accuracy against temperature, and beside it that of what was chosen, on the seeds that judge.

    A panel has one set of seeds, since seeds differ by as much as objectives do: only what has temperatures to choose
    from stands in the left one, and all objectives stand in the right one. None without such a choice.
    """
    if not any(len(_temperatures(entry)) > 1 for entry in entries):
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH_INCH, 0.0), layout="constrained")
        choice, judged = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1.3))
    figure.suptitle(title, x=0.01, horizontalalignment="left", fontweight="bold", fontsize=11.0)
    study = entries[0].study
    choice.set(xlabel="temperature", ylabel=f"{NAMES[metric]}, % of validation images", xscale="log")
    choice.set_title(f"choosing, {counted(len(study.selection_seeds), 'seed')}", fontsize=9.0)
    judged.set_title(counted(len(study.seeds), "fresh seed"), fontsize=9.0)
    judged.set_xticks([])
    for index, entry in enumerate(entries):
        style = {**_style(index), "marker": _MARKERS[index % len(_MARKERS)], "label": entry.label}
        _draw_choice(choice, _temperatures(entry), style)
        _draw_chosen(judged, entry.validation(metric), index, style)
    ticks = sorted({position for entry in entries for position, _ in _temperatures(entry)})
    choice.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    choice.minorticks_off()
    _legend_below(figure, judged, choice)
    return figure


def _draw_choice(axes: Axes, points: Sequence[tuple[float, float]], style: dict[str, Any]) -> None:
    if len(points) > 1:
        positions, scores = zip(*points, strict=True)
        axes.plot(positions, 100 * np.array(scores), **style)


def _draw_chosen(axes: Axes, scores: Sequence[float], position: int, style: dict[str, Any]) -> None:
    """Draw every seed as a dot, and the mean."""
    if scores:
        axes.plot([position] * len(scores), 100 * np.array(scores), ".", color=style["color"], alpha=0.4)
        axes.plot([position], [100 * float(np.mean(scores))], **style)


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
    figure, axes = panel(title, *labels, width_inch=_WIDTH_INCH)
    for index, entry in enumerate(entries):
        curves = [
            np.array([(record[x], record[y]) for record in result.history if y in record])
            for result in entry.by_seed.values()
        ]
        curves = [curve for curve in curves if len(curve)]
        if curves:
            length = min(map(len, curves))
            mean = np.mean([curve[:length] for curve in curves], axis=0)
            draw_curve(axes, mean[:, 0], factor * mean[:, 1], label=entry.label, **_style(index))
    if not axes.lines:
        return None
    _legend_below(figure, axes)
    return figure


def cost_figure(
    entries: Sequence[Entry], metric: str, *, title: str, x_label: str, factor: float = 1.0
) -> Figure | None:
    """Return a cost per objective as bars, with every seed as a dot; None where nothing was measured."""
    drawn = [entry for entry in entries if entry.values(metric)]
    if not drawn:
        return None
    figure, axes = _rows([entry.label for entry in drawn], title, x_label)
    for row, entry in enumerate(drawn):
        values = factor * np.array(list(entry.values(metric).values()))
        axes.barh(row, np.median(values), height=0.4, color="#C9D2DC")
        axes.plot(values, np.full(len(values), row), "o", color=GREY, markersize=3.5)
    axes.set_xlim(left=0.0)
    return figure


def ladder_figure(summary: Summary, data_set: str, metric: str, *, title: str) -> Figure | None:
    """Return the waterfall: from the first objective of the ladder, what each change adds, with plain intervals.

    None before the first is judged.
    """
    ladder = summary.study.ladder
    first = summary.entry(data_set, ladder[0]).interval(metric)
    if first is None:
        return None
    labels = [summary.study.label(name) for name in ladder]
    figure, axes = _rows(labels, title, f"{NAMES[metric]}, % of test images")
    level = 100 * float(first.mean)
    _bar(axes, first, 0, GREY)
    ends = [level]
    for row, (before, name) in enumerate(pairwise(ladder), start=1):
        step = summary.difference(data_set, name, before, metric)
        if step is None:
            continue
        size = 100 * float(step.mean)
        axes.barh(row, size, left=level, height=0.4, color=GREEN if size > 0 else ORANGE, alpha=0.75)
        axes.plot([level, level], [row - 1, row], color=GREY, linewidth=0.8)
        level += size
        ends += [level - 100 * _finite(step), level + 100 * _finite(step)]
        axes.errorbar(level, row, xerr=100 * _finite(step), color="black", capsize=3.0, linewidth=1.2)
    span = max(max(ends) - min(ends), 1.0)
    axes.set_xlim(min(ends) - 0.1 * span, max(ends) + 0.1 * span)
    return figure


def _rows(labels: Sequence[str], title: str, x_label: str) -> tuple[Figure, Axes]:
    """Return a panel with one row per label, the first on top; a label above its row leaves the whole width to it."""
    figure, axes = panel(title, x_label, "", width_inch=_WIDTH_INCH)
    figure.set_figheight(_FRAME_INCH + _ROW_INCH * len(labels))
    for row, label in enumerate(labels):
        axes.text(0.01, row - 0.25, label, transform=axes.get_yaxis_transform(), va="bottom", fontsize=9.0)
    axes.set_yticks([])
    axes.set_ylim(len(labels) - 0.6, -0.8)
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


def _legend_below(figure: Figure, *panels: Axes) -> None:
    """Name every curve once, whichever panels it is in."""
    handles = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.set_figheight(3.0 + _LEGEND_INCH * len(handles))
    figure.legend(handles.values(), handles, loc="outside lower left", ncols=1, frameon=False, fontsize=8.5)
