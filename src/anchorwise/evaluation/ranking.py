"""The judge of recommendation: how many of a user's items that were held back stand among the first of all items?

Every user ranks all items but those that are known to be hers: of the training, and in a test those of a validation
part too. Of equal scores the item with the lowest number stands first. Users are gone through block by block.

The same is asked of two rankings that nothing was trained for: by popularity, and by the cosine between items.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal, cast, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.item_baselines import item_cosine, popularity
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.interactions.pairs import Pairs
from anchorwise.modalities.interactions.ranked import Ranked, Scores, ranked
from anchorwise.modalities.interactions.samples import InteractionSamples
from anchorwise.modalities.interactions.storage import FrozenInteractions
from anchorwise.modalities.samples import Samples

# u = users, b = users of a block, k = items of each

_BASELINES = {"popularity_": "popularity", "item_cosine_": "item cosine"}
_VALIDATION = "validation_"


def ranking_values(scores: Scores, asked: Pairs, known: Pairs, *, k: int) -> dict[str, Float[Tensor, " u"]]:
    """Return what every user is worth who has something asked for, in their order.

    Recall is the share of a user's asked items among her first k. NDCG is the sum over those of 1 / log2(1 + place), by
    that of the best order, which has min(k, asked items) of them first.

    Args:
        scores: Returns the scores of all items for a block of users.
        asked: Items that are to be found.
        known: Items that are not ranked.
        k: How many places count.

    Returns:
        `recall` and `ndcg`, each in [0, 1].
    """
    users = torch.unique(asked.users)
    gains = math.log(2.0) / torch.log1p(torch.arange(1, k + 1, dtype=torch.float64))
    recall, ndcg = [], []
    for found in ranked(scores, users, k=k, known=known):
        hits, num_asked = _hits(found, asked), asked.per_user[found.users]
        best = gains.cumsum(0)[num_asked.clamp_max(k) - 1]
        recall.append(hits.double().sum(dim=1) / num_asked)
        ndcg.append((hits * gains[: hits.shape[1]]).sum(dim=1) / best)
    return {"recall": torch.cat(recall), "ndcg": torch.cat(ndcg)}


def _hits(found: Ranked, asked: Pairs) -> Tensor:
    """Return which of the ranked items are asked for."""
    keys = asked.users * asked.num_items + asked.items
    wanted = found.users.unsqueeze(1) * asked.num_items + found.items
    places = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return (keys[places] == wanted) & (found.scores > -torch.inf)


@final
class Ranking(Judge):
    """Recall and NDCG of the first items of a ranking of all; nothing is chosen, and validation items say what was."""

    class Config(JudgeConfig):
        """Settings of the judge.

        Attributes:
            k: How many places count.
            baselines: Whether popularity and the cosine between items are asked the same.
        """

        name: Literal["ranking"] = "ranking"
        k: int = Field(default=20, ge=1, le=100_000)
        baselines: bool = True

    primary: ClassVar[str] = "recall_at_20"
    watched: ClassVar[tuple[Metric, ...]] = (
        Metric(f"{_VALIDATION}recall", "validation recall", digits=4),
        Metric(f"{_VALIDATION}ndcg", "validation NDCG", digits=4),
    )
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of the encoder, then those of the baselines."""
        of = _BASELINES.items() if self.config.baselines else ()
        plain = (
            replace(each, name=f"{name}{each.name}", label=f"{label} {each.label}", by_split=False)
            for name, label in of
            for each in self.headlines
        )
        return (*self.headlines, *plain)

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """Those of the encoder."""
        k = self.config.k
        return (
            Metric(
                f"recall_at_{k}",
                f"recall@{k}",
                by_split=True,
                digits=4,
                about="share of a user's items found",
                bounds=(0.0, 1.0),
            ),
            Metric(f"ndcg_at_{k}", f"NDCG@{k}", by_split=True, digits=4, bounds=(0.0, 1.0)),
        )

    def choose(self, train: Embeddings) -> Choices:
        """Choose nothing; ask for the validation items, where there are some."""
        found = self.watch(train)
        return Choices({self._named(name.removeprefix(_VALIDATION)): (value,) for name, value in found.items()})

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Ask for the test items.

        Raises:
            ValueError: If these are no users with items that were held back.
        """
        samples, frozen = _origin(test)
        if samples.asked is None:
            raise ValueError(
                "judge 'ranking' needs items that were held back, in a file beside the training's, got none"
            )
        rankings = {"": _scores_of(frozen, self.device)}
        if self.config.baselines:
            rankings |= {"popularity_": popularity(samples.graph), "item_cosine_": item_cosine(samples.graph)}
        values = {
            f"{of}{self._named(name)}": each
            for of, scores in rankings.items()
            for name, each in ranking_values(scores, samples.asked, samples.known, k=self.config.k).items()
        }
        return Judgement(
            {name: (float(each.mean()),) for name, each in values.items()},
            {name: float(each.std()) / len(each) ** 0.5 for name, each in values.items() if len(each) > 1},
            notes=(f"{len(samples):,} users each ranked all {samples.graph.num_items:,} items but those known.",),
        )

    def watch(self, train: Embeddings) -> Mapping[str, float]:
        """Return recall and NDCG of validation items, where some are held out."""
        samples, frozen = _origin(train)
        if samples.asked is None:
            return {}
        asked = samples.asked.chosen(torch.isin(samples.asked.users, samples.users))
        if not len(asked):
            return {}
        values = ranking_values(_scores_of(frozen, self.device), asked, samples.known, k=self.config.k)
        return {f"{_VALIDATION}{name}": float(each.mean()) for name, each in values.items()}

    def _named(self, name: str) -> str:
        return f"{name}_at_{self.config.k}"


def _scores_of(frozen: FrozenInteractions, device: torch.device) -> Scores:
    of_users, of_items = (rows.to(device) for rows in frozen.rows())
    return lambda users: of_users[users.to(device)] @ of_items.T


def _origin(rows: Embeddings) -> tuple[InteractionSamples, FrozenInteractions]:
    samples, frozen = cast(tuple[Samples, FrozenEncoder], origin_of(rows, Ranking.Config().name))
    if not isinstance(samples, InteractionSamples) or not isinstance(frozen, FrozenInteractions):
        raise ValueError(
            f"judge 'ranking' needs users and items, as modality=interactions has them, got {samples.what}"
        )
    return samples, frozen
