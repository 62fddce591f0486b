"""The two views of a node: the coarse one, of all meta-paths together, and the fine one, of each by itself."""

from typing import final

from anchorwise.modalities.graphs.samples import COARSE, FINE, GRAPH
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewMaker, ViewPlan


@final
class NodeViews(ViewMaker):
    """Which nodes a batch has, to be seen coarsely and finely; what is random in either, the encoder draws.

    Args:
        plan: What the method takes.

    Raises:
        ValueError: If nodes have no such views.
    """

    def __init__(self, plan: ViewPlan) -> None:
        super().__init__()
        asked = ViewPlan(num_views=plan.num_views)
        if plan != asked or plan.num_views > 2:
            raise ValueError(
                f"the method takes {plan.total} views or more of a view than nodes have, which are seen coarsely and "
                "finely, and nothing beside; choose a method.name of two views, such as meow or simclr"
            )
        self.num_views = plan.num_views

    def forward(self, batch: Batch, *, seed: int | object) -> tuple[View, ...]:
        """Return the coarse and the fine view; where one is asked for, it is the fine one."""
        raw = batch.raw
        if isinstance(raw, tuple) or not isinstance(raw, dict):
            raise TypeError("views of nodes are made of their numbers")
        coarse = {COARSE: raw[FINE], GRAPH: raw[GRAPH]}
        return (coarse, raw)[2 - self.num_views :]

    def plain(self, raw: View) -> View:
        """Return nodes as they are judged."""
        return raw
