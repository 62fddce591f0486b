"""The report of a comparison."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from anchorwise.comparison.costs import STEP_PEAK_MIB, STEP_S
from anchorwise.comparison.figures import (
    cost_figure,
    difference_figure,
    forest_figure,
    grid_figure,
    history_figure,
    interval_figure,
    ladder_figure,
)
from anchorwise.comparison.illustrations import Illustrations
from anchorwise.comparison.runs import HELD_OUT
from anchorwise.comparison.study import Study, point_label
from anchorwise.comparison.summary import Standing, Summary
from anchorwise.comparison.tables import (
    across_caption,
    across_columns,
    across_rows,
    against,
    between,
    caption,
    trained_for,
    with_spread,
)
from anchorwise.comparison.verdict import Decision
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.registry import judges_of
from anchorwise.objectives.catalogue import describe
from anchorwise.reporting.environment import environment
from anchorwise.reporting.pictures import figure_uri
from anchorwise.reporting.report import Block, Code, Facts, Figures, Report, ReportSection, Table, Text
from anchorwise.reporting.wording import counted, listed
from anchorwise.training.measured import STEP_METRICS

_PROTOCOL = (
    "Within a seed, every objective starts from the same initial weights and sees the same samples in the same order "
    "with the same random views, so differences between objectives are taken seed by seed.",
    "Each objective is judged at the point of its grid with the best validation value: on {validation}. The choice is "
    "made on other encoder seeds than the judgement, and no test sample is looked at before. Probe and split seeds are "
    "averaged inside an encoder seed, the unit of replication.",
    "Verdicts use intervals that hold for all objectives of {family} (Dunn 1961), and not if seeds are added until a "
    "verdict comes out: decide on the number of seeds first, and judge an undecided objective again in a new study, on "
    "fresh seeds alone.",
)
_VALIDATION = {
    False: "labelled training samples that the classifier was not fitted on",
    True: f"{HELD_OUT:.0%} of the training samples, which runs that choose leave out",
}
_FAMILIES = {
    "data_set": "a data set together, not for several data sets together",
    "study": "all data sets together",
}

_MAX_LISTED = 9  # Points in a sentence.
_MAX_RANKED = 6  # Objectives in the first sentence.
CURVES = [metric for metric in STEP_METRICS if metric.about]


def comparison_report(summary: Summary, illustrations: Illustrations | None = None) -> Report:
    """Return the report of a study, as far as it has come.

    Args:
        summary: Of the study.
        illustrations: What is shown of its encoders.
    """
    study, illustrations = summary.study, illustrations or Illustrations()
    about = [ReportSection("What this is", [Text([study.about])])] if study.about else []
    sections = [*about, _verdict_section(summary)]
    if len(study.data_sets) > 1:
        sections.append(_across_section(summary))
    sections.append(_contender_section(summary))
    sections += [_data_section(summary, data_set) for data_set in study.data_sets]
    if study.ladder:
        sections.append(_ladder_section(summary))
    if any(len(contender.grid) > 1 for contender in study.objectives.values()):
        sections.append(_choice_section(summary))
    sections += [*illustrations.sections, _curve_section(summary), _cost_section(summary)]
    if failures := _failures(summary):
        sections.append(ReportSection("What went wrong", [Facts(failures)]))
    results = [_result(summary, name, illustrations.references.get(name, {})) for name in study.data_sets]
    summary_line = f"{_collapsed(summary)}{''.join(results)}{_headline(summary)}"
    return Report(f"{study.name}: objectives compared", summary_line, [*sections, _origin_section(summary)])


def _result(summary: Summary, data_set: str, references: Mapping[str, Mapping[str, float]]) -> str:
    """Return what a data set came to in one sentence, best first; empty as long as nothing is judged."""
    metric = summary.primary
    means = [(one.label, float(mean.mean)) for one in summary.standings[data_set] if (mean := one.interval(metric))]
    ranked = sorted(means, key=lambda item: -metric.sign * item[1])  # A label may stand twice.
    if not ranked:
        return ""
    shown = [f"{label} {metric.number(mean)}" for label, mean in ranked[:_MAX_RANKED]]
    more = [f"{len(ranked) - _MAX_RANKED} more below"] if len(ranked) > _MAX_RANKED else []
    plain = [f"{name} {metric.number(of[metric.name])}" for name, of in references.items() if metric.name in of]
    without = f"; without training: {', '.join(plain)}" if plain else ""
    return f"{metric.heading} on {data_set}: {', '.join([*shown, *more])}{without}. "


def _headline(summary: Summary) -> str:
    study = summary.study
    has_grids = any(len(contender.grid) > 1 for contender in study.objectives.values())
    chosen = "each at the best point of its own grid" if has_grids else "each as it is set"
    return (
        f"{counted(len(study.objectives), 'objective')}, {chosen}, on "
        f"{', '.join(study.data_sets)}: {counted(len(study.seeds), 'encoder seed')} each, against "
        f"{study.label(study.baseline)}. Trained for {trained_for(study)}."
    )


def _collapsed(summary: Summary) -> str:
    """Return who has collapsed features, for the first sentence; empty if nobody."""
    found = [
        f"{standing.label} on {data_set} {', '.join(standing.warnings)}"
        for data_set, standings in summary.standings.items()
        for standing in standings
        if standing.warnings
    ]
    return f"Look at this first: {'; '.join(found)}. " if found else ""


def _verdict_section(summary: Summary) -> ReportSection:
    blocks: list[Block] = [Text([_sentence(summary, data_set) for data_set in summary.study.data_sets])]
    for data_set, standings in summary.standings.items():
        rows = []
        for standing in standings:
            difference, signs, words = against(summary, standing)
            rows.append([standing.label, words, difference, signs, standing.choice])
        blocks.append(Table([data_set, "verdict", "difference", "seeds", "chosen"], rows))
    return ReportSection("Verdicts", [*blocks, Text([caption(summary)])])


def _across_section(summary: Summary) -> ReportSection:
    """Return every objective's mean over the data sets, and the picture of what it is a mean of."""
    study, rows = summary.study, across_rows(summary)
    if not rows:
        words = "Not yet: an objective stands here once it has a verdict on every data set."
        return ReportSection("Over all data sets", [Text([words])])
    figures = {
        f"{study.label(name)}: its difference on every data set and over all": forest_figure(summary, name)
        for name in study.objectives
        if name != study.baseline and summary.across(name) is not None
    }
    reading = "A data set has the interval of its verdict. Differences in the grey band do not matter."
    table = Table(across_columns(), rows, across_caption(summary))
    return ReportSection("Over all data sets", [table, *_pictures(figures, reading)])


