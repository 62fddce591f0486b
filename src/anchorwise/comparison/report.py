"""The report of a comparison."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from anchorwise.comparison.figures import (
    NAMES,
    cost_figure,
    difference_figure,
    grid_figure,
    history_figure,
    interval_figure,
    ladder_figure,
)
from anchorwise.comparison.study import point_label
from anchorwise.comparison.summary import Entry, Summary
from anchorwise.comparison.tables import VERDICT_COLUMNS, between, caption, verdict_rows
from anchorwise.comparison.verdict import Outcome
from anchorwise.reporting.environment import environment
from anchorwise.reporting.pictures import figure_uri
from anchorwise.reporting.report import Block, Code, Facts, Figures, Report, ReportSection, Table, Text

PROTOCOL = (
    "Within a seed, every objective starts from the same initial weights and sees the same images in the same order "
    "with the same random views, so differences between objectives are taken seed by seed.",
    "Each objective is judged at the point of its grid with the best validation accuracy: on labelled training images "
    "that the classifier was not fitted on. The choice is made on other encoder seeds than the judgement, and no test "
    "image is looked at before. Probe and split seeds are averaged inside an encoder seed, the unit of replication.",
    "Verdicts use intervals that hold for all objectives of a data set together (Dunn 1961). They do not hold for "
    "several data sets together, nor if seeds are added until a verdict comes out: decide on the number of seeds "
    "first, and judge an undecided objective with fresh seeds only.",
)


def comparison_report(summary: Summary) -> Report:
    """Return the report of a study, as far as it has come."""
    study = summary.study
    sections = [_verdict_section(summary)]
    sections += [_data_section(summary, data_set) for data_set in study.data_sets]
    if study.ladder:
        sections.append(_ladder_section(summary))
    sections += [_choice_section(summary), _cost_section(summary), _tail_section(summary)]
    if failures := _failures(summary):
        sections.append(ReportSection("What went wrong", [Facts(failures)]))
    return Report(study.name, _headline(summary), [*sections, _origin_section(summary)])


def _headline(summary: Summary) -> str:
    study = summary.study
    grids = "at the best point of its own grid"
    return (
        f"{len(study.objectives)} objectives, each {grids}, on {', '.join(study.data_sets)}: "
        f"{len(study.seeds)} encoder seeds each, against {study.label(study.baseline)}."
    )


def _verdict_section(summary: Summary) -> ReportSection:
    words = [_sentence(summary, data_set) for data_set in summary.study.data_sets]
    table = Table([column.capitalize() for column in VERDICT_COLUMNS], verdict_rows(summary), caption(summary))
    return ReportSection("Verdicts", [Text(words), table])


def _sentence(summary: Summary, data_set: str) -> str:
    """Return the verdicts of a data set in plain words."""
    study, grouped = summary.study, dict[Outcome, list[str]]()
    for entry in summary.entries[data_set]:
        if entry.objective != study.baseline:
            verdict = summary.verdict(data_set, entry.objective)
            grouped.setdefault(verdict.outcome, []).append(f"{entry.label} ({verdict.words})")
    base = study.label(study.baseline)
    starts = {
        Outcome.BETTER: f"better than {base}",
        Outcome.WORSE: f"worse than {base}",
        Outcome.ALIKE: f"no different from {base}",
        Outcome.UNDECIDED: "undecided",
        Outcome.FAILED: "without verdict",
    }
    parts = [f"{start}: {', '.join(grouped[outcome])}" for outcome, start in starts.items() if outcome in grouped]
    nobody = [] if Outcome.BETTER in grouped else [f"nothing is shown to be better than {base}"]
    return f"{data_set}, {NAMES[study.primary]}: {'; '.join([*nobody, *parts])}."


def _data_section(summary: Summary, data_set: str) -> ReportSection:
    entries, level = summary.entries[data_set], f"{summary.study.interval_level:.0%}".replace("%", " %")
    figures = [difference_figure(summary, data_set, title="Against the baseline, seed by seed")]
    figures += [interval_figure(entries, metric, title=name) for metric, name in NAMES.items()]
    words = (
        f"First: differences from the baseline, a dot per seed, with {level} intervals that hold together; the grey "
        "band holds differences that do not matter. Then both accuracies, a dot per seed, with plain intervals."
    )
    titles = ("differences from the baseline", *(f"{name} of every objective" for name in NAMES.values()))
    return ReportSection(data_set, [_pictures(figures, titles, words), *_other_metric(summary, data_set)])


def _other_metric(summary: Summary, data_set: str) -> list[Block]:
    """Return the paired differences of the accuracy that verdicts are not about."""
    study = summary.study
    other = next(metric for metric in NAMES if metric != study.primary)
    rows = []
    for entry in summary.entries[data_set]:
        if entry.objective != study.baseline:
            cells = [
                summary.difference(data_set, entry.objective, study.baseline, metric) for metric in (other, "recall@1")
            ]
            rows.append([entry.label, *("-" if cell is None else between(cell) for cell in cells)])
    words = (
        "Paired differences from the baseline in points, with plain intervals: not corrected for the number of "
        f"objectives, and at points chosen by {NAMES[study.primary]}."
    )
    return [Table(["Objective", NAMES[other], "recall@1"], rows, words)]


def _ladder_section(summary: Summary) -> ReportSection:
    study = summary.study
    figures = [
        ladder_figure(summary, data_set, study.primary, title=f"{data_set}, one change at a time")
        for data_set in study.data_sets
    ]
    words = (
        "From top to bottom every objective changes one thing of the one above it. A bar is the paired difference over "
        "seeds, and its whisker the plain interval of that difference. Each stands at its own best temperature."
    )
    return ReportSection("Where a gain comes from", [_pictures(figures, list(study.data_sets), words)])


def _choice_section(summary: Summary) -> ReportSection:
    study, blocks = summary.study, list[Block]()
    for data_set, entries in summary.entries.items():
        figure = grid_figure(entries, study.primary, title=f"{data_set}, while choosing")
        if figure is not None:
            blocks.append(_pictures([figure], ["validation accuracy against temperature"], ""))
    rows = [row for entries in summary.entries.values() for entry in entries for row in _grid_rows(entry)]
    seeds = ", ".join(map(str, study.selection_seeds))
    words = f"Validation {NAMES[study.primary]} in %, mean over encoder seeds {seeds} and over validation splits."
    if study.halving is not None:
        words += " The best of a rung, one in " + f"{study.halving.factor:g}, rounded up, go on to the next."
    blocks.append(Table(["Data set", "objective", "epochs", "point", "accuracy", "chosen"], rows, words))
    return ReportSection("How settings were chosen", blocks)


def _grid_rows(entry: Entry) -> list[list[str]]:
    rows = []
    for rung in entry.progress.rungs:
        for trial in rung.trials:
            score = "-" if trial.score is None else f"{100 * trial.score:.2f}"
            is_last = rung is entry.progress.rungs[-1]
            mark = "chosen" if is_last and trial.point == entry.progress.chosen else ""
            rows.append(
                [entry.progress.data_set, entry.label, str(rung.num_epochs), point_label(trial.point), score, mark]
            )
    return rows


def _cost_section(summary: Summary) -> ReportSection:
    figures, titles = list[Figure](), list[str]()
    for data_set, entries in summary.entries.items():
        figures.append(cost_figure(entries, "step_s", title=f"{data_set}, time", x_label="ms per step", factor=1000.0))
        figures.append(cost_figure(entries, "step_peak_mib", title=f"{data_set}, memory", x_label="MiB above rest"))
        titles += ["time per step", "peak memory per step"]
        against_time = history_figure(
            entries,
            "wall_s",
            "knn_accuracy",
            title=f"{data_set}, accuracy against time",
            x_label="seconds of training",
            y_label="kNN, % of validation images",
            factor=100.0,
        )
        if against_time is not None:
            figures.append(against_time)
            titles.append("accuracy against wall time")
    words = (
        "Whole training steps, with augmentation and encoder, in runs that shared their machine with each other. Bars "
        "are medians over seeds. Memory is the peak of building a model and taking its first step."
    )
    used = "; ".join(summary.machines("processor") + summary.machines("accelerator"))
    return ReportSection("Cost", [Text([words]), _pictures(figures, titles, f"Measured on {used}.")])


def _tail_section(summary: Summary) -> ReportSection:
    figures, titles = list[Figure](), list[str]()
    for data_set, entries in summary.entries.items():
        for name, title, label in (
            ("hardest_score", "hardest negative", "cosine, median over anchors"),
            ("lambda", "lambda", "mean over anchors"),
            ("exponent", "exponent", "mean over anchors"),
        ):
            figure = history_figure(entries, "step", name, title=f"{data_set}, {title}", x_label="step", y_label=label)
            if figure is not None:
                figures.append(figure)
                titles.append(f"{title} over training")
    words = "Mean over seeds, of logged steps. The hardest negative is the one nearest to an anchor in its batch."
    return ReportSection("The tail over training", [_pictures(figures, titles, words)])


def _failures(summary: Summary) -> dict[str, str]:
    found = {}
    for data_set, entries in summary.entries.items():
        for entry in entries:
            if lines := [*entry.grid_failures, *entry.failures]:
                found[f"{data_set}, {entry.label}"] = "; ".join(lines)
    return found


def _origin_section(summary: Summary) -> ReportSection:
    used = {part: ", ".join(summary.machines(part)) for part in ("anchorwise", "torch", "processor", "accelerator")}
    study = summary.study.model_dump_json(indent=2)
    return ReportSection(
        "How it was made",
        [
            Text(PROTOCOL),
            Facts({f"runs: {part}": value for part, value in used.items()}),
            Facts({f"report: {name}": value for name, value in environment().items() if name in ("command", "date")}),
            Code(study, summary="The whole study"),
        ],
    )


def _pictures(figures: Sequence[Figure], titles: Sequence[str], words: str) -> Figures:
    return Figures([figure_uri(figure) for figure in figures], list(titles), words)
