"""The judge of the gap between two encoders: how far apart the cones are that their rows lie in.

Source: Liang et al. 2022, "Mind the Gap: Understanding the Modality Gap in Multi-modal Contrastive Representation
Learning", section 4, https://arxiv.org/abs/2203.02053.
"""

from typing import ClassVar, Literal, final

from anchorwise.evaluation.base import JudgeConfig, Metric
from anchorwise.evaluation.geometry import modality_gap
from anchorwise.evaluation.pair_judge import Answer, PairJudge
from anchorwise.evaluation.partners import Pairs
from anchorwise.modalities.samples import Samples


@final
class ModalityGap(PairJudge):
    """Distance of the mean unit rows of test samples and of what belongs to them, and the cosine of a pair."""

    class Config(JudgeConfig):
        """The judge has no settings."""

        name: Literal["modality_gap"] = "modality_gap"

    primary: ClassVar[str] = "modality_gap"
    asks_words: ClassVar[bool] = False
    asked: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "modality_gap",
            "modality gap",
            higher_is_better=None,
            digits=3,
            about="0: none, 2: opposite",
            bounds=(0.0, 2.0),
        ),
        Metric("pair_cosine", "cosine of a pair", higher_is_better=None, digits=3, about="mean", bounds=(-1.0, 1.0)),
    )

    def answer(self, pairs: Pairs, samples: Samples) -> Answer:
        """Measure both sides."""
        cosines = pairs.scores().double()
        error = {"pair_cosine": float(cosines.std()) / len(cosines) ** 0.5} if len(cosines) > 1 else {}
        numbers = {"modality_gap": modality_gap(pairs.first, pairs.second), "pair_cosine": float(cosines.mean())}
        return Answer(numbers, error)