def _contender_section(summary: Summary) -> ReportSection:
    """Return what every objective is, so that the page is understood by whoever it is sent to."""
    study = summary.study
    kinds = {name: describe(str(study.whole_objective(name).name)) for name in study.objectives}
    told = [study.label(name) for name, kind in kinds.items() if "labels" in kind.inputs.needs]
    how = f"is trained {'' if told else 'without labels '}with every objective"
    words = (
        f"The same encoder ({getattr(study.encoder, 'name', study.modality)}) {how}, on batches of "
        f"{counted(study.train.batch_size, 'sample')}. Frozen, it is then judged on test samples that had no part in "
        f"training: {', '.join(metric.label for metric in summary.metrics)}."
    )
    if told:
        words += (
            f" The labels of training samples are told to {', '.join(told)}: where settings were chosen between, it "
            "was by accuracy on labels that were trained on."
        )
    # A label may stand twice, a name cannot.
    titles = {name: study.label(name) for name in study.objectives}
    facts = {title if title == name else f"{title} ({name})": _contender(study, name) for name, title in titles.items()}
    return ReportSection("What is compared", [Text([words]), Facts(facts)])


def _contender(study: Study, name: str) -> str:
    """Return what an objective computes, with which method and settings, and between which it was chosen."""
    contender, objective = study.objectives[name], study.whole_objective(name)
    entry = describe(str(objective.name))
    settings = ", ".join(f"{name}={value}" for name, value in objective.hyperparameters.items())
    tried = "; ".join(point_label(point) for point in contender.grid)
    if len(contender.grid) > _MAX_LISTED:
        tried = f"{counted(len(contender.grid), 'point')}, listed below"
    chosen = f" Chosen between: {tried}." if len(contender.grid) > 1 else ""
    summary = entry.summary.replace("`", "")
    method = f"Method {contender.method.name}. " if contender.method is not None else ""
    return f"{method}{summary} In configurations: {objective.name}{f' with {settings}' if settings else ''}.{chosen}"


