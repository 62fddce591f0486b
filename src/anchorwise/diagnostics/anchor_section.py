"""The parts of the report on single anchors: how they differ, and which are near the ceiling."""

from collections.abc import Mapping

from anchorwise.diagnostics.anchor_figures import histogram_figure, same_class_figure
from anchorwise.diagnostics.anchors import NearAnchor
from anchorwise.diagnostics.diagnosis import Diagnosis
from anchorwise.reporting.pictures import figure_uri, image_uri
from anchorwise.reporting.report import Block, Figures, Picture, PictureRow, PictureRows, ReportSection, Table, Text

EXPLANATION = (
    "A loss treats every anchor by itself, so the same question is asked of each: of its {num_tail} hardest negatives, "
    "do they follow the law that ends at 1, or the one without an end? {num_anchors:,} anchors were drawn at random; "
    "{num_readable:,} of them have a tail that can be read."
)
NEAR = (
    "The anchors whose hardest negatives are nearest to 1. Nothing pushes harder than they do, so they should be true "
    "negatives. An exact duplicate has the same direction. A likely duplicate is far nearer than the rest of the "
    "anchor's tail explains, at a chance of 1 % over all anchors. Only sampled anchors are looked at."
)
SAME_CLASS = (
    "The labels were not used to choose negatives. Of all negatives at a rank, how many have the anchor's own class? "
    "Those are pushed away although they belong together."
)


def anchor_section(found: Diagnosis) -> ReportSection:
    """Return how anchors differ."""
    readings = found.readings
    text = EXPLANATION.format(
        num_tail=found.tails.scores.shape[1] - 1,
        num_anchors=len(found.tails.anchors),
        num_readable=int(readings.converged.sum()),
    )
    figures = (
        histogram_figure(readings.exponent, title="Exponent", x_label="exponent of the shortfall law"),
        histogram_figure(1.0 - readings.hardest_score, title="Room above the hardest", x_label="1 - cosine of hardest"),
        histogram_figure(
            readings.delta_aic, title="Evidence", x_label="lead of the law that ends at 1", marks={"neither leads": 0.0}
        ),
        histogram_figure(readings.p_value, title="Surprise", x_label="p-value of no end", marks={"5 %": 0.05}),
    )
    captions = (
        "Small exponents (below about 10): the end at 1 is felt. Large ones: both laws look alike. A wide spread says "
        "that one temperature cannot suit all anchors.",
        "How much room is left between an anchor's hardest negative and 1. Anchors far left are near the ceiling.",
        "Right of 0 the law that ends at 1 is likelier, left of it the one without an end; within 2 of 0 neither is "
        "clear.",
        "How often a tail without an end would look as bounded as this one. Without an end the bars would be level; a "
        "heap at the left means that many anchors do feel the ceiling.",
    )
    kinds = ("exponents of anchors", "shortfall of the hardest negative", "evidence of anchors", "p-values of anchors")
    blocks: list[Block] = [Text([text]), Figures([figure_uri(one) for one in figures], kinds, captions=captions)]
    if found.same_class is not None:
        same = figure_uri(same_class_figure(found.same_class))
        caption = "High at the left means that the hardest negatives are mostly false ones."
        blocks += [Text([SAME_CLASS]), Figures([same], ["share of the anchor's class by rank"], captions=[caption])]
    return ReportSection("Anchor by anchor", blocks)


def near_section(found: Diagnosis) -> ReportSection:
    """Return the anchors near the ceiling, with pictures where there are any."""
    image = found.rows.embeddings.image
    if image is None:
        return ReportSection("Nearest to the ceiling", [Text([NEAR]), _table(found)])

    shown = dict.fromkeys(
        row for anchor in found.near_cap for row in (anchor.row, *(one.row for one in anchor.neighbors))
    )
    pictured = {row: image(found.rows.item(row)) for row in shown}
    uris = {row: image_uri(pixels) for row, pixels in pictured.items() if pixels is not None}
    rows = [_picture_row(anchor, uris) for anchor in found.near_cap]
    caption = "Left: the anchor. Right: its hardest negatives. A dashed frame marks what is probably no true negative."
    blocks: list[Block] = [Text([NEAR]), PictureRows(rows, caption)]
    if lacking := [found.rows.name(row) for row in pictured if row not in uris]:
        blocks.append(Text([f"Missing or damaged, and left out: {', '.join(lacking)}."]))
    return ReportSection("Nearest to the ceiling", blocks)


def _picture_row(anchor: NearAnchor, uris: Mapping[int, str]) -> PictureRow:
    shown = [(anchor.row, anchor.label, "query")]
    for one in anchor.neighbors:
        below = " ".join(part for part in (f"{one.score:.4f}", one.label, one.kind) if part)
        shown.append((one.row, below, "wrong" if one.kind else ""))
    return PictureRow(anchor.name, [Picture(uris[row], below, mark) for row, below, mark in shown if row in uris])


def _table(found: Diagnosis) -> Table:
    pairs = dict[frozenset[int], list[str]]()
    for anchor in found.near_cap:
        for neighbor in anchor.neighbors[:2]:
            names = [f"{one.name}, {one.label}" if one.label else one.name for one in (anchor, neighbor)]
            row = [*names, f"{neighbor.score:.5f}", neighbor.kind]
            pairs.setdefault(frozenset((anchor.row, neighbor.row)), row)
    rows = list(pairs.values())
    columns, caption = ("Anchor", "negative", "cosine", "what it may be"), "The two hardest negatives of each, once."
    if not any(row[-1] for row in rows):
        return Table(columns[:-1], [row[:-1] for row in rows], f"{caption} Nothing is known against any of them.")
    return Table(columns, rows, caption)
