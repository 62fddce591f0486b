"""Views of queries: their three trajectories in turn, or one trajectory with noise."""

from typing import cast, final

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.modalities.draws import noise
from anchorwise.modalities.queries.config import QueryViewsConfig
from anchorwise.modalities.queries.samples import QuerySamples
from anchorwise.modalities.samples import Batch, Samples, View
from anchorwise.modalities.views import ViewMaker, ViewPlan

# b = samples of a batch, f = numbers of a state


@final
class QueryViews(ViewMaker):
    """States brought to mean 0 and variance 1, number by number, over the trajectories to train on.

    Of a query, view 0 and view 1 are the two trajectories that are alike, and what does not belong to them is the hard
    negative behind. A trajectory alone is every view.

    Args:
        config: How views differ.
        plan: How many the method takes.
        samples: Of such trajectories.

    Raises:
        ValueError: If the samples have no such views.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: QueryViewsConfig, plan: ViewPlan, samples: QuerySamples) -> None:
        super().__init__()
        _check(plan, samples)
        self.noise, self.num_views = config.noise, plan.total
        states = samples.states[samples.members.unique()].flatten(end_dim=1).double()
        deviation = states.std(dim=0, correction=0)
        self.register_buffer("mean", states.mean(dim=0).float())
        # A number that never changes says nothing: it is divided by 1, not by its rounding error.
        self.register_buffer("scale", torch.where(deviation > 1e-6, deviation, 1.0).float())

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return all trajectories of samples, on the CPU."""
        return samples.batch(ids, cast(QuerySamples, samples).all_of(ids))

    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views."""
        trajectories = cast(Tensor, batch.raw)
        last = trajectories.shape[1] - 1
        views = [self.plain(trajectories[:, min(number, last)]) for number in range(self.num_views)]
        if self.noise:
            drawn = noise(batch.drawn_by, seed, (self.num_views, *trajectories.shape[2:]))
            # Odd multiples of 2^-24 between -1 and 1, of which none is an end.
            added = 2.0**0.5 * self.noise * torch.erfinv(2.0 * drawn - 1.0 + 2.0**-24)
            views = [view + added[:, number] for number, view in enumerate(views)]
        return tuple(views)

    def plain(self, raw: View) -> Tensor:
        """Return trajectories with standardised numbers."""
        return (cast(Tensor, raw) - self.mean) / self.scale


def _check(plan: ViewPlan, samples: QuerySamples) -> None:
    plan.check_whole("trajectories", with_negatives=True)
    if plan.num_negatives and not (samples.are_queries and plan.total == 3):
        raise ValueError(
            f"the method takes {plan.num_views} views and {plan.num_negatives} hard negatives, and samples are "
            f"{samples.what}; a query gives two views and one hard negative (data.answers=true)"
        )
    if samples.are_queries and plan.num_views > 2:
        raise ValueError(
            f"the method takes {plan.num_views} views, and of a query two trajectories are alike; take two with "
            "method.num_views, or trajectories one by one with data.answers=false"
        )
