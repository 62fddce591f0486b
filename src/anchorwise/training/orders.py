"""Orders by name, and the settings of any of them."""

from typing import TYPE_CHECKING

from anchorwise._config import chosen_by_name
from anchorwise.training.hard_batches import HighestLoss, Spectral
from anchorwise.training.order import ClassBalanced, OnePerGroup, Order, OrderConfig, Shuffled
from anchorwise.training.tasks import TasksInSequence
from anchorwise.training.within_clusters import WithinClusters

ORDERS: dict[str, type[Order]] = {
    "shuffled": Shuffled,
    "class_balanced": ClassBalanced,
    "one_per_group": OnePerGroup,
    "within_clusters": WithinClusters,
    "highest_loss": HighestLoss,
    "spectral": Spectral,
    "tasks": TasksInSequence,
}
if TYPE_CHECKING:
    AnyOrderConfig = OrderConfig
else:
    AnyOrderConfig = chosen_by_name(order.Config for order in ORDERS.values())