def _sentence(summary: Summary, data_set: str) -> str:
    """Return who is better, worse, alike and undecided on a data set."""
    study, grouped = summary.study, dict[Decision, list[str]]()
    for standing in summary.standings[data_set]:
        if standing.objective != study.baseline:
            verdict = summary.verdict(data_set, standing.objective)
            is_decided = verdict.decision in (Decision.BETTER, Decision.WORSE)
            grouped.setdefault(verdict.decision, []).append(
                f"{standing.label} ({verdict.words})" if is_decided else standing.label
            )
    base = study.label(study.baseline)
    starts = {
        Decision.BETTER: f"better than {base}",
        Decision.WORSE: f"worse than {base}",
        Decision.ALIKE: f"no different from {base}",
        Decision.UNDECIDED: "undecided",
        Decision.FAILED: "without verdict",
    }
    parts = [f"{start}: {', '.join(grouped[decision])}" for decision, start in starts.items() if decision in grouped]
    nobody = [] if Decision.BETTER in grouped else [f"nothing is shown to be better than {base}"]
    return f"{data_set}, {summary.primary.label}: {'; '.join([*nobody, *parts])}."


def _data_section(summary: Summary, data_set: str) -> ReportSection:
    study, standings = summary.study, summary.standings[data_set]
    level = f"{100 * study.interval_level:g} %"
    sets = " and data sets" if study.family == "study" else ""
    figures = {
        "the differences from the baseline": difference_figure(summary, data_set, title="Against the baseline"),
        **{f"{metric.label} of every objective": interval_figure(standings, metric) for metric in summary.by_split},
    }
    reading = (
        f"A dot per seed. Against the baseline: {level} intervals that hold together for all objectives{sets}; "
        f"differences in the grey band do not matter. Accuracies: plain {level} intervals."
    )
    _, *others = summary.by_split
    columns = [data_set, *(metric.heading for metric in summary.metrics)]
    columns += [f"{metric.label}, difference" for metric in others]
    words = (
        f"Test samples, with plain {level} intervals. The differences from the baseline are paired, in points, not "
        f"corrected for the number of objectives, and at points chosen by {summary.primary.label}."
    )
    rows = [
        [
            standing.label,
            *(with_spread(metric, standing.interval(metric)) for metric in summary.metrics),
            *(_difference(summary, standing, metric) for metric in others),
        ]
        for standing in standings
    ]
    return ReportSection(data_set, [*_pictures(figures, reading), Table(columns, rows, words)])


def _difference(summary: Summary, standing: Standing, metric: Metric) -> str:
    if standing.objective == summary.study.baseline:
        return ""
    difference = summary.difference(standing.progress.data_set, standing.objective, summary.study.baseline, metric.name)
    return "-" if difference is None else between(metric, difference)


def _ladder_section(summary: Summary) -> ReportSection:
    study = summary.study
    figures = {
        data_set: ladder_figure(summary, data_set, title=f"{data_set}, one change at a time")
        for data_set in study.data_sets
    }
    words = (
        "From top to bottom every objective changes one thing of the one above it. A bar is the paired difference over "
        "seeds, and its whisker the plain interval of that difference. Each stands at its own best temperature."
    )
    return ReportSection("Where a gain comes from", _pictures(figures, words))


def _choice_section(summary: Summary) -> ReportSection:
    study, blocks = summary.study, list[Block]()
    judging, choosing = listed("encoder seed", study.seeds), listed("encoder seed", study.selection_seeds)
    rung = "" if study.halving is None else f" for {counted(study.halving.epochs(study.num_epochs)[0], 'epoch')}"
    beside = (
        f"Left: what was chosen from, on {choosing}{rung}; an objective without a grid is not there. Right: all "
        f"objectives at their chosen points, on {judging}, a dot per seed. Compare within a panel, not across: other "
        "seeds are other accuracies."
    )
    for data_set, standings in summary.standings.items():
        figure = grid_figure(standings, summary.primary, title=f"{data_set}, validation")
        if figure is not None:
            blocks += _pictures({f"{data_set}: validation {summary.primary.label} against temperature": figure}, beside)
    words = f"Validation {summary.primary.heading}, mean over {choosing} and over validation splits."
    if study.halving is not None:
        words += " The best of a rung, one in " + f"{study.halving.factor:g}, rounded up, go on to the next."
    for data_set, standings in summary.standings.items():
        rows = [row for standing in standings for row in _grid_rows(standing, summary.primary)]
        columns = [data_set, "point", "epochs", summary.primary.heading, "chosen"]
        blocks.append(Table(columns, rows, words, summary=f"{data_set}: {counted(len(rows), 'point')} that were tried"))
    return ReportSection("How settings were chosen", blocks)


