"""What one can see of a study's encoders: views, tails, neighbours, what they add to pixels; where a study asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from anchorwise._device import as_device
from anchorwise.comparison.fingerprint import loaded
from anchorwise.comparison.picture_sections import map_section, neighbor_section, view_section
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.summary import Standing, Summary
from anchorwise.comparison.tail_section import tail_section
from anchorwise.diagnostics.exceedances import pooled_exceedances
from anchorwise.diagnostics.training_section import training_section
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.embed import EmbeddedSamples, embed_samples, pixels, test_of
from anchorwise.evaluation.registry import judges_of, told_apart
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.reporting.figures import GREY, PALETTE
from anchorwise.reporting.report import ReportSection, Table, Text
from anchorwise.training import RunDirectory
from anchorwise.training.run_embeddings import trained_state, two_view_embeddings
from anchorwise.training.state import initial_state

PIXELS, UNTRAINED = "pixels", "untrained"


@dataclass(frozen=True)
class Illustrations:
    """What is shown of encoders.

    Attributes:
        sections: Of the report.
        references: By data set, what needs no training, and what judges say of it: means by metric.
    """

    sections: list[ReportSection] = field(default_factory=list)
    references: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)


def illustrations(summary: Summary, runs: Path) -> Illustrations:
    """Return what is shown of the encoders of the first seed, read from its run directories, where they are here.

    Args:
        summary: Of a study that is done.
        runs: Folder of the run directories.
    """
    shown_of = Illustrations()
    for data_set, standings in summary.standings.items():
        shown = {standing.label: _first(standing) for standing in standings if standing.by_seed}
        there = {label: run for label, run in shown.items() if _directory(runs, run).checkpoint_file.is_file()}
        if there:
            title = "" if len(summary.standings) == 1 else f"{data_set}: "
            sections, shown_of.references[data_set] = _of_data_set(summary, standings, there, runs)
            shown_of.sections.extend(ReportSection(f"{title}{section.title}", section.blocks) for section in sections)
    return shown_of


def _first(standing: Standing) -> StudyRun:
    return next(run for run in standing.progress.finals if run.seed in standing.by_seed)


def _directory(runs: Path, run: StudyRun) -> RunDirectory:
    return RunDirectory(runs / run.training_key)


def _of_data_set(
    summary: Summary, standings: list[Standing], shown: Mapping[str, StudyRun], runs: Path
) -> tuple[list[ReportSection], dict[str, dict[str, float]]]:
    config = next(iter(shown.values())).config
    device, (splits, _) = as_device(config.train.device), loaded(config)
    states = {label: trained_state(_directory(runs, run), splits, device) for label, run in shown.items()}
    blank = initial_state(config, splits.pretrain, device)
    states[UNTRAINED] = blank
    features: dict[str, Embeddings] = {
        label: embed_samples(state.frozen(), test_of(splits), device=device) for label, state in states.items()
    }
    tails = {
        label: pooled_exceedances(*two_view_embeddings(state, splits.train, device=device))
        for label, state in states.items()
    }
    colours = {label: PALETTE[index % len(PALETTE)] for index, label in enumerate(shown)} | {UNTRAINED: GREY}
    untrained: Embeddings = embed_samples(blank.frozen(), splits.train, device=device)
    references: dict[str, tuple[Embeddings, Embeddings]] = {UNTRAINED: (untrained, features[UNTRAINED])}
    sections = [tail_section(tails, colours)]
    if isinstance(splits.train, ImageSet) and isinstance(splits.test, ImageSet):
        features[PIXELS] = pixels(splits.test)
        references[PIXELS] = (pixels(splits.train), features[PIXELS])
        seen = [view_section(splits.train, blank.views)] if isinstance(blank.views, RandomViews) else []
        sections = [*seen, *sections, neighbor_section(features, splits.test)]
    sections.append(map_section(features))
    moved = training_section(_logs(standings, runs), colours)
    judged = {name: _judged(summary, *rows) for name, rows in references.items()}
    return [_reference_section(summary, judged), *sections, *([moved] if moved else [])], judged


def _logs(standings: list[Standing], runs: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the logs of all trainings that judge, by objective and seed."""
    finals = [(standing, run) for standing in standings for run in standing.progress.finals]
    directories = {f"{standing.label}/{run.seed}": _directory(runs, run) for standing, run in finals}
    return {name: directory.log() for name, directory in directories.items() if directory.log_file.is_file()}


def _judged(summary: Summary, train: Embeddings, test: Embeddings) -> dict[str, float]:
    """Return what the study's judges say of rows, means by metric."""
    numbers: dict[str, tuple[float, ...]] = {}
    judges = judges_of(summary.study.judges)
    for judge, own in zip(judges, told_apart(judges), strict=True):
        if isinstance(test, EmbeddedSamples) or not judge.needs_origin:  # Pixels come from no encoder.
            said = judge.judge(train, test, judge.choose(train)).numbers
            numbers |= {own[name].name: values for name, values in said.items()}
    return {name: fmean(values) for name, values in numbers.items()}


def _reference_section(summary: Summary, judged: Mapping[str, Mapping[str, float]]) -> ReportSection:
    """Return what needs no training, judged like the rest."""
    rows = []
    for name, means in judged.items():
        shown = {metric.name: metric.number(means[metric.name]) for metric in summary.metrics if metric.name in means}
        rows.append([name, *(shown.get(metric.name, "-") for metric in summary.metrics)])
    words = (
        "An objective has only earned what it adds to what needs no training: the encoder with its random starting "
        "weights, and the pixels themselves where there are any."
    )
    columns = ["", *(metric.heading for metric in summary.metrics)]
    return ReportSection("What needs no training", [Text([words]), Table(columns, rows, "Test samples.")])
