"""Tables of a summary: tidy rows of every number, and verdicts for a page or a paper."""

import csv
import io
import json
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from anchorwise.comparison.results import RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.statistics import Intervals
from anchorwise.comparison.study import Study
from anchorwise.comparison.summary import NAMES, Entry, Summary
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
VERDICT_COLUMNS = (
    "data set",
    "objective",
    "chosen",
    "linear %",
    "kNN %",
    "recall@1 %",
    "effective rank",
    "difference",
    "seeds",
    "verdict",
)
_BY_SPLIT = ("linear", "knn")  # The others need no choice, so they have no validation split.
_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{MINUS SIGN}": "$-$"}

Row = list[str | int | float]


def number_rows(summary: Summary) -> Iterator[Row]:
    """Yield one row per number that the same study gives again: accuracies, recalls, geometry, history."""
    for entry, run, result in _runs(summary):
        head = _head(entry, run, result)
        empty = True
        for part, numbers in (("validation", result.validation), ("test", result.test)):
            for metric, values in numbers.items():
                seeds = run.evaluation.split_seeds if metric in _BY_SPLIT else ("",)
                for split_seed, value in zip(seeds, values, strict=True):
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
    for entry, run, result in _runs(summary):
        for metric, value in result.cost.items():
            yield [*_head(entry, run, result), "cost", metric, "", "", value, run.key]


def csv_text(rows: Iterator[Row]) -> str:
    """Return rows as CSV under `COLUMNS`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return buffer.getvalue()


def verdict_rows(summary: Summary) -> list[list[str]]:
    """Return one row per data set and objective; accuracies in percent, differences in points."""
    rows = []
    for data_set, entries in summary.entries.items():
        for entry in entries:
            cells = [data_set, entry.label, entry.choice]
            cells += [with_spread(entry.interval(metric), 100.0) for metric in ("linear", "knn", "recall@1")]
            cells.append(with_spread(entry.interval("effective_rank"), 1.0))
            rows.append([*cells, *against(summary, entry)])
    return rows


def printed(summary: Summary, data_set: str) -> Table:
    """Return the verdicts on one data set for a terminal."""
    name = NAMES[summary.study.primary]
    table = Table(data_set, f"{name} %", "difference", "verdict", title=summary.study.name, title_justify="left")
    for entry in summary.entries[data_set]:
        difference, _, words = against(summary, entry)
        accuracy = with_spread(entry.interval(summary.study.primary), 100.0)
        table.add_row(*map(Text, (entry.label, accuracy, difference, words)))
    return table


def against(summary: Summary, entry: Entry) -> list[str]:
    """Return difference from the baseline, sign of every seed, and verdict."""
    if entry.objective == summary.study.baseline:
        return ["", "", "baseline" if not entry.failures else "; ".join(entry.failures)]
    verdict = summary.verdict(entry.progress.data_set, entry.objective)
    if verdict.interval is None:
        return ["", "", verdict.words]
    return [between(verdict.interval), verdict.signs, verdict.words]


def with_spread(interval: Intervals | None, factor: float) -> str:
    """Return a mean with its half width; accuracies with factor 100 are in percent."""
    if interval is None:
        return "-"
    mean = f"{factor * float(interval.mean):.2f}"
    return mean if interval.num_seeds == 1 else f"{mean} \N{PLUS-MINUS SIGN} {factor * float(interval.half_width):.2f}"


def between(interval: Intervals) -> str:
    """Return a difference of accuracies and its interval in points."""
    mean = f"{100 * float(interval.mean):+.2f}".replace("-", "\N{MINUS SIGN}")
    if interval.num_seeds == 1:
        return mean
    ends = f"{100 * float(interval.low):.2f}, {100 * float(interval.high):.2f}".replace("-", "\N{MINUS SIGN}")
    return f"{mean} [{ends}]"


def caption(summary: Summary) -> str:
    """Return what the numbers of the verdict table are."""
    study, name = summary.study, NAMES[summary.study.primary]
    level = f"{100 * study.interval_level:g} %"
    return (
        f"Trained for {trained_for(study)}. "
        f"Test images; mean and plain {level} Student interval over {counted(len(study.seeds), 'encoder seed')}. "
        f"Difference: "
        f"{name} minus that of {study.label(study.baseline)}, paired by seed, in points, with intervals that "
        f"hold together for {counted(len(study.objectives) - 1, 'objective')} at {level} (Dunn 1961). Points of grids "
        f"were chosen by {name} on validation images, on other seeds. Differences under "
        f"{counted(100 * study.smallest_difference, 'point')} count as none."
    )


def trained_for(study: Study) -> str:
    """Return how long a training is; less than the whole study says so."""
    epochs = counted(study.num_epochs, "epoch")
    if study.budget == 1.0:
        return epochs
    return f"{epochs} instead of {study.train.num_epochs:,} (budget {study.budget:g}: a pilot, not the study itself)"


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


def _runs(summary: Summary) -> Iterator[tuple[Entry, StudyRun, RunResult]]:
    for entries in summary.entries.values():
        for entry in entries:
            for run in entry.progress.runs:
                if run.key in summary.results:
                    yield entry, run, summary.results[run.key]


def _head(entry: Entry, run: StudyRun, result: RunResult) -> Row:
    return [
        entry.study.name,
        run.data_set,
        run.objective,
        entry.label,
        json.dumps(dict(run.point)),
        "judge" if run.is_final else "choose",
        run.config.train.num_epochs,
        run.seed,
        result.status,
    ]
