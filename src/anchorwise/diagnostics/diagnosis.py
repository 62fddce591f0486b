"""The whole diagnosis of a set of embeddings: one call, one result, one JSON file."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from anchorwise import _files
from anchorwise._config import Positive, Section, Seed, section_of
from anchorwise.diagnostics.anchors import (
    AnchorReadings,
    NearAnchor,
    nearest_to_cap,
    read_anchors,
    same_class_share,
)
from anchorwise.diagnostics.draws import Blocks, Draw, blocks_of, read_draws
from anchorwise.diagnostics.exceedances import PooledExceedances
from anchorwise.diagnostics.false_negatives import false_negatives
from anchorwise.diagnostics.gradient import LinkReport, compare_links
from anchorwise.diagnostics.laws import TailFit, fit_laws
from anchorwise.diagnostics.pooled import ThresholdChoice, choose_threshold, exceedances_above
from anchorwise.diagnostics.rows import Rows, usable_rows
from anchorwise.diagnostics.space import SpaceReport, look_at_space
from anchorwise.diagnostics.stream import Tails, sampled_anchors, stream_tails
from anchorwise.diagnostics.verdict import Verdict, give_verdict
from anchorwise.embeddings.loading import Given, RowsLike, as_embeddings
from anchorwise.reporting.notebook import notebook_table

TAIL_FRACTION, FEWEST_TAIL, MOST_TAIL = 0.01, 50, 1000
UNIT_TOLERANCE = 1e-3
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

Progress = Callable[[str, float], None]


class DiagnoseConfig(Section):
    """How to look.

    Attributes:
        num_anchors: Rows drawn as anchors; each is compared with all rows.
        num_tail: Hardest negatives of an anchor that make its tail; left out, 1 % of them, from 50 to 1,000.
        num_draws: Disjoint parts of the anchors that must agree.
        batch_size: Items of a batch of two views, for what a loss would do.
        temperatures: Of the softmax links to compare.
        weince_temperature: Of WEINCE beside them.
        seed: Of all that is drawn.
    """

    num_anchors: int = Field(default=2000, ge=200, le=1_000_000)
    num_tail: int | None = Field(default=None, ge=20, le=10_000)
    num_draws: int = Field(default=5, ge=2, le=1000)
    batch_size: int = Field(default=256, ge=32, le=1_000_000)
    temperatures: tuple[Positive, ...] = (0.05, 0.1, 0.2, 0.5)
    weince_temperature: Positive = 0.5
    seed: Seed = 0


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """All that was found; every attribute is documented where it is made.

    In a notebook it shows its answers.
    """

    config: DiagnoseConfig
    rows: Rows
    notes: tuple[str, ...]
    tails: Tails
    blocks: Blocks
    thresholds: ThresholdChoice
    exceedances: PooledExceedances
    laws: TailFit
    readings: AnchorReadings
    draws: tuple[Draw, ...]
    near_cap: tuple[NearAnchor, ...]
    same_class: np.ndarray | None
    links: LinkReport
    space: SpaceReport
    verdict: Verdict

    @property
    def answers(self) -> dict[str, str]:
        """Topic to answer, in a few words each; `verdict.statements` says what they mean and rest on."""
        return {one.topic: one.answer for one in self.verdict.statements}

    def __repr__(self) -> str:
        words = "; ".join(f"{topic}: {answer}" for topic, answer in self.answers.items())
        return f"<Diagnosis of {self.rows.num_items:,} items of width {self.rows.width}. {words}>"

    def _repr_html_(self) -> str:
        rows = [(one.topic, one.answer, one.text) for one in self.verdict.statements]
        return notebook_table((*self.notes, self.verdict.headline), rows)

    def report(self, path: Path | str, *, source: str = "embeddings") -> Path:
        """Write the whole report, one HTML file that loads nothing, and return its path.

        Args:
            path: Where; a file that is there is replaced.
            source: What the embeddings are, for the title.
        """
        from anchorwise.diagnostics.report import diagnosis_report  # It draws what is defined here.

        diagnosis_report(self, source=source).write(Path(path))
        return Path(path)

    def summary(self) -> dict[str, Any]:
        """Return the numbers as what JSON holds; distributions over anchors as quantiles."""
        converged = self.readings.converged
        return _plain(
            {
                "headline": self.verdict.headline,
                "verdict": [dataclasses.asdict(statement) for statement in self.verdict.statements],
                "notes": self.notes,
                "data": {
                    "num_items": self.rows.num_items,
                    "num_views": self.rows.num_views,
                    "width": self.rows.width,
                    "num_dropped": self.rows.num_dropped,
                    "num_negatives_looked_at": self.tails.num_negatives,
                    "num_exact_duplicates": len(self.tails.duplicates.scores),
                },
                "config": self.config.model_dump(),
                "pooled": {
                    "blocks": self.blocks.kind,
                    "is_stable": self.thresholds.is_stable,
                    "chosen": dataclasses.asdict(self.thresholds.fit),
                    "thresholds": [dataclasses.asdict(fit) for fit in self.thresholds.fits],
                    "laws": dataclasses.asdict(self.laws),
                },
                "anchors": {
                    "num_anchors": len(converged),
                    "num_readable": int(converged.sum()),
                    "num_tail": self.tails.scores.shape[1] - 1,
                    "quantiles": QUANTILES,
                    **{
                        name: np.nanquantile(values, QUANTILES) if np.isfinite(values).any() else None
                        for name, values in self._distributions().items()
                    },
                },
                "draws": [dataclasses.asdict(draw) for draw in self.draws],
                "near_cap": [dataclasses.asdict(anchor) for anchor in self.near_cap],
                "same_class_by_rank": None if self.same_class is None else self.same_class[:100],
                "links": dataclasses.asdict(self.links),
                "space": dataclasses.asdict(self.space),
            }
        )

    def _distributions(self) -> dict[str, np.ndarray]:
        readings = self.readings
        return {
            "exponent": readings.exponent,
            "hardest_shortfall": 1.0 - readings.hardest_score,
            "delta_aic": readings.delta_aic,
            "p_value": readings.p_value,
            "shortfall_p_value": readings.shortfall_p_value,
        }

    def save(self, path: Path | str) -> None:
        """Write the summary as JSON, whole or not at all."""
        _files.write_text(Path(path), json.dumps(self.summary(), indent=2) + "\n")


def diagnose(
    embeddings: Given,
    config: DiagnoseConfig | Mapping[str, Any] | None = None,
    *,
    labels: RowsLike | None = None,
    pairs: RowsLike | None = None,
    across: bool = False,
    progress: Progress = lambda what, share: None,
) -> Diagnosis:
    """Look at the tails of the hardest negatives of embeddings, anyone's.

    Args:
        embeddings: Rows of shape (items, width) of any scale, as array, tensor, lists, file, columns by name, or
            `Embeddings`: whatever `anchorwise.embeddings.as_embeddings` takes.
        config: How to look; a mapping names what differs from the defaults, such as `{"num_anchors": 500}`.
        labels: Class of every item, whole numbers or words. Without them nobody can tell whether the hardest negatives
            are true ones.
        pairs: The second view of every item, row by row.
        across: The views come from two encoders, such as image and text.
        progress: Called with what is being done and the share of it that is done, in [0, 1].

    Raises:
        FileNotFoundError: If a file is not there.
        TypeError: If the rows are no numbers, or `config` is no settings.
        ValueError: If the parts do not fit together, a setting is unknown, fewer than 200 items are usable, or all of
            them show the same thing.
    """
    embeddings = as_embeddings(embeddings, labels=labels, pairs=pairs, across=across)
    config = section_of(DiagnoseConfig, {} if config is None else config)
    rng = np.random.default_rng(config.seed)
    progress("Checking rows", 0.0)
    rows = usable_rows(embeddings)
    anchors = sampled_anchors(rows, config.num_anchors, rng)
    tails = stream_tails(
        rows,
        anchors,
        num_tail=_num_tail(config, rows) + 1,
        progress=lambda share: progress(f"Comparing {len(anchors):,} anchors with {len(rows):,} rows", share),
    )
    progress("Fitting laws", 0.0)
    blocks, readings = blocks_of(rows, tails, config.num_draws), read_anchors(tails, rng)
    thresholds = choose_threshold(tails.pooled, blocks.of_anchor, tails.num_negatives, config.seed)
    exceedances = exceedances_above(tails, thresholds.fit.num_exceedances)
    draws = read_draws(tails, readings, blocks, exceedances, num_draws=config.num_draws, seed=config.seed)
    progress("Comparing links", 0.0)
    links = compare_links(
        rows,
        batch_size=config.batch_size,
        temperatures=config.temperatures,
        weince_temperature=config.weince_temperature,
        rng=rng,
    )
    space = look_at_space(rows, rng)
    return Diagnosis(
        config=config,
        rows=rows,
        notes=_notes(rows),
        tails=tails,
        blocks=blocks,
        thresholds=thresholds,
        exceedances=exceedances,
        laws=fit_laws(exceedances),
        readings=readings,
        draws=draws,
        near_cap=tuple(nearest_to_cap(rows, tails, readings)),
        same_class=same_class_share(rows, tails),
        links=links,
        space=space,
        verdict=give_verdict(tails, draws, links, space, false_negatives(rows, tails, readings), thresholds.is_stable),
    )


def _num_tail(config: DiagnoseConfig, rows: Rows) -> int:
    num_keys = rows.num_items * (1 if rows.embeddings.across else rows.num_views)
    wanted = config.num_tail or min(max(round(TAIL_FRACTION * num_keys), FEWEST_TAIL), MOST_TAIL)
    if wanted > num_keys // 4:
        raise ValueError(
            f"num_tail must be at most a quarter of the {num_keys} rows that an anchor is compared with, got {wanted}; "
            "a tail is the far end of them"
        )
    return wanted


def _notes(rows: Rows) -> tuple[str, ...]:
    """Say what was done to the rows before they were looked at."""
    notes = list(rows.embeddings.notes)
    if rows.num_dropped:
        were = "was" if rows.num_dropped == 1 else "were"
        notes.append(
            f"{rows.num_dropped:,} of {rows.num_dropped + rows.num_items:,} items {were} left out: nan, infinity or "
            "length 0 in a row. Look at the encoder that made them."
        )
    if rows.labels is None and rows.embeddings.labels is not None:
        notes.append("All items have one label, which says of no two whether they belong together: it was not used.")
    if rows.largest_length_error > UNIT_TOLERANCE:
        notes.append("The rows did not have length 1 and were scaled to it, as cosines need.")
    return tuple(notes)


def _plain(value: Any) -> Any:
    """Return what JSON holds: numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
