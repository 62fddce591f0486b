"""Pictures of a comparison: intervals, differences by seed and by data set, grids, cost, curves, the ladder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anchorwise.comparison.summary import Standing, Summary
from anchorwise.comparison.verdict import Decision
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.statistics import Intervals
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

_VERDICT_COLOURS = {Decision.BETTER: GREEN, Decision.WORSE: ORANGE, Decision.ALIKE: BLUE}
_MARKERS = "osD^vPX*"
_WIDTH_INCH = 4.8  # Letters are legible where a figure is as wide as a phone.
_ROW_INCH, _FRAME_INCH, _LEGEND_INCH = 0.45, 0.85, 0.19


def interval_figure(standings: Sequence[Standing], metric: Metric) -> Figure | None:
    """Return mean, plain interval and every seed of a metric of test samples, by objective; None without any."""
    drawn = [standing for standing in standings if standing.values(metric)]
    if not drawn:
        return None
    figure, axes = _rows([standing.label for standing in drawn], metric.label, _axis(metric, "test"))
    for row, standing in enumerate(drawn):
        values = metric.factor * np.array(list(standing.values(metric).values()))
        axes.plot(values, np.full(len(values), row), "o", color=GREY, markersize=3.5, alpha=0.7)
        _bar(axes, metric, standing.interval(metric), row, BLUE)
    return figure


def difference_figure(summary: Summary, data_set: str, *, title: str) -> Figure | None:
    """Return the difference from the baseline of every seed, with simultaneous intervals; None before any is judged."""
    others = [standing for standing in summary.standings[data_set] if standing.objective != summary.study.baseline]
    verdicts = [(standing.label, summary.verdict(data_set, standing.objective)) for standing in others]
    judged = [(label, verdict) for label, verdict in verdicts if verdict.differences]
    if not judged:
        return None
    primary = summary.primary
    x_label = " ".join(f"{primary.label}, {primary.difference_unit} above the baseline".split())
    figure, axes = _rows([label for label, _ in judged], title, x_label)
    margin = primary.factor * summary.study.smallest_difference
    axes.axvspan(-margin, margin, color=GREY, alpha=0.12, linewidth=0)
    axes.axvline(0.0, color=GREY, linewidth=1.2)
    for row, (_, verdict) in enumerate(judged):
        colour = _VERDICT_COLOURS.get(verdict.decision, GREY)
        dots = primary.factor * np.array(verdict.differences)
        axes.plot(dots, np.full(len(dots), row), "o", color=colour, markersize=4.0, alpha=0.6)
        _bar(axes, primary, verdict.interval, row, colour, is_difference=True)
    return figure


def forest_figure(summary: Summary, objective: str) -> Figure | None:
    """Return an objective's difference from the baseline on every data set, and below it over all; None before that."""
    across, primary = summary.across(objective), summary.primary
    if across is None:
        return None
    x_label = " ".join(f"{primary.label}, {primary.difference_unit} above the baseline".split())
    labels = [*summary.study.data_sets, "over all data sets"]
    figure, axes = _rows(labels, summary.study.label(objective), x_label)
    margin = primary.factor * summary.study.smallest_difference
    axes.axvspan(-margin, margin, color=GREY, alpha=0.12, linewidth=0)
    axes.axvline(0.0, color=GREY, linewidth=1.2)
    for row, data_set in enumerate(summary.study.data_sets):
        verdict = summary.verdict(data_set, objective)
        colour = _VERDICT_COLOURS.get(verdict.decision, GREY)
        _bar(axes, primary, verdict.interval, row, colour, is_difference=True)
    last = len(summary.study.data_sets)
    axes.axhline(last - 0.75, color=GREY, linewidth=0.8)
    colour = _VERDICT_COLOURS.get(across.decision, "black")
    _bar(axes, primary, across.effects.interval, last, colour, is_difference=True)
    return figure


def grid_figure(standings: Sequence[Standing], metric: Metric, *, title: str) -> Figure | None:
    """Return the metric on validation parts by temperature, and beside it of what was chosen, on the seeds that judge.

    A panel has one set of seeds, since seeds differ by as much as objectives do: only what has temperatures to choose
    from stands in the left one, and all objectives stand in the right one. None without such a choice.
    """
    if not any(len(_temperatures(standing, metric)) > 1 for standing in standings):
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH_INCH, 0.0), layout="constrained")
        choice, judged = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1.3))
    figure.suptitle(title, x=0.01, horizontalalignment="left", fontweight="bold", fontsize=11.0)
    study = standings[0].study
    choice.set(xlabel="temperature", ylabel=_axis(metric, "validation"), xscale="log")
    choice.set_title(f"choosing, {counted(len(study.selection_seeds), 'seed')}", fontsize=9.0)
    on_test = ", test" if study.chooses_on_held_out else ""
    judged.set_title(f"{counted(len(study.seeds), 'fresh seed')}{on_test}", fontsize=9.0)
    judged.set_xticks([])
    for index, standing in enumerate(standings):
        style = {**_style(index), "marker": _MARKERS[index % len(_MARKERS)], "label": standing.label}
        _draw_choice(choice, _temperatures(standing, metric), style)
        _draw_chosen(judged, metric.factor * np.array(standing.scores(metric)), index, style)
    ticks = sorted({position for standing in standings for position, _ in _temperatures(standing, metric)})
    choice.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    choice.minorticks_off()
    _legend_below(figure, judged, choice)
    return figure


