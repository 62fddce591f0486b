"""The judge of answers: of three trajectories, are those two nearest to each other that somebody said are alike?

It asks test queries, whose answers nobody trained on; whoever guesses is right in a third of them. Distances are those
of rows as they are.
"""

from typing import ClassVar, Literal, final

import torch

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import embed_samples, origin_of
from anchorwise.evaluation.rows import judged_rows
from anchorwise.modalities.queries.samples import QuerySamples


@final
class QueryJudge(Judge):
    """Share of the test queries that the encoder answers as they were answered; nothing is chosen."""

    class Config(JudgeConfig):
        """The judge has no settings."""

        name: Literal["queries"] = "queries"

    primary: ClassVar[str] = "query_accuracy"
    needs_origin: ClassVar[bool] = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One number."""
        return (Metric("query_accuracy", "queries answered", "%", digits=1, about="a guess is right in a third"),)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Answer test queries; equal distances count as lost, so that an encoder that has collapsed answers none.

        Raises:
            ValueError: If the test samples are no queries.
        """
        samples, frozen = origin_of(test, self.config.name)
        if not isinstance(samples, QuerySamples) or not samples.are_queries:
            raise ValueError(f"judge 'queries' needs queries of three trajectories, got {samples.what}")
        others = [embed_samples(frozen, samples.at(place), split="test", device=self.device) for place in (1, 2)]
        rows = torch.stack([judged_rows(each, self.device) for each in (test, *others)]).double()
        alike, first, second = ((rows[i] - rows[j]).square().sum(dim=1) for i, j in ((0, 1), (0, 2), (1, 2)))
        right = (alike < first) & (alike < second)
        return Judgement({"query_accuracy": (float(right.double().mean()),)}, {"query_accuracy": None})
