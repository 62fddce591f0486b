"""The judge of alignment: how far apart the two sides of a pair are.

Source: Wang and Isola 2020, Eq. 3, https://arxiv.org/abs/2005.10242; of scored pairs those from 4 of 5 on count, as in
Gao, Yao and Chen 2021, section 6, https://arxiv.org/abs/2104.08821. Its counterpart, uniformity, the judge of geometry
measures on the first sides.
"""

from typing import ClassVar, Literal, final

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.partners import sides

_ALIKE = 0.8  # Of the highest score.


@final
class AlignmentJudge(Judge):
    """Mean squared distance of the unit rows of a pair; nothing is chosen."""

    class Config(JudgeConfig):
        """The judge has no settings."""

        name: Literal["alignment"] = "alignment"

    primary: ClassVar[str] = "alignment"
    needs_origin: ClassVar[bool] = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One, of which neither end is a merit alone: a collapsed encoder has 0."""
        return (Metric("alignment", "alignment", higher_is_better=None, digits=3, about="lower: pairs are closer"),)

    def choose(self, train: Embeddings) -> Choices:
        """Choose nothing."""
        return Choices()

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Measure the pairs, of scored ones those that are alike.

        Raises:
            ValueError: If test samples have no partners.
        """
        first, second = sides(test, "alignment", self.device)
        values = origin_of(test, "alignment")[0].values
        distances = (first - second).double().square().sum(dim=1)
        if values is not None:
            distances = distances[(values >= _ALIKE * values.max()).to(distances.device)]
        error = {"alignment": float(distances.std()) / len(distances) ** 0.5} if len(distances) > 1 else {}
        return Judgement({"alignment": (float(distances.mean()),)}, error)
