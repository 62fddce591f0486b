"""The judge of readers: are candidates that a search found in a better order once somebody has read them?

Of texts the search is TF-IDF's, among the partners of all test samples; of images with texts it is that of the towers
themselves, in both directions. All queries count, those whose answer the search has not among its candidates too: they
keep the place that the search gave it. Equal texts are one, as in retrieval. Ties count against the reader.
"""

from typing import ClassVar, Literal, cast, final

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import evaluation_mode, on_device, origin_of
from anchorwise.evaluation.pair_judge import TF_IDF
from anchorwise.evaluation.partners import pairs_of, word_pairs
from anchorwise.evaluation.retrieval import REVERSE, Search, retrieval_metrics, retrieval_values
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.samples import Samples, moved

# q = queries, k = candidates of each

_BLOCK = 32  # Queries at a time.
_RERANKED, _TOWERS, _REACH = "reranked_", "towers_", "reranking_reach"
_LABELS = {_RERANKED: "reranked ", TF_IDF: "TF-IDF ", _TOWERS: "towers "}


def reranked(
    scores: Float[Tensor, "q k"], is_answer: Bool[Tensor, "q k"], before: Int64[Tensor, " q"]
) -> Int64[Tensor, " q"]:
    """Return the place of every query's answer, from 1, after its candidates were put in order by scores.

    Args:
        scores: Of the candidates.
        is_answer: Which of them is the answer, the best of which counts; none where a search did not find it.
        before: Its place by the search, which it keeps where it is no candidate.
    """
    own = scores.masked_fill(~is_answer, -torch.inf).amax(dim=1, keepdim=True)
    others = (scores >= own) & ~is_answer
    return torch.where(is_answer.any(dim=1), 1 + others.sum(dim=1), before)


@final
class Reranking(Judge):
    """Recall and reciprocal rank of test samples' partners, in the order of an encoder that reads pairs."""

    class Config(JudgeConfig):
        """How candidates are found and scored.

        Attributes:
            num_candidates: Of every query, the search's first; ALBEF reads 128 of 1,000 images.
            score: What puts them in order: the number for "yes", which `listwise_ranking` trains, or its "difference"
                from that for no, which `pointwise_ranking` trains.
            search_weight: What the cosine of the search counts beside that number; ALBEF's evaluation has 0, BLIP's 1.
        """

        name: Literal["reranking"] = "reranking"
        num_candidates: int = Field(default=20, ge=2, le=1000)
        score: Literal["yes", "difference"] = "yes"
        search_weight: float = Field(default=0.0, ge=0, le=1e6)

    primary: ClassVar[str] = "reranked_mrr"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of the new order, those of the search, and how often the search has the answer."""
        reach = Metric(_REACH, "answer among candidates %", digits=1, bounds=(0.0, 100.0))
        back = {f"{REVERSE}{name}": f"reverse {_LABELS[name]}" for name in (_RERANKED, _TOWERS)}
        reverse_reach = Metric(f"{REVERSE}{_REACH}", "reverse answer among candidates %", digits=1, bounds=(0.0, 100.0))
        return (*retrieval_metrics(_LABELS), reach, *retrieval_metrics(back), reverse_reach)

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """The reciprocal ranks of both orders."""
        return tuple(metric for metric in self.metrics if metric.name in ("reranked_mrr", f"{TF_IDF}mrr"))

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Search, read and order.

        Raises:
            ValueError: If the encoder does not read pairs, or test samples have no partners.
        """
        samples, frozen = origin_of(test, "reranking")
        if not frozen.encoder.reads_pairs:
            raise ValueError(
                "judge 'reranking' needs an encoder that reads pairs, and samples with partners, got one that reads "
                f"none, and {samples.what}; train one with method.name=cross_encoder on texts, or method.name=albef on "
                "images with texts"
            )
        words = word_pairs(train, test, "reranking")
        if words is None and frozen.judged_by:
            raise ValueError(
                f"judge 'reranking' needs pairs of texts, and scikit-learn to search them, got {samples.what}; install "
                "anchorwise[text]"
            )
        values = {}
        if words is not None:
            search = Search.of(words)
            values = self._ordered(samples, frozen, search, TF_IDF)
        else:
            search = Search.of(pairs_of(test, "reranking", torch.device("cpu")))
            values = self._ordered(samples, frozen, search, _TOWERS)
            back = self._ordered(samples, frozen, search.back, _TOWERS, is_back=True)
            values |= {f"{REVERSE}{name}": each for name, each in back.items()}
        return Judgement(
            {name: (float(each.mean()),) for name, each in values.items()},
            {name: float(each.std()) / len(each) ** 0.5 for name, each in values.items()},
            {name: len(each) for name, each in values.items() if len(each) != len(test)},
            notes=(
                f"The first {min(self.config.num_candidates, len(search.keys))} that the search found among "
                f"{len(search.keys):,} were put in a new order; all {len(search.queries):,} queries count, also those "
                "whose answer is not among them.",
            ),
        )

    def _ordered(
        self, samples: Samples, frozen: FrozenEncoder, search: Search, by: str, *, is_back: bool = False
    ) -> dict[str, Float[Tensor, " q"]]:
        """Return what every query is worth in the new order and in that of the search."""
        before = search.ranks()
        best = (search.queries @ search.keys.T).topk(min(self.config.num_candidates, len(search.keys)), dim=1)
        is_answer = (best.indices.unsqueeze(2) == search.answers.unsqueeze(1)).any(dim=2)
        read = self._scores(samples, frozen, search, best.indices, is_back)
        scores = read + self.config.search_weight * best.values
        after = reranked(scores, is_answer, before[:, 0]).unsqueeze(1)
        values = {f"{_RERANKED}{name}": each for name, each in retrieval_values(after).items()}
        values |= {f"{by}{name}": each for name, each in retrieval_values(before).items()}
        return values | {_REACH: 100.0 * is_answer.any(dim=1).double()}

    def _scores(
        self, samples: Samples, frozen: FrozenEncoder, search: Search, found: Int64[Tensor, "q k"], is_back: bool
    ) -> Float[Tensor, "q k"]:
        parts = []
        with evaluation_mode(on_device(frozen.encoder, self.device)) as network:
            encoder = cast(Encoder, network)
            for ids in torch.arange(len(found)).split(_BLOCK):
                asking = search.query_numbers[ids].repeat_interleave(found.shape[1])
                asked = search.key_numbers[found[ids].flatten()]
                pairs = samples.joined(asked, asking) if is_back else samples.joined(asking, asked)
                if pairs is None:
                    raise ValueError(f"judge 'reranking' needs samples that can be read in pairs, got {samples.what}")
                yes, no = encoder.read(frozen.plain(moved(pairs, self.device))).float().cpu().T
                parts.append((yes if self.config.score == "yes" else yes - no).unflatten(0, (len(ids), -1)))
        return torch.cat(parts)