def _grid_rows(standing: Standing, primary: Metric) -> list[list[str]]:
    rows = []
    for rung in standing.progress.rungs:
        for trial in rung.trials:
            score = "-" if trial.score is None else primary.number(trial.score)
            is_last = rung is standing.progress.rungs[-1]
            mark = "chosen" if is_last and trial.point == standing.progress.chosen else ""
            rows.append([standing.label, point_label(trial.point), str(rung.num_epochs), score, mark])
    return rows


def _cost_section(summary: Summary) -> ReportSection:
    words = (
        "Whole training steps, with augmentation and encoder, in runs that shared their machine with each other. Bars "
        "are medians over seeds. Memory is the peak of building a model and taking its first step."
    )
    used = "; ".join(name for part in ("processor", "accelerator") for name in summary.machines(part) if name != "none")
    blocks: list[Block] = [Text([words])]
    judges = judges_of(summary.study.judges)
    watched = [metric for judge in judges for metric in judge.watched if metric.higher_is_better is not None]
    for data_set, standings in summary.standings.items():
        figures = {
            f"{metric.label} of all": cost_figure(standings, metric, title=f"{data_set}, {metric.label}")
            for metric in (STEP_S, STEP_PEAK_MIB)
        }
        for metric in watched:
            figures[f"{metric.label} against wall time"] = history_figure(
                standings,
                "wall_s",
                metric,
                title=f"{data_set}, {metric.label} against time",
                y_label=f"{metric.label}, {metric.unit} of validation samples",
            )
        blocks += _pictures(figures, f"Measured on {used}. Curves are means over seeds.")
    return ReportSection("Cost", blocks)


def _curve_section(summary: Summary) -> ReportSection:
    words = (
        "Mean over seeds, of logged steps. Above chance: the loss minus that of embeddings that know nothing. The "
        "hardest negative is the one nearest to an anchor in its batch. What is missing, an objective does not have."
    )
    blocks: list[Block] = []
    for data_set, standings in summary.standings.items():
        figures = {
            f"{metric.label} over training": history_figure(
                standings, "step", metric, title=f"{data_set}, {metric.label}", y_label=metric.about
            )
            for metric in CURVES
        }
        blocks += _pictures(figures, words)
    return ReportSection("Over training", blocks)


def _failures(summary: Summary) -> dict[str, str]:
    found = {}
    for data_set, standings in summary.standings.items():
        for standing in standings:
            if lines := [*standing.grid_failures, *standing.failures]:
                found[f"{data_set}, {standing.label}"] = "; ".join(lines)
    return found


def _origin_section(summary: Summary) -> ReportSection:
    used = {part: ", ".join(summary.machines(part)) for part in ("anchorwise", "torch", "processor", "accelerator")}
    study = summary.study
    chosen, family = _VALIDATION[study.chooses_on_held_out], _FAMILIES[study.family]
    return ReportSection(
        "How it was made",
        [
            Text([words.format(validation=chosen, family=family) for words in _PROTOCOL]),
            Facts({f"runs: {part}": value for part, value in used.items()}),
            Facts({f"report: {name}": value for name, value in environment().items() if name in ("command", "date")}),
            Code(study.model_dump_json(indent=2), summary="The whole study"),
        ],
    )


def _pictures(figures: Mapping[str, Figure | None], words: str) -> list[Block]:
    """Return figures by their descriptions; of those that have nothing to show, a sentence."""
    drawn = {description: figure for description, figure in figures.items() if figure is not None}
    blocks: list[Block] = []
    if drawn:
        blocks.append(Figures([figure_uri(figure) for figure in drawn.values()], list(drawn), words))
    if missing := [description for description in figures if description not in drawn]:
        blocks.append(Text([f"Not drawn, since no run has the numbers: {', '.join(missing)}."]))
    return blocks
