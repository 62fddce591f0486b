"""Writes what a study came to: every number, the verdicts, the report."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from anchorwise import _extras, _files
from anchorwise.comparison.illustrations import Illustrations
from anchorwise.comparison.report import comparison_report
from anchorwise.comparison.summary import Standing, Summary
from anchorwise.comparison.tables import (
    across_caption,
    across_columns,
    across_rows,
    caption,
    cost_rows,
    csv_text,
    latex,
    markdown,
    number_rows,
    verdict_columns,
    verdict_rows,
)
from anchorwise.evaluation.statistics import Intervals

REPORT_FILE = "report.html"


def write_all(summary: Summary, out: Path, illustrations: Illustrations | None = None) -> None:
    """Write tables and report into `out`, each whole or not at all.

    `numbers.csv`, `verdicts.md`, `verdicts.tex` and `summary.json` hold what the same study gives again on the same
    kind of machine; times and memory are in `costs.csv` and in the report. Tidy tables are written as Parquet too where
    pyarrow is installed.
    """
    for name, rows in (("numbers", number_rows(summary)), ("costs", cost_rows(summary))):
        text = csv_text(rows)
        _files.write_text(out / f"{name}.csv", text)
        if _extras.is_installed("pyarrow"):
            _write_parquet(text, out / f"{name}.parquet")
    columns, rows, words = verdict_columns(summary), verdict_rows(summary), caption(summary)
    tables = [(columns, rows, words)]
    if across := across_rows(summary):
        tables.append((across_columns(), across, across_caption(summary)))
    _files.write_text(out / "verdicts.md", "\n".join(markdown(*table) for table in tables))
    _files.write_text(out / "verdicts.tex", "\n".join(latex(*table) for table in tables))
    _files.write_text(out / "summary.json", json.dumps(as_json(summary), indent=1) + "\n")
    comparison_report(summary, illustrations).write(out / REPORT_FILE)


def as_json(summary: Summary) -> dict[str, Any]:
    """Return choices, intervals and verdicts by data set and objective; accuracies in [0, 1]."""
    return {
        "study": summary.study.name,
        "baseline": summary.study.baseline,
        "primary": summary.study.primary,
        "seeds": summary.study.seeds,
        "num_epochs": summary.study.num_epochs,
        "budget": summary.study.budget,
        "data_sets": {
            data_set: {standing.objective: _entry(summary, standing) for standing in standings}
            for data_set, standings in summary.standings.items()
        },
        "across": {
            objective: {
                "decision": across.decision,
                "words": across.words,
                **_interval(across.effects.interval),
                "between": across.effects.between,
                "seeds_ahead": across.num_ahead,
                "num_seeds": across.num_seeds,
            }
            for objective in summary.study.objectives
            if objective != summary.study.baseline and (across := summary.across(objective)) is not None
        },
    }


def _entry(summary: Summary, standing: Standing) -> dict[str, Any]:
    chosen = standing.progress.chosen
    fields: dict[str, Any] = {
        "label": standing.label,
        "chosen": None if chosen is None else dict(chosen),
        "failures": [*standing.failures, *standing.grid_failures],
        "test": {
            metric.name: {**_interval(standing.interval(metric)), "seeds": standing.values(metric)}
            for metric in summary.metrics
        },
    }
    if standing.objective != summary.study.baseline:
        verdict = summary.verdict(standing.progress.data_set, standing.objective)
        fields["verdict"] = {
            "decision": verdict.decision,
            "words": verdict.words,
            "differences": verdict.differences,
            **_interval(verdict.interval),
        }
    return fields


def _interval(interval: Intervals | None) -> dict[str, float | None]:
    if interval is None:
        return {"mean": None, "half_width": None}
    half_width = float(interval.half_width) if interval.num_seeds > 1 else None
    return {"mean": float(interval.mean), "half_width": half_width}


def _write_parquet(text: str, path: Path) -> None:
    import pyarrow  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet  # pyright: ignore[reportMissingImports]

    header, *rows = csv.reader(io.StringIO(text))
    columns = dict(zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True))
    types = {"num_epochs": int, "seed": int, "split_seed": int, "step": int, "value": float}
    typed = {
        name: [None if cell == "" else types.get(name, str)(cell) for cell in cells] for name, cells in columns.items()
    }
    with _files.replacing(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.table(typed), temporary)
