"""The part of the report on all anchors' hardest negatives together."""

from anchorwise.diagnostics.diagnosis import Diagnosis
from anchorwise.diagnostics.figures import cosine_figure, exceedance_figure, quantile_figure
from anchorwise.diagnostics.statements import interval_text
from anchorwise.diagnostics.threshold_figures import (
    endpoint_figure,
    mean_excess_figure,
    return_level_figure,
    shape_figure,
)
from anchorwise.reporting.figures import BLUE
from anchorwise.reporting.pictures import figure_uri
from anchorwise.reporting.report import Block, Figures, ReportSection, Table, Text

EXPLANATION = (
    "Take every cosine between a sampled row (an anchor) and the rows of other items (its negatives), and keep those "
    "above a high threshold: the hardest. Two simple laws compete for them. The exponential law thins out at a "
    "constant rate and never ends; it is what the softmax of InfoNCE assumes. The shortfall law is a power of the "
    "distance that is left to 1, where cosines end; it is what the shortfall link of WEINCE assumes. Each has one "
    "number, fitted to the same data."
)
RULE = (
    "The threshold: too low, and ordinary negatives spoil the fit; too high, and little is left. The rule used here "
    "takes the lowest threshold whose fitted shape lies inside the 95 % interval of every higher one."
)
UNSTABLE = " No threshold met it: the shape moves up to the highest one, which is shown for want of a better."
UNDECIDED = (
    "This pooled picture does not decide here: no threshold met the rule below, and {num_scores:,} scores above the "
    "highest one are left, most of them from both ends of a pair. What is answered at the top rests on single anchors."
)
FREE_LAW = (
    "A third law, the generalised Pareto law, may end anywhere or nowhere. Its shape says which: below 0 it has an "
    "end, at 0 it is the exponential law, above 0 it thins out even more slowly. Where it ends is an extrapolation."
)
DRAW_CAPTION = (
    "Every row is a part of the anchors that shares none with the others. Brackets: 95 % intervals from resampling "
    "{blocks} as a whole. Fit: p-values after fitting, by simulating samples and fitting those too; below 0.05 the "
    "scores do not look like that law."
)
DRAW_COLUMNS = (
    "Draw",
    "shape",
    "end",
    "fit: exponential",
    "fit: shortfall",
    "anchors that reject no end",
    "that reject an end at 1",
    "exponent",
)


def pooled_section(found: Diagnosis) -> ReportSection:
    """Return the section."""
    rule = RULE if found.thresholds.is_stable else RULE + UNSTABLE
    undecided = [] if found.thresholds.is_stable else [UNDECIDED.format(num_scores=len(found.exceedances.values))]
    blocks: list[Block] = [Text([*undecided, EXPLANATION]), _overview(found), Text([rule]), _laws(found)]
    if found.laws.message:
        about = "About the free law" if found.laws.converged else "No law could be fitted"
        blocks.append(Text([f"{about}: {found.laws.message}."]))
    blocks += [Text([FREE_LAW]), _thresholds(found), _draws(found)]
    return ReportSection("Where the hardest negatives end", blocks)


def _overview(found: Diagnosis) -> Figures:
    share = len(found.exceedances.values) / max(found.exceedances.num_negatives, 1)
    figure = cosine_figure({"negatives": found.exceedances}, {"negatives": BLUE}, title="All negatives")
    caption = (
        f"The cosines of {found.exceedances.num_negatives:,} negatives on a logarithmic axis. Look at the right end: "
        f"the dashed line is the threshold, {found.exceedances.threshold:.4f}, above which the hardest {share:.2%} "
        "lie; the dotted line is 1, where cosines end."
    )
    return Figures([figure_uri(figure)], ["Distribution of the cosines of all negatives"], caption)


def _laws(found: Diagnosis) -> Figures:
    exceedances, laws = found.exceedances, found.laws
    figures = (
        exceedance_figure(exceedances, laws, title="The hardest negatives"),
        exceedance_figure(exceedances, laws, title="The same, logarithmic", log_density=True),
        quantile_figure(exceedances, laws, title="Measured against expected"),
        return_level_figure(exceedances, laws),
    )
    captions = (
        "Which line follows the grey bars? Above the threshold, 1 is where the axis may end at most.",
        "Look at the right end. The exponential law is a straight line here; bars that bend below it come to an end.",
        "A law that holds puts its points on the grey diagonal; points that bend away at the top right show where it "
        "fails.",
        "Read it as: one in so many negatives is at least this near. A law that passes 1 expects what cannot be.",
    )
    kinds = ("density of the hardest negatives", "log density", "quantiles against both laws", "return levels")
    return Figures([figure_uri(figure) for figure in figures], kinds, captions=captions)


def _thresholds(found: Diagnosis) -> Figures:
    choice = found.thresholds
    figures = (mean_excess_figure(choice, found.laws), shape_figure(choice), endpoint_figure(choice))
    captions = (
        "By how much negatives above a threshold exceed it. Falling towards 0: they come to an end. Level: they do "
        "not.",
        "Right of the dashed line the shape should stay level. A band wholly below 0 means an end.",
        "Does the band contain 1? Then the tail is compatible with ending at the cap. Ends beyond 1.5 are cut.",
    )
    kinds = ("mean excess over thresholds", "shape over thresholds", "fitted end over thresholds")
    return Figures([figure_uri(figure) for figure in figures], kinds, captions=captions)


def _draws(found: Diagnosis) -> Table:
    rows: list[list[str]] = []
    for number, draw in enumerate(found.draws, start=1):
        law, goodness = ["-", "-"], ["-", "-"]
        if draw.pooled is not None:
            law = [interval_text(draw.pooled.shape, "{:+.2f}"), interval_text(draw.pooled.endpoint, "{:.3f}")]
        if draw.goodness is not None:
            goodness = [f"{draw.goodness.exponential:.3f}", f"{draw.goodness.shortfall:.3f}"]
        shares = [interval_text(draw.rejecting, "{:.0%}"), f"{draw.refusing.value or 0.0:.0%}"]
        rows.append([str(number), *law, *goodness, *shares, f"{draw.exponent:.1f}"])
    return Table(DRAW_COLUMNS, rows, DRAW_CAPTION.format(blocks=found.blocks.kind))
