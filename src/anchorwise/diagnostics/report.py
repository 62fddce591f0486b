"""The report of a diagnosis, from what was found."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anchorwise.diagnostics.anchor_figures import gradient_figure, spectrum_figure
from anchorwise.diagnostics.anchor_section import anchor_section, near_section
from anchorwise.diagnostics.diagnosis import Diagnosis
from anchorwise.diagnostics.pooled_section import pooled_section
from anchorwise.diagnostics.training_section import training_section
from anchorwise.evaluation.embedding_map import embedding_maps
from anchorwise.reporting.environment import environment
from anchorwise.reporting.pictures import figure_uri
from anchorwise.reporting.report import Answer, Block, Code, Facts, Figures, Report, ReportSection, Table, Text

INTRODUCTION = (
    "A contrastive loss pulls the views of one item together and pushes all other items, the negatives, away: hardest "
    "those that look most alike. Likeness is a cosine, and cosines end at 1. Whether the hardest negatives feel that "
    "end decides which form of loss fits them, and how steep it should be. This page measures it on your embeddings."
)
METHOD = (
    "Every answer had to hold in each of {num_draws} disjoint draws of anchors; otherwise it says inconclusive. The "
    "draws share the rows they are compared with, and negatives of one anchor are not independent of each other, since "
    "items of one class move together: shares above chance by a little mean nothing."
)
LINKS = (
    "What a loss would do with random batches of these embeddings ({num_negatives} negatives for every anchor). The "
    "gradient of an anchor is shared out among its negatives: softmax does so by exp(cosine / temperature), the "
    "shortfall link by a power of 1 / (1 - cosine), with the exponent that the tail itself has."
)
LINK_CAPTION = (
    "Effective negatives: so many negatives with equal shares would be as concentrated. Hardest and 10 hardest: their "
    "share of an anchor's gradient. Medians and means over anchors, in 8 batches."
)
SPACE = (
    "From {num_items:,} items. The effective rank counts the directions that matter. Uniformity is 0 when all rows are "
    "one point and falls as they spread. Alignment is the squared distance of rows that belong together, and tolerance "
    "the cosine within a class: too much uniformity costs tolerance, which is the dilemma of a low temperature."
)


def diagnosis_report(found: Diagnosis, *, source: str, log: Sequence[Mapping[str, Any]] = ()) -> Report:
    """Return the report.

    Args:
        found: What to report.
        source: What the embeddings are, for the title.
        log: Lines of a training's log; its tail statistics are drawn over the steps.
    """
    sections = [_verdict_section(found), anchor_section(found), pooled_section(found), near_section(found)]
    sections += [_link_section(found), _space_section(found), _map_section(found)]
    if training := training_section({source: log}):
        sections.append(training)
    settings = Code(found.config.model_dump_json(indent=2), summary="All settings")
    sections.append(ReportSection("How it was made", [Facts(_facts(found)), Facts(environment()), settings]))
    return Report(f"The hardest negatives of {source}", found.verdict.headline, sections)


def _verdict_section(found: Diagnosis) -> ReportSection:
    answers = [Answer(one.question, one.answer, one.text, one.numbers) for one in found.verdict.statements]
    method = METHOD.format(num_draws=found.config.num_draws)
    return ReportSection("In short", [Text([INTRODUCTION, *found.notes]), *answers, Text([method])])


def _link_section(found: Diagnosis) -> ReportSection:
    links = found.links
    caption = (
        "Read it at 10: how much of an anchor's push goes to its 10 hardest negatives? Softmax lines nearest to the "
        "shortfall link show which temperature would act like it."
    )
    figure = Figures([figure_uri(gradient_figure(links))], ["cumulative gradient shares by rank"], captions=[caption])
    rows = [
        [
            name,
            f"{np.median(shares.effective_negatives):.0f}",
            f"{shares.share_by_rank[0]:.1%}",
            f"{sum(shares.share_by_rank[:10]):.1%}",
        ]
        for name, shares in links.shares.items()
    ]
    table = Table(("Link", "effective negatives", "hardest", "10 hardest"), rows, LINK_CAPTION)
    slopes = [[f"{rank}", f"{np.median(values):.3f}"] for rank, values in links.slope_temperature.items()]
    slope_caption = (
        "The shortfall link gets steeper towards 1, as if its temperature fell: (1 - cosine) / exponent. A softmax of "
        "that temperature is as steep at that rank."
    )
    blocks: list[Block] = [Text([LINKS.format(num_negatives=links.num_negatives)]), figure, table]
    blocks.append(Table(("Rank of the negative", "temperature as steep"), slopes, slope_caption))
    return ReportSection("What a loss would do with them", blocks)


def _space_section(found: Diagnosis) -> ReportSection:
    space = found.space
    caption = "A curve that falls off a cliff shows collapsed directions: the embeddings live in fewer than they have."
    known = {
        "uniformity": space.uniformity,
        "alignment": space.alignment,
        "tolerance": space.tolerance,
        "gap between the two encoders": space.modality_gap,
    }
    facts = {
        "effective rank": f"{space.effective_rank:.1f} of {space.width}",
        **{name: f"{value:.3f}" for name, value in known.items() if value is not None},
        "length of the mean direction": ", ".join(f"{one:.3f}" for one in space.mean_resultant),
    }
    figure = Figures([figure_uri(spectrum_figure(space))], ["spectrum of the covariance"], captions=[caption])
    text = Text([SPACE.format(num_items=space.num_items)])
    return ReportSection("How the embeddings fill their space", [text, Facts(facts), figure])


def _map_section(found: Diagnosis) -> ReportSection:
    return ReportSection("Where they lie", embedding_maps(found.rows.embeddings, kept=found.rows.kept))


def _facts(found: Diagnosis) -> dict[str, str]:
    rows = found.rows
    return {
        "items": f"{rows.num_items:,}, {rows.num_views} view{'s' if rows.num_views == 2 else ''} of width {rows.width}",
        "items left out": f"{rows.num_dropped:,}",
        "anchors": f"{len(found.tails.anchors):,}, each compared with every row",
        "negatives looked at": f"{found.tails.num_negatives:,}",
        "pairs that are exact duplicates": f"{len(found.tails.duplicates.scores):,}",
    }
