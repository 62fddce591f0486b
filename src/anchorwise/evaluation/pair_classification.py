"""The judge of pair classification: does a cosine tell pairs that are alike from those that are not?

A pair is alike where its score is at least a share of the highest. Accuracy and F1 are those of the threshold that is
best for the judged pairs, as is usual for this question (so they are no measure of a threshold's worth elsewhere);
average precision needs none.

Source: the evaluator of binary pairs of sentence-transformers, Reimers and Gurevych 2019,
https://arxiv.org/abs/1908.10084.
"""

from typing import ClassVar, Literal, final

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from anchorwise.evaluation.base import JudgeConfig, Metric
from anchorwise.evaluation.pair_judge import Answer, PairJudge
from anchorwise.evaluation.partners import Pairs, are_alike, scores_of
from anchorwise.modalities.samples import Samples

# n = pairs


def pair_classification(scores: Float[Tensor, " n"], is_alike: Bool[Tensor, " n"]) -> dict[str, float]:
    """Return `pair_ap`, `pair_accuracy` and `pair_f1`, all in [0, 1].

    Pairs of one score are on one side of any threshold. Where all scores are equal, average precision is the share of
    pairs that are alike.

    Raises:
        ValueError: If none of the pairs is alike, or all are.
    """
    number = int(is_alike.sum())
    if not 0 < number < len(is_alike):
        raise ValueError(
            f"pairs must be of both kinds, alike and not, got {number} of {len(is_alike)} alike; change "
            "judges.pair_classification.share"
        )
    falling = scores.double().cpu().sort(descending=True)
    is_last = torch.cat([falling.values[1:] != falling.values[:-1], torch.ones(1, dtype=torch.bool)])
    hits = is_alike.cpu()[falling.indices].cumsum(0)[is_last].double()
    taken = torch.arange(1, len(scores) + 1)[is_last].double()
    gained = torch.diff(hits, prepend=hits.new_zeros(1))
    right = torch.cat([hits + (len(scores) - number) - (taken - hits), hits.new_tensor([len(scores) - number])])
    return {
        "pair_ap": float((gained * hits / taken).sum() / number),
        "pair_accuracy": float(right.max()) / len(scores),
        "pair_f1": float((2.0 * hits / (taken + number)).max()),
    }


@final
class PairClassification(PairJudge):
    """Average precision, accuracy and F1 of cosines as a sign that a pair is alike."""

    class Config(JudgeConfig):
        """Settings of the judge.

        Attributes:
            share: Of the highest score, from which on a pair counts as alike: of scores from 0 to 5 those from 4 on.
        """

        name: Literal["pair_classification"] = "pair_classification"
        share: float = Field(default=0.8, gt=0, le=1)

    primary: ClassVar[str] = "pair_ap"
    asked: ClassVar[tuple[Metric, ...]] = (
        Metric("pair_ap", "pair AP", "%", about="average precision"),
        Metric("pair_accuracy", "pair accuracy", "%", about="at the threshold best for these pairs"),
        Metric("pair_f1", "pair F1", "%", about="at the threshold best for these pairs"),
    )
    config: Config

    def answer(self, pairs: Pairs, samples: Samples) -> Answer:
        """Compare cosines with what people say.

        Raises:
            ValueError: If test samples have no scores, or all are alike.
        """
        return Answer(pair_classification(pairs.scores(), self._alike(samples)))

    def notes(self, pairs: Pairs, samples: Samples) -> tuple[str, ...]:
        """Return how many pairs are alike."""
        return (f"{int(self._alike(samples).sum()):,} of {len(samples):,} scored pairs count as alike.",)

    def _alike(self, samples: Samples) -> Bool[Tensor, " n"]:
        return are_alike(scores_of(samples, self.config.name), self.config.share)
