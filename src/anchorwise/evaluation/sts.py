"""The judge of scored pairs: do cosines of two sentences rank pairs as people's scores do?

Where a set has several parts, Spearman's correlation over the pairs of all of them (`all`) and the mean of the parts'
own correlations (`mean`) differ by some points, so neither is ever given without its name.

Source: Agirre et al. 2012 to 2016 (the shared tasks STS); Gao, Yao and Chen 2021, "SimCSE", appendix B, who tell the
two apart, https://arxiv.org/abs/2104.08821.
"""

from typing import ClassVar, Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.evaluation.base import JudgeConfig, Metric
from anchorwise.evaluation.pair_judge import Answer, PairJudge
from anchorwise.evaluation.partners import Pairs, scores_of
from anchorwise.modalities.samples import Samples

# n = pairs


def spearman(scores: Float[Tensor, " n"], gold: Float[Tensor, " n"]) -> float:
    """Return the correlation of ranks, those of ties averaged; 0 where all scores of a side are equal."""
    from scipy.stats import rankdata

    ranks = [rankdata(np.asarray(side, dtype=np.float64)) for side in (scores.cpu(), gold.cpu())]
    first, second = (side - side.mean() for side in ranks)
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm else 0.0


def sts_correlations(
    scores: Float[Tensor, " n"], gold: Float[Tensor, " n"], parts: Int64[Tensor, " n"] | None = None
) -> dict[str, float]:
    """Return `sts_spearman_all` and `sts_spearman_mean`, in [-1, 1]; they are equal where there is one part.

    Args:
        scores: Of every pair.
        gold: What people say.
        parts: The part of the set that every pair is of; None for one part.

    Raises:
        ValueError: If there are fewer than two pairs, or not as many of one as of another.
    """
    if not len(scores) == len(gold) == (len(gold) if parts is None else len(parts)) or len(scores) < 2:
        raise ValueError(f"scores and gold must be of the same pairs, at least two, got {len(scores)} and {len(gold)}")
    parts = torch.zeros(len(gold), dtype=torch.int64) if parts is None else parts.cpu()
    each = [spearman(scores.cpu()[parts == part], gold.cpu()[parts == part]) for part in parts.unique()]
    return {"sts_spearman_all": spearman(scores, gold), "sts_spearman_mean": sum(each) / len(each)}


@final
class STS(PairJudge):
    """Spearman's correlation of cosines with scores."""

    class Config(JudgeConfig):
        """The judge has no settings."""

        name: Literal["sts"] = "sts"

    primary: ClassVar[str] = "sts_spearman_all"
    asked: ClassVar[tuple[Metric, ...]] = (
        Metric("sts_spearman_all", "Spearman (all)", digits=4, about="over the pairs of all parts", bounds=(-1.0, 1.0)),
        Metric("sts_spearman_mean", "Spearman (mean)", digits=4, about="mean of the parts' own", bounds=(-1.0, 1.0)),
    )

    def answer(self, pairs: Pairs, samples: Samples) -> Answer:
        """Compare cosines with scores.

        Raises:
            ValueError: If test samples have no scores.
        """
        numbers = sts_correlations(pairs.scores(), scores_of(samples, "sts"), samples.parts)
        over_pairs = [name for name in numbers if name.endswith("_all")]
        errors = {name: _error(numbers[name], len(samples)) for name in over_pairs if len(samples) > _LEAST_PAIRS}
        return Answer(numbers, errors)

    def notes(self, pairs: Pairs, samples: Samples) -> tuple[str, ...]:
        """Return how many pairs and parts there are."""
        return (_counted(samples.parts, len(samples)),)


_LEAST_PAIRS = 3


def _error(correlation: float, num_pairs: int) -> float:
    """Return the standard error. Source: Bonett and Wright 2000, Eq. 5, https://doi.org/10.1007/BF02294183."""
    return (1.0 - correlation**2) * ((1.0 + correlation**2 / 2.0) / (num_pairs - _LEAST_PAIRS)) ** 0.5


def _counted(parts: Tensor | None, num_pairs: int) -> str:
    sizes = [num_pairs] if parts is None else parts.unique(return_counts=True)[1].tolist()
    said = "one part" if len(sizes) == 1 else f"{len(sizes)} parts of {', '.join(f'{size:,}' for size in sizes)}"
    return f"{num_pairs:,} scored pairs in {said}."
