"""The judge of geometry: how test features fill their space, and whether an encoder has collapsed."""

from collections.abc import Mapping
from typing import ClassVar, Literal, final

from jaxtyping import Float32
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import EmbeddedSamples
from anchorwise.evaluation.geometry import class_alignment, effective_rank, pair_kernels, spread
from anchorwise.evaluation.influence import class_alignment_error, effective_rank_error, uniformity_error
from anchorwise.evaluation.rows import judged_rows, numbered_classes

# n = rows, m = those of different samples, d = width

RANK = Metric("effective_rank", "effective rank", higher_is_better=None, digits=1)
SPREAD = Metric("spread", "spread", higher_is_better=None)
LEAST_RANK, LEAST_SPREAD = 1.5, 0.05
_MOST_WATCHED = 2_048
_BESIDE_RANK = (
    Metric("uniformity", "uniformity", higher_is_better=None, digits=3, about="lower: more even"),
    Metric("class_alignment", "class alignment", higher_is_better=None, digits=3, about="lower: tighter classes"),
)


@final
class GeometryJudge(Judge):
    """Effective rank, uniformity, alignment of classes where there are any; nothing is chosen.

    Of texts uniformity is over different ones, as its source has it: one that stands in several pairs counts once.
    """

    class Config(JudgeConfig):
        """The judge has no settings."""

        name: Literal["geometry"] = "geometry"

    primary: ClassVar[str] = "effective_rank"
    watched: ClassVar[tuple[Metric, ...]] = (RANK, SPREAD)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Neither end of any of them is a merit."""
        return (RANK, *_BESIDE_RANK)

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """The rank."""
        return (RANK,)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Measure the test rows.

        Raises:
            ValueError: If a row is not finite.
        """
        rows = judged_rows(test, self.device)
        kernels = pair_kernels(_distinct(test, rows))
        numbers = {"effective_rank": effective_rank(rows), "uniformity": float(kernels.mean().log())}
        errors = {"uniformity": uniformity_error(kernels)}
        if (rank_error := effective_rank_error(rows)) is not None:
            errors["effective_rank"] = rank_error
        labels = None if test.labels is None else numbered_classes(test)[0][0].to(self.device)
        if labels is not None and int(labels.bincount().max()) > 1:
            numbers["class_alignment"] = class_alignment(rows, labels)
            errors["class_alignment"] = class_alignment_error(rows, labels)
        return Judgement({name: (value,) for name, value in numbers.items()}, errors)

    def watch(self, train: Embeddings) -> Mapping[str, float]:
        """Return the rank and the spread of at most 2,048 rows; 0 of both for rows of zeros."""
        rows = judged_rows(train, self.device)
        rows = rows[:: -(-len(rows) // _MOST_WATCHED)]
        if not bool(rows.any()):
            return {"effective_rank": 0.0, "spread": 0.0}
        return {"effective_rank": effective_rank(rows), "spread": spread(rows)}

    @classmethod
    def warning(cls, numbers: Mapping[str, float]) -> str:
        """Say that features have collapsed to a point or to a line."""
        rank, width = numbers.get("effective_rank"), numbers.get("spread")
        if width is not None and width < LEAST_SPREAD:
            return f"collapsed: all features are nearly alike (spread {width:.2g}, 1 where they fill their space)"
        if rank is not None and rank < LEAST_RANK:
            return f"collapsed: the features lie on a line (effective rank {rank:.2f})"
        return ""


def _distinct(test: Embeddings, rows: Float32[Tensor, "n d"]) -> Float32[Tensor, "m d"]:
    """Return the rows of different samples, where it is known which are; all if they are one and the same."""
    samples = test.samples if isinstance(test, EmbeddedSamples) else None
    places = None if samples is None else samples.distinct()
    return rows if places is None or len(places) < 2 else rows[places.to(rows.device)]
