"""Frozen features judged without labels: how they fill their space, and how near the nearest others are.

None of these numbers says which features are better for a task; they say whether an encoder has collapsed, and how.

Sources: RankMe, alignment and uniformity as in `anchorwise.evaluation.geometry`; the participation ratio of the
covariance, Gao et al. 2017, "A theory of multineuronal dimensionality, dynamics and measurement",
https://doi.org/10.1101/214262.
"""

from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.geometry import alignment, covariance_spectrum, effective_rank, mean_resultant, uniformity
from anchorwise.evaluation.neighbors import nearest
from anchorwise.evaluation.rows import finite_rows
from anchorwise.links import MIN_SHORTFALL
from anchorwise.reporting.notebook import notebook_table
from anchorwise.reporting.wording import counted
from anchorwise.tails import hill_estimate

# n = rows, d = width, k = neighbours

MOST_ROWS = 10_000  # Uniformity compares all pairs.
MOST_SEARCHED, MOST_COMPARED = 4_000, 400_000_000  # Rows that look for their nearest among all, and pairs.
TAIL_FRACTION, FEWEST_TAIL, MOST_TAIL = 0.01, 50, 1000
FEWEST_ROWS = 4 * FEWEST_TAIL + 2  # Below, the hardest 50 are no tail but more than a quarter of all.


class UnlabelledEvaluation(Section):
    """What can be said of features without labels.

    Attributes:
        num_rows: Rows there are; at most 10,000 of them, evenly spread over the file, are measured.
        num_features: Width of a row.
        effective_rank: RankMe, from 1 (collapsed to a line) to the smaller of rows and width.
        effective_dimension: Participation ratio of the covariance of the unit rows: so many directions of equal spread.
        uniformity: 0 where all rows are one point; lower is more even.
        alignment: Mean squared distance between the two views of an item, from 0 to 4; None for one view.
        mean_resultant: Length of the mean unit row: 1 where all rows point one way.
        duplicates: Share of rows that have another one, among all, at cosine 1; of at most 4,000, evenly spread.
        hardest_cosine: Median cosine of the nearest other row that is no duplicate; None for fewer than 202 rows.
        tail_exponent: Median exponent with which the nearest rows thin out towards cosine 1; None likewise. Below about
            10 the end at 1 is felt (`anchorwise diagnose`).
        notes: What a reader left out of files, and what kept a number from being told or worth less, in sentences.
    """

    num_rows: int
    num_features: int
    effective_rank: float
    effective_dimension: float
    uniformity: float
    alignment: float | None
    mean_resultant: float
    duplicates: float
    hardest_cosine: float | None
    tail_exponent: float | None
    notes: tuple[str, ...] = ()

    def save(self, path: Path | str) -> None:
        """Write `path` as JSON, whole or not at all."""
        _files.write_text(Path(path), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "UnlabelledEvaluation":
        """Read what `save` wrote."""
        return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))

    def rows(self) -> list[tuple[str, str, str]]:
        """Return name, value as text, and how to read each number."""
        return [
            ("effective rank", f"{self.effective_rank:.1f} of {self.num_features}", "1: collapsed to a line"),
            ("effective dimension", f"{self.effective_dimension:.1f}", "directions of equal spread"),
            ("uniformity", f"{self.uniformity:.3f}", "0: all rows are one point; lower is more even"),
            ("alignment", _text(self.alignment, ".3f"), "0: both views of an item are one point"),
            ("mean direction", f"{self.mean_resultant:.3f}", "1: all rows point one way"),
            ("duplicates", f"{self.duplicates:.1%}", "rows that another one equals"),
            ("hardest cosine", _text(self.hardest_cosine, ".3f"), "median, of the nearest other row"),
            ("tail exponent", _text(self.tail_exponent, ".1f"), "below about 10 the end at cosine 1 is felt"),
        ]

    def _repr_html_(self) -> str:
        return notebook_table([*self.notes, f"{self.num_rows:,} rows, judged without labels"], self.rows())


def evaluate_unlabelled(embeddings: Embeddings, *, device: torch.device | str = "cpu") -> UnlabelledEvaluation:
    """Judge features without labels.

    Args:
        embeddings: One view, or two of the same items, which gives alignment too.
        device: Where to compute.

    Raises:
        ValueError: If a row is not finite in float32, all rows are zero, or there are fewer than two.
    """
    whole = finite_rows(embeddings, device)
    views = [view[_spread(len(view), MOST_ROWS, view.device)] for view in whole]
    spectrum = covariance_spectrum(views[0])
    duplicates, hardest, exponent = _nearest_rows(whole[0])
    notes = list(embeddings.notes)
    if num_zero := int((whole[0] == 0).all(dim=1).sum()):
        notes.append(
            f"{counted(num_zero, 'row')} of {len(embeddings):,} {'is' if num_zero == 1 else 'are'} all zero and "
            "without a direction: look at the encoder that made them, or leave them out."
        )
    if len(embeddings) < FEWEST_ROWS:
        notes.append(f"Fewer than {FEWEST_ROWS} rows have no tail: no hardest cosine and no exponent.")
    return UnlabelledEvaluation(
        num_rows=len(embeddings),
        num_features=embeddings.width,
        effective_rank=effective_rank(views[0]),
        effective_dimension=float(spectrum.sum().square() / spectrum.square().sum().clamp_min(1e-300)),
        uniformity=uniformity(views[0]),
        alignment=alignment(*views) if len(views) == 2 else None,
        mean_resultant=mean_resultant(views[0]),
        duplicates=duplicates,
        hardest_cosine=hardest,
        tail_exponent=exponent,
        notes=tuple(notes),
    )


def _nearest_rows(rows: Float[Tensor, "n d"]) -> tuple[float, float | None, float | None]:
    """Return the share of rows with a duplicate, and the medians of the hardest cosine and of the tail's exponent."""
    asking = _spread(len(rows), min(MOST_SEARCHED, max(FEWEST_ROWS, MOST_COMPARED // len(rows))), rows.device)
    num_tail = min(max(FEWEST_TAIL, round(TAIL_FRACTION * len(rows))), MOST_TAIL)
    has_tail = len(rows) >= FEWEST_ROWS
    # Itself, the tail with its threshold, and as many duplicates, which are no tail.
    num_neighbors = min(2 * (num_tail + 1) + 1 if has_tail else 2, len(rows))
    found = list(nearest(rows[asking], rows, num_neighbors=num_neighbors))
    is_itself = torch.cat([chunk.indices for chunk in found]) == asking.unsqueeze(1)
    cosines = torch.cat([chunk.cosines for chunk in found]).masked_fill(is_itself, -torch.inf)
    is_duplicate = cosines > 1.0 - MIN_SHORTFALL
    duplicates = float(is_duplicate.any(dim=1).double().mean())
    if not has_tail:
        return duplicates, None, None
    others = cosines.masked_fill(is_duplicate, -torch.inf)
    hardest = others.amax(dim=1)
    estimate = hill_estimate(others, num_tail=num_tail)
    return duplicates, _median(hardest[hardest.isfinite()]), _median(estimate.exponent[estimate.converged])


def _spread(num_rows: int, most: int, device: torch.device) -> Int64[Tensor, " m"]:
    """Return the numbers of at most so many rows, evenly spread, since files are often sorted by class."""
    if num_rows <= most:
        return torch.arange(num_rows, device=device)
    return torch.linspace(0, num_rows - 1, most, device=device, dtype=torch.float64).round().long()


def _median(values: Tensor) -> float | None:
    return float(values.median()) if len(values) else None


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
