"""Tables of a summary: tidy rows of every number, and verdicts for a page or a paper."""

import csv
import io
import json
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from anchorwise.comparison.results import RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.study import Study
from anchorwise.comparison.summary import Standing, Summary
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.registry import judges_of, told_apart
from anchorwise.evaluation.statistics import Intervals
from anchorwise.reporting.wording import counted

COLUMNS = (
    "study",
    "data_set",
    "objective",
    "label",
    "point",
    "stage",
    "num_epochs",
    "seed",
    "status",
    "part",
    "metric",
    "split_seed",
    "step",
    "value",
    "key",
)
_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{MINUS SIGN}": "$-$"}

Row = list[str | int | float]


def number_rows(summary: Summary) -> Iterator[Row]:
    """Yield one row per number that the same study gives again: accuracies, recalls, geometry, history."""
    judges = judges_of(summary.study.judges)
    measured = zip(judges, told_apart(judges), strict=True)
    seeds = {
        metric.name: judge.split_seeds if metric.by_split else ("",)
        for judge, own in measured
        for metric in own.values()
    }
    for standing, run, result in _runs(summary):
        head = _head(standing, run, result)
        empty = True
        for part, numbers in (("validation", result.validation), ("test", result.test)):
            for metric, values in numbers.items():
                # What one judge of two by that name said, in results of earlier versions, is nobody's number.
                for split_seed, value in zip(seeds[metric], values, strict=True) if metric in seeds else ():
                    yield [*head, part, metric, split_seed, "", value, run.key]
                    empty = False
        for record in result.history:
            for metric, value in record.items():
                if metric not in ("step", "wall_s"):
                    yield [*head, "history", metric, "", int(record["step"]), value, run.key]
                    empty = False
        if empty:
            yield [*head, "", "", "", "", "", run.key]


def cost_rows(summary: Summary) -> Iterator[Row]:
    """Yield one row per second and MiB; they are another's on another machine."""
    for standing, run, result in _runs(summary):
        for metric, value in result.cost.items():
            yield [*_head(standing, run, result), "cost", metric, "", "", value, run.key]


