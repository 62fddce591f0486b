"""The judge of retrieval: is what belongs to a sample nearer to it than what belongs to the others?

Every test sample asks once, among the partners of all test samples. Ties count against the encoder, so that one that
has collapsed finds nothing.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.partners import sides, word_sides

# q = queries, k = keys, d = width

_BLOCK = 1024  # Queries at a time.
_AT = (1, 5, 10)
_TF_IDF = "tf_idf_"


def ranks_of(queries: Float[Tensor, "q d"], keys: Float[Tensor, "k d"]) -> Int64[Tensor, " q"]:
    """Return the place of key i among all keys by their products with query i, from 1; ties count as lost.

    Args:
        queries: Rows.
        keys: Rows, at least as many; those beyond the queries are no answer to any.

    Raises:
        ValueError: If there are fewer keys than queries.
    """
    if len(keys) < len(queries):
        raise ValueError(f"keys must be at least as many as queries, got {len(keys)} for {len(queries)}")
    found = []
    for own in torch.arange(len(queries), device=queries.device).split(_BLOCK):
        scores = queries[own] @ keys.T
        found.append((scores >= scores.gather(1, own[:, None])).sum(dim=1))
    return torch.cat(found)


def retrieval_values(ranks: Int64[Tensor, " q"]) -> dict[str, Float[Tensor, " q"]]:
    """Return what every query is worth: `recall_at_1`, `_5` and `_10` in percent, `mrr` and `ndcg` (at 10) in [0, 1].

    One key answers a query, so NDCG at 10 is 1 / log2(1 + rank), and 0 beyond rank 10.
    Source: Jarvelin and Kekalainen 2002, https://doi.org/10.1145/582415.582418.
    """
    ranks = ranks.double()
    values = {f"recall_at_{most}": 100.0 * (ranks <= most).double() for most in _AT}
    gains = torch.where(ranks <= _AT[-1], math.log(2.0) / torch.log1p(ranks), 0.0)
    return {**values, "mrr": 1.0 / ranks, "ndcg": gains}


@final
class Retrieval(Judge):
    """Recall, reciprocal rank and NDCG of test samples and their partners; nothing is chosen."""

    class Config(JudgeConfig):
        """The judge has no settings."""

        name: Literal["retrieval"] = "retrieval"

    primary: ClassVar[str] = "mrr"
    needs_origin: ClassVar[bool] = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of the encoder, then those of counted words."""
        return tuple(
            Metric(f"{who}{name}", f"{words}{label}", digits=digits, about=about)
            for who, words in (("", ""), (_TF_IDF, "TF-IDF "))
            for name, label, digits, about in _METRICS
        )

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """Recall at 1 and the reciprocal rank."""
        return tuple(metric for metric in self.metrics if metric.name in ("recall_at_1", "mrr"))

    def choose(self, train: Embeddings) -> Choices:
        """Choose nothing."""
        return Choices()

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Search.

        Raises:
            ValueError: If test samples have no partners.
        """
        found = retrieval_values(ranks_of(*sides(test, "retrieval", self.device)))
        words = word_sides(train, test, "retrieval")
        baseline = {} if words is None else retrieval_values(ranks_of(*words))
        values: Mapping[str, Tensor] = found | {f"{_TF_IDF}{name}": each for name, each in baseline.items()}
        return Judgement(
            {name: (float(each.mean()),) for name, each in values.items()},
            {name: float(each.std()) / len(each) ** 0.5 for name, each in values.items()},
            notes=(f"Each of {len(test):,} test samples asked among the {len(test):,} partners of all.",),
        )


_METRICS = (
    *((f"recall_at_{most}", f"R@{most} %", 1, "") for most in _AT),
    ("mrr", "MRR", 3, "mean of 1 / rank"),
    ("ndcg", "NDCG@10", 3, ""),
)
