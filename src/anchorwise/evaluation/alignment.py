"""The judge of alignment: how far apart the two sides of a pair are.

Source: Wang and Isola 2020, Eq. 3, https://arxiv.org/abs/2005.10242; of scored pairs those from 4 of 5 on count, as in
Gao, Yao and Chen 2021, section 6, https://arxiv.org/abs/2104.08821. Its counterpart, uniformity, the judge of geometry
measures on the first sides.
"""

from typing import ClassVar, Literal, final

from anchorwise.evaluation.base import JudgeConfig, Metric
from anchorwise.evaluation.pair_judge import Answer, PairJudge
from anchorwise.evaluation.partners import Pairs, are_alike
from anchorwise.modalities.samples import Samples

_SHARE = 0.8  # Of the highest score.


@final
class AlignmentJudge(PairJudge):
    """Mean squared distance of the unit rows of a pair."""

    class Config(JudgeConfig):
        """The judge has no settings."""

        name: Literal["alignment"] = "alignment"

    primary: ClassVar[str] = "alignment"
    asks_words: ClassVar[bool] = False
    # Neither end is a merit alone: a collapsed encoder has 0.
    asked: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "alignment",
            "alignment",
            higher_is_better=None,
            digits=3,
            about="lower: pairs are closer",
            bounds=(0.0, 4.0),
        ),
    )

    def answer(self, pairs: Pairs, samples: Samples) -> Answer:
        """Measure the pairs, of scored ones those that are alike."""
        distances = (pairs.first[pairs.of] - pairs.second).double().square().sum(dim=1)
        if samples.values is not None:
            distances = distances[are_alike(samples.values, _SHARE).to(distances.device)]
        error = {"alignment": float(distances.std()) / len(distances) ** 0.5} if len(distances) > 1 else {}
        return Answer({"alignment": float(distances.mean())}, error)