def _draw_choice(axes: Axes, points: Sequence[tuple[float, float]], style: dict[str, Any]) -> None:
    if len(points) > 1:
        positions, scores = zip(*points, strict=True)
        axes.plot(positions, scores, **style)


def _draw_chosen(axes: Axes, scores: np.ndarray, position: int, style: dict[str, Any]) -> None:
    """Draw every seed as a dot, and the mean."""
    if len(scores):
        axes.plot([position] * len(scores), scores, ".", color=style["color"], alpha=0.4)
        axes.plot([position], [float(np.mean(scores))], **style)


def history_figure(
    standings: Sequence[Standing], x: Literal["step", "wall_s"], metric: Metric, *, title: str, y_label: str
) -> Figure | None:
    """Return a logged number over training, mean over seeds; None where no objective logs it.

    Args:
        standings: The objectives.
        x: What is below the axes.
        metric: In the history of a run.
        title: Above the axes.
        y_label: Left of them.
    """
    figure, axes = panel(title, {"step": "step", "wall_s": "seconds of training"}[x], y_label, width_inch=_WIDTH_INCH)
    for index, standing in enumerate(standings):
        curves = [
            np.array([(record[x], record[metric.name]) for record in result.history if metric.name in record])
            for result in standing.by_seed.values()
        ]
        curves = [curve for curve in curves if len(curve)]
        if curves:
            length = min(map(len, curves))
            mean = np.mean([curve[:length] for curve in curves], axis=0)
            draw_curve(axes, mean[:, 0], metric.factor * mean[:, 1], label=standing.label, **_style(index))
    if not axes.lines:
        return None
    _legend_below(figure, axes)
    return figure


def cost_figure(standings: Sequence[Standing], metric: Metric, *, title: str) -> Figure | None:
    """Return a cost per objective as bars, with every seed as a dot; None where nothing was measured."""
    drawn = [standing for standing in standings if standing.values(metric)]
    if not drawn:
        return None
    figure, axes = _rows([standing.label for standing in drawn], title, f"{metric.label}, {metric.unit}")
    for row, standing in enumerate(drawn):
        values = metric.factor * np.array(list(standing.values(metric).values()))
        axes.barh(row, np.median(values), height=0.4, color="#C9D2DC")
        axes.plot(values, np.full(len(values), row), "o", color=GREY, markersize=3.5)
    axes.set_xlim(left=0.0)
    return figure


def ladder_figure(summary: Summary, data_set: str, *, title: str) -> Figure | None:
    """Return the waterfall: from the first objective of the ladder, what each change adds, with plain intervals.

    None before the first is judged.
    """
    ladder, metric = summary.study.ladder, summary.primary
    first = summary.standing(data_set, ladder[0]).interval(metric)
    if first is None:
        return None
    labels = [summary.study.label(name) for name in ladder]
    figure, axes = _rows(labels, title, _axis(metric, "test"))
    level = metric.factor * float(first.mean)
    _bar(axes, metric, first, 0, GREY)
    ends = [level]
    for row, (before, name) in enumerate(pairwise(ladder), start=1):
        step = summary.difference(data_set, name, before, metric.name)
        if step is None:
            continue
        size = metric.factor * float(step.mean)
        axes.barh(row, size, left=level, height=0.4, color=GREEN if metric.sign * size > 0 else ORANGE, alpha=0.75)
        axes.plot([level, level], [row - 1, row], color=GREY, linewidth=0.8)
        level += size
        mean, reach = level / metric.factor, _finite(step)
        low, high = (metric.factor * end for end in metric.within(mean, mean - reach, mean + reach))
        ends += [low, high]
        axes.errorbar(level, row, xerr=[[level - low], [high - level]], color="black", capsize=3.0, linewidth=1.2)
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


def _bar(
    axes: Axes, metric: Metric, interval: Intervals | None, row: int, colour: str, *, is_difference: bool = False
) -> None:
    if interval is not None:
        mean, reach = float(interval.mean), _finite(interval)
        low, high = metric.within(mean, mean - reach, mean + reach, is_difference=is_difference)
        ends = [[metric.factor * (mean - low)], [metric.factor * (high - mean)]]
        axes.errorbar(metric.factor * mean, row, xerr=ends, fmt="D", color=colour, markersize=5.0, capsize=3.0)


def _axis(metric: Metric, part: Literal["test", "validation"]) -> str:
    return f"{metric.label}, {f'{metric.unit} ' if metric.unit else ''}of {part} samples"


def _finite(interval: Intervals) -> float:
    return float(interval.half_width) if interval.num_seeds > 1 else 0.0


def _temperatures(standing: Standing, metric: Metric) -> list[tuple[float, float]]:
    """Return temperatures and scores of the first rung, which has all of them; the best where one repeats."""
    scores: dict[float, list[float]] = {}
    for rung in standing.progress.rungs[:1]:
        for trial in rung.trials:
            values = [value for name, value in trial.point.items() if name.rpartition(".")[2] == "temperature"]
            if values and trial.score is not None:
                scores.setdefault(float(values[0]), []).append(metric.factor * trial.score)
    best = max if metric.sign > 0 else min
    return sorted((temperature, best(found)) for temperature, found in scores.items())


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
