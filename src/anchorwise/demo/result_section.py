"""What the frozen features are worth: the numbers of the report."""

from collections.abc import Callable, Sequence

from anchorwise.demo.contenders import Contender
from anchorwise.evaluation.evaluate import Evaluation
from anchorwise.evaluation.statistics import Interval, t_interval
from anchorwise.reporting.report import ReportSection, Table, Text
from anchorwise.reporting.wording import counted

PERCENT_ROWS: dict[str, Callable[[Evaluation], float]] = {
    "linear probe, %": lambda evaluation: evaluation.linear.accuracy.mean,
    "kNN, k chosen on validation, %": lambda evaluation: evaluation.knn.accuracy.mean,
    "kNN, k = 1, %": lambda evaluation: evaluation.knn_accuracy[1],
    "kNN, k = 20, %": lambda evaluation: evaluation.knn_accuracy[20],
    "kNN, k = 200, %": lambda evaluation: evaluation.knn_accuracy[200],
    "recall at 1, %": lambda evaluation: evaluation.recall[1],
    "recall at 10, %": lambda evaluation: evaluation.recall[10],
}
GEOMETRY_ROWS: dict[str, Callable[[Evaluation], float]] = {
    "effective rank": lambda evaluation: evaluation.geometry.effective_rank,
    "uniformity (lower: more even)": lambda evaluation: evaluation.geometry.uniformity,
    "class alignment (lower: tighter)": lambda evaluation: evaluation.geometry.class_alignment or 0.0,
}


def result_section(contenders: Sequence[Contender]) -> ReportSection:
    """Return the section with all numbers, one column per contender."""
    first = contenders[0].evaluations[0]
    explanation = (
        "The encoders are frozen: nothing is fine-tuned. A linear classifier and a vote of nearest neighbours are "
        f"fitted on the features of {first.num_train} labelled training images and score all {first.num_test} test "
        "images. Their settings are chosen on parts of the training images only.",
        "Two columns need no training: the pixels themselves, and the same encoder with its random starting weights. "
        "An objective has only earned what it adds to them.",
        "The last rows say where the features lie. Effective rank: in how many directions. Uniformity: how evenly over "
        "the sphere. Class alignment: how near to each other within a class. The last is no merit on its own: features "
        "that all lie close together are tight within classes too, and uneven.",
    )
    num_seeds = max(len(contender.evaluations) for contender in contenders)
    caption = "Test set. " + (
        f"Mean and 95 % t-interval over {num_seeds} encoder seeds; the pixels have no seed. The interval does not "
        "cover the choice of the test images."
        if num_seeds > 1
        else "One encoder seed, so there is no interval and a difference of a few test images means nothing."
    )
    return ReportSection(
        "Results", [Text(explanation), Table(["", *(c.name for c in contenders)], _rows(contenders), caption)]
    )


def result_sentence(contenders: Sequence[Contender]) -> str:
    """Return what came out: the linear probe of all, and whether the two objectives differ over seeds."""
    shares = [f"{100 * contender.over_seeds(_probe).mean:.1f} % ({contender.name})" for contender in contenders]
    first, second, *_ = contenders
    differences = [
        100 * (_probe(ours) - _probe(theirs))
        for theirs, ours in zip(first.evaluations, second.evaluations, strict=True)
    ]
    images = counted(first.evaluations[0].num_test, "test image")
    return (
        f"On {images} a linear classifier on the frozen features is right "
        f"for {', '.join(shares)}; {_difference(t_interval(differences), f'{second.name} minus {first.name}')}."
    )


def _probe(evaluation: Evaluation) -> float:
    return evaluation.linear.accuracy.mean


def _difference(difference: Interval, name: str) -> str:
    mean, reach = difference.mean, difference.half_width
    if reach is None:
        return f"{name} is {mean:+.1f} points on one seed, which shows nothing"
    words = "no difference is shown" if abs(mean) <= reach else "a difference on these images"
    ends = f"95 % interval {mean - reach:+.1f} to {mean + reach:+.1f}"
    return f"{name} is {mean:+.1f} points, {ends} over {counted(difference.num_values, 'seed')}: {words}"


def class_section(contenders: Sequence[Contender]) -> ReportSection:
    """Return the section with the linear probe's accuracy by class."""
    names = list(contenders[0].evaluations[0].class_accuracy)
    rows = [
        [name, *(_cell(c.over_seeds(lambda e, name=name: e.class_accuracy[name]), 100.0, 1) for c in contenders)]
        for name in names
    ]
    table = Table(["class", *(c.name for c in contenders)], rows, "Linear probe, % of the test images of the class.")
    return ReportSection("Class by class", [table])


def _rows(contenders: Sequence[Contender]) -> list[list[str]]:
    rows = []
    for label, number in PERCENT_ROWS.items():
        rows.append([label, *(_cell(contender.over_seeds(number), 100.0, 1) for contender in contenders)])
    for label, number in GEOMETRY_ROWS.items():
        rows.append([label, *(_cell(contender.over_seeds(number), 1.0, 2) for contender in contenders)])
    return rows


def _cell(interval: Interval, factor: float, digits: int) -> str:
    spread = "" if interval.half_width is None else f" \N{PLUS-MINUS SIGN} {factor * interval.half_width:.{digits}f}"
    return f"{factor * interval.mean:.{digits}f}{spread}"
