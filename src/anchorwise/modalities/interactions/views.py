"""Views of interactions: a user, an item that she chose, and items that she did not."""

from collections.abc import Mapping
from typing import cast, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.modalities.draws import Draws
from anchorwise.modalities.interactions.pairs import Pairs
from anchorwise.modalities.interactions.samples import InteractionSamples
from anchorwise.modalities.samples import Batch, Samples, View
from anchorwise.modalities.views import ViewMaker, ViewPlan

# b = samples of a batch

_USERS, _ITEMS, _DISTINCT_USERS, _DISTINCT_ITEMS = "users", "items", "distinct_users", "distinct_items"


@final
class Unchosen(nn.Module):
    """Draws items that a user has not chosen, all of them equally likely.

    Args:
        graph: What users have chosen; none has all items.
    """

    keys: Tensor
    starts: Tensor
    num_left: Tensor

    def __init__(self, graph: Pairs) -> None:
        super().__init__()
        self.num_items = graph.num_items
        # A user's k-th item, counted from 0, has (item - k) unchosen ones before it.
        before = graph.items - (torch.arange(len(graph)) - graph.starts[graph.users])
        parts = {"keys": graph.users * graph.num_items + before, "starts": graph.starts}
        for name, part in {**parts, "num_left": graph.num_items - graph.per_user}.items():
            self.register_buffer(name, part, persistent=False)

    def forward(self, users: Int64[Tensor, " b"], drawn: Float[Tensor, " b"]) -> Int64[Tensor, " b"]:
        """Return an item for each user.

        Args:
            users: Numbers.
            drawn: In [0, 1): of the unchosen ones in their order, the one at this share.
        """
        left = self.num_left[users]
        place = torch.minimum((drawn.double() * left).long(), left - 1)
        chosen_before = torch.searchsorted(self.keys, users * self.num_items + place, right=True) - self.starts[users]
        return place + chosen_before


@final
class InteractionViews(ViewMaker):
    """Numbers of nodes: users, their items, items that they have not chosen, and where asked for the distinct ones.

    Of the unchosen ones a sample gets others in every step, by seed and sample. The distinct users and items of a batch
    are those of this rank's part of it.

    Args:
        plan: What the method takes.
        samples: Of such interactions.

    Raises:
        ValueError: If interactions have no such views.
    """

    def __init__(self, plan: ViewPlan, samples: InteractionSamples) -> None:
        super().__init__()
        _check(plan)
        self.plan = plan
        self.num_users = samples.graph.num_users
        self.user_names, self.item_names = samples.user_names, samples.item_names
        self.unchosen = Unchosen(samples.graph)
        self.draws = Draws(range(plan.num_negatives), [0])

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return users and items, and the distinct ones among them, which the device need not look for."""
        there = cast(InteractionSamples, samples)
        raw = {_USERS: there.users[ids], _ITEMS: there.items[ids] + self.num_users}
        if self.plan.distinct:
            raw |= {_DISTINCT_USERS: raw[_USERS].unique(), _DISTINCT_ITEMS: raw[_ITEMS].unique()}
        return samples.batch(ids, raw)

    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views."""
        raw = cast(Mapping[str, Tensor], batch.raw)
        drawn = self.draws(batch.ids, seed)[0]
        negatives = [self.unchosen(raw[_USERS], each) + self.num_users for each in drawn]
        distinct = [raw[_DISTINCT_USERS], raw[_DISTINCT_ITEMS]] if self.plan.distinct else []
        return (raw[_USERS], raw[_ITEMS], *negatives, *distinct)

    def plain(self, raw: View) -> View:
        """Return nodes as they are."""
        return raw


def _check(plan: ViewPlan) -> None:
    plan.check_whole("interactions", with_negatives=True)
    if plan.num_views != 2:
        raise ValueError(
            f"the method takes {plan.num_views} views, and an interaction has two, its user and its item; set "
            "method.num_views=2, or choose another method.name"
        )
