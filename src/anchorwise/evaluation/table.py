"""Evaluations side by side as a terminal table."""

from collections.abc import Mapping

from rich.table import Table

from anchorwise.evaluation.judge import Evaluation
from anchorwise.evaluation.statistics import Interval


def evaluation_rows(evaluation: Evaluation) -> dict[str, str]:
    """Return name and value of every reported number as text; accuracies and recalls in percent."""
    geometry = evaluation.geometry
    return {
        "linear probe %": percent(evaluation.linear.accuracy),
        "kNN %, k chosen": percent(evaluation.knn.accuracy),
        **{f"kNN@{k} %": f"{100 * value:.2f}" for k, value in evaluation.knn_accuracy.items()},
        **{f"recall@{k} %": f"{100 * value:.2f}" for k, value in evaluation.recall.items()},
        "effective rank": f"{geometry.effective_rank:.1f} of {evaluation.num_features}",
        "uniformity": f"{geometry.uniformity:.3f}",
        "class alignment": "-" if geometry.class_alignment is None else f"{geometry.class_alignment:.3f}",
    }


def evaluation_table(evaluations: Mapping[str, Evaluation]) -> Table:
    """Return a table with one row per number and one column per named evaluation."""
    columns = {name: evaluation_rows(evaluation) for name, evaluation in evaluations.items()}
    table = Table(caption="Linear probe and kNN: mean and interval over validation splits of the training rows.")
    table.add_column("Test set")
    for name in columns:
        table.add_column(name, justify="right")
    for row in dict.fromkeys(row for rows in columns.values() for row in rows):
        table.add_row(row, *(rows.get(row, "-") for rows in columns.values()))
    return table


def percent(interval: Interval) -> str:
    """Return an accuracy in [0, 1] in percent, with its half width where there is one."""
    spread = "" if interval.half_width is None else f" +- {100 * interval.half_width:.2f}"
    return f"{100 * interval.mean:.2f}{spread}"
