"""The report of the demo, from what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anchorwise.demo.contenders import COLOURS, Contender
from anchorwise.demo.curve_section import curve_section
from anchorwise.demo.picture_sections import neighbor_section, view_section
from anchorwise.demo.result_section import class_section, result_section, result_sentence
from anchorwise.demo.tail_section import tail_section
from anchorwise.diagnostics.training_section import training_section
from anchorwise.evaluation.embed import test_of
from anchorwise.modalities.base import Splits
from anchorwise.modalities.images.augment import RandomViews
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.reporting.environment import environment
from anchorwise.reporting.report import Block, Code, Facts, Report, ReportSection, Text

SUMMARY = (
    "The encoder was pretrained without labels on 8 x 8 scans of handwritten digits, once with InfoNCE and once with "
    "WEINCE; the page also shows where their hardest negatives end."
)
INTRODUCTION = (
    "Contrastive learning trains an encoder to give two views of one image similar features and views of different "
    "images dissimilar ones. The usual objective for that is InfoNCE. WEINCE (Erol et al. 2026, arXiv 2606.00262) "
    "changes one thing: similarities have a ceiling, since a cosine cannot exceed 1, and the negatives closest to it "
    "are weighed by their distance to the ceiling instead of by an exponential.",
    "This page shows both objectives at work on real images, trained from the same random starting weights on the "
    "same batches of the same views. It is a demonstration, not evidence: the images are tiny, the classes easy, the "
    "trainings short, and neither objective's settings were tuned for this set. Which objective is better on your data "
    "is for a comparison on your data to say.",
)


@dataclass(frozen=True)
class Measured:
    """All that the report shows.

    Attributes:
        splits: The images.
        augmentation: What made the views.
        contenders: The columns.
        logs: Training logs (`anchorwise.demo.curve_section`).
        configurations: Resolved configuration of every objective, as text.
        commands: What to type to get the same.
    """

    splits: Splits[ImageSet]
    augmentation: RandomViews
    contenders: Sequence[Contender]
    logs: Mapping[str, Sequence[Mapping[str, Any]]]
    configurations: Mapping[str, str]
    commands: str


def demo_report(measured: Measured) -> Report:
    """Return the report."""
    test = test_of(measured.splits)
    encoders = [contender for contender in measured.contenders if contender.exceedances is not None]
    moved = training_section(measured.logs, COLOURS)
    return Report(
        "anchorwise: a first look",
        f"{result_sentence(measured.contenders)} {SUMMARY}",
        [
            ReportSection("What this is", [Text(INTRODUCTION)]),
            result_section(measured.contenders),
            view_section(measured.splits.train, measured.augmentation),
            curve_section(measured.logs),
            tail_section(encoders),
            *([moved] if moved else []),
            neighbor_section(measured.contenders, test),
            class_section(measured.contenders),
            _origin_section(measured),
        ],
    )


def _origin_section(measured: Measured) -> ReportSection:
    blocks: list[Block] = [Text(["The same again, by hand:"]), Code(measured.commands), Facts(environment())]
    blocks += [Code(text, summary=f"All settings: {name}") for name, text in measured.configurations.items()]
    return ReportSection("How it was made", blocks)
