"""The judge of retrieval: is what belongs to a sample nearer to it than what belongs to the others?

Every test sample asks once among what belongs to all of them, and in the other direction whatever belongs to one asks
among the samples. Equal texts are one: they ask once, are found once, and whatever belongs to either is an answer. Ties
count against the encoder, so that one that has collapsed finds nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.evaluation.base import JudgeConfig, Metric
from anchorwise.evaluation.pair_judge import Answer, PairJudge
from anchorwise.evaluation.partners import Pairs
from anchorwise.modalities.samples import Samples

# q = queries, k = keys, r = keys that answer the query with most of them, p = pairs, d = width

_BLOCK = 1024  # Queries at a time.
_AT = (1, 5, 10)
REVERSE = "reverse_"
_NONE = -1  # In the place of a key that answers, where a query has fewer of them than others.


@dataclass(frozen=True)
class Search:
    """Who asks among whom, each of equal ones once.

    Attributes:
        queries: Rows.
        keys: Rows.
        answers: Numbers of the keys that answer each query, in their order, and -1 behind them.
        query_numbers: Which row of the pairs each query is.
        key_numbers: The same of keys.
    """

    queries: Float[Tensor, "q d"]
    keys: Float[Tensor, "k d"]
    answers: Int64[Tensor, "q r"]
    query_numbers: Int64[Tensor, " q"]
    key_numbers: Int64[Tensor, " k"]

    @classmethod
    def of(cls, pairs: Pairs) -> "Search":
        """Return the search of the samples among what belongs to them."""
        num_queries, num_keys, of = len(pairs.first), len(pairs.second), pairs.of
        asks = torch.arange(num_queries, device=of.device) if pairs.first_as is None else pairs.first_as
        is_found = torch.arange(num_keys, device=of.device) if pairs.second_as is None else pairs.second_as
        query_numbers, key_numbers = asks.unique(), is_found.unique()
        belong = torch.searchsorted(query_numbers, asks[of]) * len(key_numbers)
        belong = (belong + torch.searchsorted(key_numbers, is_found)).unique()
        answers = _listed(belong // len(key_numbers), belong % len(key_numbers), len(query_numbers))
        return cls(pairs.first[query_numbers], pairs.second[key_numbers], answers, query_numbers, key_numbers)

    @property
    def back(self) -> "Search":
        """The search in the other direction."""
        queries, places = (self.answers != _NONE).nonzero(as_tuple=True)
        keys = self.answers[queries, places]
        order = keys.argsort(stable=True)
        answers = _listed(keys[order], queries[order], len(self.keys))
        return Search(self.keys, self.queries, answers, self.key_numbers, self.query_numbers)

    def ranks(self) -> Int64[Tensor, "q r"]:
        """Return the places of the answers (`ranks_of`)."""
        return ranks_of(self.queries, self.keys, self.answers)


def ranks_of(
    queries: Float[Tensor, "q d"], keys: Float[Tensor, "k d"], answers: Int64[Tensor, "q r"] | None = None
) -> Int64[Tensor, "q r"]:
    """Return the places of the keys that answer each query among all keys, from 1, best first; ties count as lost.

    Args:
        queries: Rows.
        keys: Rows.
        answers: Numbers of the keys that answer each query, -1 behind them where it has fewer than others; key i alone
            answers query i if left out.

    Returns:
        Places, 0 where a query has no such key.

    Raises:
        ValueError: If there is no key for a query.
    """
    if answers is None:
        if len(keys) < len(queries):
            raise ValueError(f"keys must be at least as many as queries, got {len(keys)} for {len(queries)}")
        answers = torch.arange(len(queries)).unsqueeze(1)
    if bool((answers == _NONE).all(dim=1).any()):
        raise ValueError("answers must name a key for every query, got a query without one")
    found = []
    for rows, own in zip(queries.split(_BLOCK), answers.to(queries.device).split(_BLOCK), strict=True):
        scores, is_there = rows @ keys.T, own != _NONE
        of_own = scores.gather(1, own.clamp_min(0)).masked_fill(~is_there, -torch.inf).sort(dim=1, descending=True)
        others = scores.scatter(1, torch.where(is_there, own, own[:, :1]), -torch.inf)
        # Beside those that answer as well, which stand before it in their own order.
        before = torch.stack([(others >= each.unsqueeze(1)).sum(dim=1) for each in of_own.values.unbind(dim=1)], dim=1)
        places = before + torch.arange(1, own.shape[1] + 1, device=rows.device)
        found.append(places.masked_fill(of_own.values == -torch.inf, 0))
    return torch.cat(found)


def retrieval_values(ranks: Int64[Tensor, "q r"]) -> dict[str, Float[Tensor, " q"]]:
    """Return what every query is worth: `recall_at_1`, `_5` and `_10` in percent, `mrr` and `ndcg` (at 10) in [0, 1].

    Recall and the reciprocal rank are those of the best key that answers. NDCG at 10 is the sum over keys that answer
    of 1 / log2(1 + rank), 0 beyond rank 10, by that of the best order.
    Source: Jarvelin and Kekalainen 2002, https://doi.org/10.1145/582415.582418.

    Args:
        ranks: Of the keys that answer, best first, 0 where there is none.
    """
    best = ranks[:, 0].double()
    values = {f"recall_at_{most}": 100.0 * (best <= most).double() for most in _AT}
    counted = (ranks > 0) & (ranks <= _AT[-1])
    gains = torch.where(counted, math.log(2.0) / torch.log1p(ranks.double()), 0.0).sum(dim=1)
    places = torch.arange(1, _AT[-1] + 1, device=ranks.device)
    ideal = (places <= (ranks > 0).sum(dim=1, keepdim=True)) * (math.log(2.0) / torch.log1p(places.double()))
    return {**values, "mrr": 1.0 / best, "ndcg": gains / ideal.sum(dim=1)}


def retrieval_metrics(labels: Mapping[str, str]) -> tuple[Metric, ...]:
    """Return what `retrieval_values` has, once for every prefix of the names, with that of their labels."""
    return tuple(
        Metric(f"{prefix}{name}", f"{before}{label}", digits=digits, about=about, bounds=(0.0, most))
        for prefix, before in labels.items()
        for name, label, digits, about, most in (
            *((f"recall_at_{k}", f"R@{k} %", 1, "", 100.0) for k in _AT),
            ("mrr", "MRR", 3, "mean of 1 / rank", 1.0),
            ("ndcg", "NDCG@10", 3, "", 1.0),
        )
    )


@final
class Retrieval(PairJudge):
    """Recall, reciprocal rank and NDCG of test samples and what belongs to them, in both directions."""

    class Config(JudgeConfig):
        """Settings of the judge.

        Attributes:
            answers: "first" of what belongs to a sample, such as the second caption of a photograph for the first; or
                "all" of it.
        """

        name: Literal["retrieval"] = "retrieval"
        answers: Literal["first", "all"] = "first"

    primary: ClassVar[str] = "mrr"
    asked: ClassVar[tuple[Metric, ...]] = retrieval_metrics({"": "", REVERSE: "reverse "})
    config: Config

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """Recall at 1 and the reciprocal rank."""
        return tuple(metric for metric in self.asked if metric.name in ("recall_at_1", "mrr"))

    @property
    def takes_all(self) -> bool:
        """Whether all that belongs to a sample answers it."""
        return self.config.answers == "all"

    def answer(self, pairs: Pairs, samples: Samples) -> Answer:
        """Search in both directions."""
        search = Search.of(pairs)
        there, back = retrieval_values(search.ranks()), retrieval_values(search.back.ranks())
        values: Mapping[str, Tensor] = there | {f"{REVERSE}{name}": each for name, each in back.items()}
        return Answer(
            {name: float(each.mean()) for name, each in values.items()},
            {name: float(each.std()) / len(each) ** 0.5 for name, each in values.items()},
            {name: len(each) for name, each in values.items() if len(each) != len(samples)},
        )

    def notes(self, pairs: Pairs, samples: Samples) -> tuple[str, ...]:
        """Return how many asked among how many."""
        search = Search.of(pairs)
        numbers, whole = (len(search.queries), len(search.keys)), (len(pairs.first), len(pairs.second))
        once = "" if numbers == whole else f" Equal texts count once: there are {whole[0]:,} and {whole[1]:,} in all."
        return (f"Each of {numbers[0]:,} test samples asked among the {numbers[1]:,} partners of all.{once}",)


def _listed(of: Int64[Tensor, " p"], what: Int64[Tensor, " p"], number: int) -> Int64[Tensor, "q r"]:
    """Return what belongs to each of so many, one row each, where pairs are in the order of `of`."""
    numbers = torch.bincount(of, minlength=number)
    place = torch.arange(len(of), device=of.device) - (numbers.cumsum(0) - numbers)[of]
    found = torch.full((number, int(numbers.max())), _NONE, device=of.device)
    found[of, place] = what
    return found