def csv_text(rows: Iterator[Row]) -> str:
    """Return rows as CSV under `COLUMNS`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return buffer.getvalue()


def verdict_columns(summary: Summary) -> list[str]:
    """Return what the columns of `verdict_rows` are called."""
    measured = [metric.heading for metric in summary.metrics]
    return ["data set", "objective", "chosen", *measured, "difference", "seeds", "verdict"]


def verdict_rows(summary: Summary) -> list[list[str]]:
    """Return one row per data set and objective; accuracies in percent, differences in points."""
    rows = []
    for data_set, standings in summary.standings.items():
        for standing in standings:
            cells = [data_set, standing.label, standing.choice]
            cells += [with_spread(metric, standing.interval(metric)) for metric in summary.metrics]
            rows.append([*cells, *against(summary, standing)])
    return rows


def across_columns() -> list[str]:
    """Return what the columns of `across_rows` are called."""
    return ["objective", "difference over data sets", "between data sets", "seeds ahead", "verdict"]


def across_rows(summary: Summary) -> list[list[str]]:
    """Return one row per objective beside the baseline that has a verdict on every data set."""
    rows, primary = [], summary.primary
    for objective in summary.study.objectives:
        if objective != summary.study.baseline and (across := summary.across(objective)) is not None:
            spread = primary.number(across.effects.between)
            ahead = f"{across.num_ahead} of {across.num_seeds}"
            difference = between(primary, across.effects.interval)
            rows.append([summary.study.label(objective), difference, spread, ahead, across.words])
    return rows


def across_caption(summary: Summary) -> str:
    """Return what the numbers over all data sets are."""
    study = summary.study
    return (
        f"Random-effects mean of the differences over {counted(len(study.data_sets), 'data set')}, with "
        f"{100 * study.interval_level:g} % intervals that hold together for "
        f"{counted(len(study.objectives) - 1, 'objective')}; between data sets is the standard deviation of the true "
        "differences from one to another that is left when seeds are accounted for (Paule and Mandel 1982; Hartung and "
        "Knapp 2001). It says what to expect on a data set like these, if there is one."
    )


def printed(summary: Summary, data_set: str) -> Table:
    """Return the verdicts on one data set for a terminal."""
    primary = summary.primary
    table = Table(data_set, primary.heading, "difference", "verdict", title=summary.study.name, title_justify="left")
    for standing in summary.standings[data_set]:
        difference, _, words = against(summary, standing)
        table.add_row(*map(Text, (standing.label, with_spread(primary, standing.interval(primary)), difference, words)))
    return table


def against(summary: Summary, standing: Standing) -> list[str]:
    """Return difference from the baseline, sign of every seed, and verdict."""
    if standing.objective == summary.study.baseline:
        return ["", "", "baseline" if not standing.failures else "; ".join(standing.failures)]
    verdict = summary.verdict(standing.progress.data_set, standing.objective)
    if verdict.interval is None:
        return ["", "", verdict.words]
    return [between(summary.primary, verdict.interval), verdict.signs, verdict.words]


def with_spread(metric: Metric, interval: Intervals | None) -> str:
    """Return a mean with its half width, in the unit of the metric."""
    if interval is None:
        return "-"
    mean = metric.number(float(interval.mean))
    if interval.num_seeds == 1:
        return mean
    return f"{mean} \N{PLUS-MINUS SIGN} {metric.number(float(interval.half_width))}"


def between(metric: Metric, interval: Intervals) -> str:
    """Return a difference and its interval, in the unit of the metric; of percentages in points."""
    mean = float(interval.mean)
    words = f"{metric.factor * mean:+.{metric.digits}f}"
    if interval.num_seeds > 1:
        words += f" {metric.brackets(mean, float(interval.low), float(interval.high), is_difference=True)}"
    return words.replace("-", "\N{MINUS SIGN}")


def caption(summary: Summary) -> str:
    """Return what the numbers of the verdict table are."""
    study, primary = summary.study, summary.primary
    level = f"{100 * study.interval_level:g} %"
    unit = f", in {primary.difference_unit}" if primary.difference_unit else ""
    least = primary.factor * study.smallest_difference
    smallest = counted(least, "point") if primary.unit == "%" else f"{least:g} {primary.unit}".rstrip()
    chooses = any(len(contender.grid) > 1 for contender in study.objectives.values())
    choice = (
        f"Points of grids were chosen by {primary.label} on validation samples, on other seeds. " if chooses else ""
    )
    sets = f" on {counted(len(study.data_sets), 'data set')}" if study.family == "study" else ""
    return (
        f"Trained for {trained_for(study)}. "
        f"Test samples; mean and plain {level} Student interval over {counted(len(study.seeds), 'encoder seed')}. "
        f"Difference: "
        f"{primary.label} minus that of {study.label(study.baseline)}, paired by seed{unit}, with intervals that "
        f"hold together for {counted(len(study.objectives) - 1, 'objective')}{sets} at {level} (Dunn 1961). "
        f"{choice}Differences under {smallest} count as none."
    )


def trained_for(study: Study) -> str:
    """Return how long a training is; less than the whole study says so."""
    epochs = counted(study.num_epochs, "epoch")
    if study.budget == 1.0:
        return epochs
    return f"{epochs} instead of {study.train.epochs:,} (budget {study.budget:g}: a pilot, not the study itself)"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], text: str) -> str:
    """Return a Markdown table with its caption."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([*lines, "", text]) + "\n"


def latex(columns: Sequence[str], rows: Sequence[Sequence[str]], text: str) -> str:
    """Return a LaTeX table for the booktabs package."""
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{'l' * len(columns)}}}", r"\toprule"]
    lines += [_latex_row(columns), r"\midrule", *(_latex_row(row) for row in rows), r"\bottomrule"]
    lines += [r"\end{tabular}", rf"\caption{{{_escaped(text)}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return f"{' & '.join(map(_escaped, cells))} \\\\"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _runs(summary: Summary) -> Iterator[tuple[Standing, StudyRun, RunResult]]:
    for standings in summary.standings.values():
        for standing in standings:
            for run in standing.progress.runs:
                if run.key in summary.results:
                    yield standing, run, summary.results[run.key]


def _head(standing: Standing, run: StudyRun, result: RunResult) -> Row:
    return [
        standing.study.name,
        run.data_set,
        run.objective,
        standing.label,
        json.dumps(dict(run.point)),
        "judge" if run.is_final else "choose",
        run.config.train.epochs,
        run.seed,
        result.status,
    ]
