"""Where the hardest negatives of trained encoders end."""

from collections.abc import Mapping

from anchorwise.diagnostics.exceedances import PooledExceedances
from anchorwise.diagnostics.figures import cosine_figure, exceedance_figure, quantile_figure
from anchorwise.diagnostics.laws import TailFit, fit_laws
from anchorwise.reporting.pictures import figure_uri
from anchorwise.reporting.report import Block, Figures, ReportSection, Table, Text

EXPLANATION = (
    "A contrastive loss pushes every image away from the other images in its batch, and pushes hardest against those "
    "that look most alike: the hardest negatives. What it does there depends on how their similarities are spread. "
    "InfoNCE weighs a negative of cosine s with exp(s / temperature), which fits scores that could go on for ever. "
    "Cosines cannot: they stop at 1.",
    "Extreme value theory says what the largest values of a sample look like once a high threshold is passed. There "
    "are two cases that matter here. Without an end, the excess over the threshold follows an exponential law. With an "
    "end at 1, it follows a power of the distance that is left, 1 - s. InfoNCE suits the first, and WEINCE leans "
    "towards the second, anchor by anchor, as far as the anchor's own hardest negatives show it.",
    "Below are the cosines between projected views of different training images. The threshold leaves the hardest "
    "1 % above it, and both laws, with one free number each, are fitted to what is above. On the logarithmic axis an "
    "exponential law is a straight line; in the last panel the points of a law that holds lie on the diagonal.",
)
CAUTION = (
    "How to read the difference: 2 x (log-likelihood of the power law - log-likelihood of the exponential), so above "
    "0 the power law describes these pairs better. Pairs that share an image are not independent, so its size "
    "overstates the evidence. When the exponent is large, the two laws nearly coincide."
)
FIT_CAPTION = "Fits to the hardest 1 % of negatives, first seed. The free law, a generalised Pareto, may end anywhere."
COLUMNS = (
    "Encoder",
    "threshold",
    "hardest",
    "exponential: mean",
    "power law: exponent",
    "difference",
    "free law: shape",
    "free law: endpoint",
)


def tail_section(tails: Mapping[str, PooledExceedances], colours: Mapping[str, str]) -> ReportSection:
    """Return the section of negatives above a threshold, by encoder.

    Args:
        tails: Of every encoder's embeddings, by its name.
        colours: By name.
    """
    fits = {name: fit_laws(found) for name, found in tails.items()}
    overview = cosine_figure(tails, colours, title="All negatives")
    blocks: list[Block] = [
        Text(EXPLANATION),
        Figures(
            [figure_uri(overview)],
            ["Distribution of the cosines of all negatives"],
            "Cosines of all pairs of views of different images, first seed. Dashed: the threshold of each encoder, "
            "with the hardest 1 % to its right. Dotted: 1, where cosines end.",
        ),
    ]
    blocks += [_tail_figures(name, found, fits[name]) for name, found in tails.items()]
    rows = [_tail_row(name, found, fits[name]) for name, found in tails.items()]
    blocks += [Table(COLUMNS, rows, FIT_CAPTION), Text([CAUTION])]
    return ReportSection("Where the hardest negatives end", blocks)


def _tail_figures(name: str, found: PooledExceedances, fit: TailFit) -> Figures:
    figures = [
        exceedance_figure(found, fit, title=name),
        exceedance_figure(found, fit, title=f"{name}, log axis", log_density=True),
        quantile_figure(found, fit, title=f"{name}, QQ"),
    ]
    kinds = ("density of the hardest negatives", "the same on a logarithmic axis", "quantiles against both laws")
    # What is to be known of the free law is about its intervals, which are not shown here.
    words = "" if fit.exponential else fit.message
    return Figures([figure_uri(figure) for figure in figures], [f"{name}: {kind}" for kind in kinds], words)


def _tail_row(name: str, found: PooledExceedances, fit: TailFit) -> list[str]:
    hardest = _cosine(found.threshold + found.values[0]) if len(found.values) else "-"
    cells = [name, _cosine(found.threshold), hardest]
    if fit.exponential is None:
        return [*cells, *["-"] * (len(COLUMNS) - len(cells))]
    endpoint = "none" if fit.endpoint is None else _cosine(fit.endpoint)
    return [
        *cells,
        f"{fit.exponential.scale:.4g}",
        f"{fit.exponent:.2f}",
        f"{fit.delta_aic:+.0f}",
        *(("-", "-") if fit.pareto is None else (f"{fit.pareto.shape:.3f}", endpoint)),
    ]


def _cosine(value: float) -> str:
    """Return a cosine with what tells it from 1, where encoders that are not trained have all of theirs."""
    return f"{value:.4f}" if abs(1.0 - value) > 0.001 else f"{value:.6f}"
