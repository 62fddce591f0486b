"""What methods on users and items have in common: the encoder that they need, and terms beside the ranking loss."""

from collections.abc import Callable, Sequence
from typing import Literal, cast

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from anchorwise._ranks import gather_rows, sharing_ranks
from anchorwise.methods.base import Method, MethodConfig, Step
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.interactions.encoders import LightGCNEncoder
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.objectives import BPR, Objective, Outcome

# n = users and then items, b = interactions of this rank's batch, k = some nodes, d = width

Among = Literal["batch", "all"]
MOST_SEEN = 2048  # Users whose rows are looked at beside the loss: of all of a large graph it would cost as much again.


class RankedAndContrastedConfig(MethodConfig):
    """Settings of ranking with a contrast beside it.

    Attributes:
        contrast_weight: Of the contrast of users plus that of items, beside BPR.
        noise: Length of the noise of every row of every layer.
        among: Who is contrasted: the different users and items of a batch, or all of them in every step, which the
            sources do not do.
        length_weight: Of the lengths of the rows that are ranked (`anchorwise.methods.users_and_items.lengths_of`).
    """

    head: HeadConfig = HeadConfig(num_layers=0)
    contrast_weight: float = Field(default=0.2, ge=0, le=1e6)
    noise: float = Field(default=0.1, ge=0, le=1e6)
    among: Among = "batch"
    length_weight: float = Field(default=1e-4, ge=0, le=1e6)


class RankedAndContrasted(Method):
    """BPR of the interactions, and beside it any objective of two views, which sees users and items apart."""

    gives = frozenset({"ids"})

    def __init__(self, encoder: Encoder, objective: Objective, config: RankedAndContrastedConfig) -> None:
        super().__init__(graph_encoder(encoder, config), objective, config)
        self.contrast_weight, self.length_weight = config.contrast_weight, config.length_weight
        self.noise = config.noise
        self.among: Among = config.among

    @property
    def graph(self) -> LightGCNEncoder:
        """The encoder."""
        return cast(LightGCNEncoder, self.encoder)

    @property
    def plan(self) -> ViewPlan:
        """A user, an item of hers, and one that is not; and the distinct ones of a batch."""
        return ViewPlan(num_negatives=1, distinct=self.among == "batch")

    def ranked_and_contrasted(
        self,
        nodes: Sequence[Int64[Tensor, " _"]],
        ranked: Float[Tensor, "n d"],
        views: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]],
    ) -> Step:
        """Return the loss of the ranking with those of contrast and lengths.

        Args:
            nodes: Users, items that they chose, and others; then the distinct users and items.
            ranked: Rows of all nodes that are ranked.
            views: Rows of all nodes that are contrasted.
        """
        contrasted = nodes_to_contrast(self.graph, self.among, nodes[3:])
        outcome = ranking_with_contrast(
            ranked,
            nodes[:3],
            contrast(self.loss, contrasted, *views),
            length_weight=self.length_weight,
            contrast_weight=self.contrast_weight,
        )
        return Step(outcome, users_seen(contrasted, *views))


def graph_encoder(encoder: Encoder, config: MethodConfig) -> LightGCNEncoder:
    """Return the encoder as one of users and items.

    Raises:
        ValueError: If it is none, or a head would stand between its rows and the ranking.
    """
    if not isinstance(encoder, LightGCNEncoder):
        raise ValueError(
            f"method.name={config.name} needs an encoder of users and items, got {type(encoder).__name__}; set "
            "modality=interactions"
        )
    if config.head.num_layers:
        raise ValueError(
            f"method.head.num_layers must be 0 for {config.name}, got {config.head.num_layers}: items are ranked by "
            "the encoder's own rows"
        )
    return encoder


def nodes_to_contrast(encoder: LightGCNEncoder, among: Among, distinct: Sequence[Int64[Tensor, " _"]]) -> list[Tensor]:
    """Return the users and the items that are contrasted: the distinct ones of this rank's batch, or all.

    Of all, ranks that share a batch take a part each; what an objective sees is theirs together.
    """
    if among == "batch":
        return list(distinct)
    device, ranks = next(encoder.parameters()).device, sharing_ranks()
    sides = torch.arange(encoder.num_users + encoder.num_items, device=device).split(
        [encoder.num_users, encoder.num_items]
    )
    return [side if ranks is None else side[ranks.shards(len(side))[ranks.rank]] for side in sides]


def contrast(
    loss: Callable[..., Outcome],
    nodes: Sequence[Int64[Tensor, " _"]],
    view0: Float[Tensor, "n d"],
    view1: Float[Tensor, "n d"],
) -> list[Outcome]:
    """Return what an objective makes of two views of nodes, of users and of items apart.

    Args:
        loss: As `Method.loss`. It is handed the nodes as ids: on several ranks a user may stand in the parts of two,
            and she is no negative of herself.
        nodes: Users, and items.
        view0: Rows of all.
        view1: Likewise.
    """
    several = sharing_ranks() is not None
    return [loss(view0[side], view1[side], batch=Batch(side, side, groups=side if several else None)) for side in nodes]


def ranking_with_contrast(
    rows: Float[Tensor, "n d"],
    triples: Sequence[Int64[Tensor, " b"]],
    contrasts: Sequence[Outcome],
    *,
    length_weight: float,
    contrast_weight: float,
) -> Outcome:
    """Return BPR with the two terms that SimGCL and XSimGCL have beside it, shared out evenly among the interactions.

    Args:
        rows: Of all nodes.
        triples: Users, items that they chose, and others.
        contrasts: Of users and of items, which are added up.
        length_weight: Of the lengths.
        contrast_weight: Of the contrasts' sum.
    """
    users, chosen, others = (rows[nodes] for nodes in triples)
    ranking, lengths = BPR().detail(users, chosen, others), lengths_of(users, chosen)
    contrasted = torch.stack([each.loss for each in contrasts]).sum()
    terms = length_weight * lengths + contrast_weight * contrasted
    means = {name: _mean(name, contrasts) for name in contrasts[0].stats}
    stats = {**ranking.stats, **means, "ranking": ranking.loss.detach(), "contrast": contrasted.detach()}
    return Outcome(ranking.loss + terms, ranking.per_anchor + terms.detach(), stats)


def users_seen(
    nodes: Sequence[Int64[Tensor, " _"]], *views: Float[Tensor, "n d"]
) -> tuple[Float[Tensor, "k d"], Float[Tensor, "k d"]]:
    """Return both views of at most as many users as tails are read from, detached."""
    users = nodes[0][:MOST_SEEN]
    view0, view1 = (view[users].detach() for view in views)
    return view0, view1


def lengths_of(*tables: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Return the lengths of whole tables of rows, each all ranks' rows as one vector, by the number of rows, added up.

    The released code of SimGCL and XSimGCL has it so: not squared, of the rows that are ranked, with their noise.
    """
    squares = gather_rows(torch.stack([table.float().square().sum(dim=1) for table in tables], dim=1))
    return squares.sum(dim=0).sqrt().sum() / len(squares)


def _mean(name: str, outcomes: Sequence[Outcome]) -> Tensor:
    return torch.stack([each.stats[name].float().mean() for each in outcomes]).mean()
