"""The judge of rerankers: are candidates that a search found in a better order once somebody has read them?

The search is TF-IDF's, among the partners of all test samples. All queries count, those whose answer the search has not
among its candidates too: they keep the place that the search gave it. Ties count against the encoder.
"""

from typing import ClassVar, Literal, final

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import evaluation_mode, on_device, origin_of
from anchorwise.evaluation.pair_judge import TF_IDF
from anchorwise.evaluation.partners import word_pairs
from anchorwise.evaluation.retrieval import ranks_of, retrieval_metrics, retrieval_values
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.samples import Samples, moved

# q = queries, k = candidates of each

_BLOCK = 32  # Queries at a time.
_RERANKED = "reranked_"


def reranked(
    scores: Float[Tensor, "q k"], is_answer: Bool[Tensor, "q k"], before: Int64[Tensor, " q"]
) -> Int64[Tensor, " q"]:
    """Return the place of every query's answer, from 1, after its candidates were put in order by scores.

    Args:
        scores: Of the candidates.
        is_answer: Which of them is the answer; none where a search did not find it.
        before: Its place by the search, which it keeps where it is no candidate.
    """
    own = scores.masked_fill(~is_answer, -torch.inf).amax(dim=1, keepdim=True)
    return torch.where(is_answer.any(dim=1), (scores >= own).sum(dim=1), before)


@final
class Reranking(Judge):
    """Recall and reciprocal rank of test samples' partners, in the order of an encoder that reads pairs."""

    class Config(JudgeConfig):
        """How candidates are found and scored.

        Attributes:
            num_candidates: Of every query, the search's first.
            score: What puts them in order: the number for "yes", which `listwise_ranking` trains, or its "difference"
                from that for no, which `pointwise_ranking` trains.
        """

        name: Literal["reranking"] = "reranking"
        num_candidates: int = Field(default=20, ge=2, le=1000)
        score: Literal["yes", "difference"] = "yes"

    primary: ClassVar[str] = "reranked_mrr"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of the new order, those of the search, and how often the search has the answer."""
        reach = Metric("reranking_reach", "answer among candidates %", digits=1)
        return (*retrieval_metrics(_RERANKED, TF_IDF), reach)

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """The reciprocal ranks of both orders."""
        return tuple(metric for metric in self.metrics if metric.name in ("reranked_mrr", "tf_idf_mrr"))

    def choose(self, train: Embeddings) -> Choices:
        """Choose nothing."""
        return Choices()

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Search, read and order.

        Raises:
            ValueError: If test samples have no partners in words, or the encoder does not read pairs.
        """
        samples, frozen = origin_of(test, "reranking")
        words = word_pairs(train, test, "reranking")
        if words is None or frozen.encoder.num_features != 2:
            raise ValueError(
                "judge 'reranking' needs pairs of texts and an encoder of two numbers that reads both, got "
                f"{samples.what} and one of {frozen.encoder.num_features}; train one with method.name=cross_encoder"
            )
        first, second = words.first, words.second
        before = ranks_of(first, second)
        found = (first @ second.T).topk(min(self.config.num_candidates, len(second)), dim=1).indices
        is_answer = found == torch.arange(len(found)).unsqueeze(1)
        after = reranked(self._scores(samples, frozen, found), is_answer, before[:, 0]).unsqueeze(1)
        values = {f"{_RERANKED}{name}": each for name, each in retrieval_values(after).items()}
        values |= {f"{TF_IDF}{name}": each for name, each in retrieval_values(before).items()}
        values["reranking_reach"] = 100.0 * is_answer.any(dim=1).double()
        return Judgement(
            {name: (float(each.mean()),) for name, each in values.items()},
            {name: float(each.std()) / len(each) ** 0.5 for name, each in values.items()},
            notes=(
                f"TF-IDF's first {found.shape[1]} of {len(test):,} were put in a new order; all {len(test):,} queries "
                "count, also those whose answer is not among them.",
            ),
        )

    def _scores(self, samples: Samples, frozen: FrozenEncoder, found: Int64[Tensor, "q k"]) -> Float[Tensor, "q k"]:
        parts = []
        with evaluation_mode(on_device(frozen.encoder, self.device)) as encoder:
            for ids in torch.arange(len(found)).split(_BLOCK):
                pairs = samples.joined(ids.repeat_interleave(found.shape[1]), found[ids].flatten())
                if pairs is None:
                    raise ValueError(f"judge 'reranking' needs samples that can be read in pairs, got {samples.what}")
                yes, no = encoder(moved(pairs, self.device)).float().cpu().T
                parts.append((yes if self.config.score == "yes" else yes - no).unflatten(0, (len(ids), -1)))
        return torch.cat(parts)
