"""Interactions of users with items as a modality."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast, final

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.interactions.config import InteractionData, InteractionViewsConfig, LightGCNConfig
from anchorwise.modalities.interactions.encoders import LightGCNEncoder
from anchorwise.modalities.interactions.samples import InteractionSamples, splits_of
from anchorwise.modalities.interactions.sources import read_parts
from anchorwise.modalities.interactions.storage import FrozenInteractions, InteractionsSpec, load_interactions
from anchorwise.modalities.interactions.views import InteractionViews
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.views import ViewMaker, ViewPlan


@final
class Interactions(Modality):
    """Users and the items that each chose. Samples of a training are interactions; judged are users."""

    data = InteractionData
    views = InteractionViewsConfig
    encoder = LightGCNConfig
    is_across: ClassVar[bool] = True

    def load(self, data: InteractionData, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read a folder of interactions."""
        return splits_of(read_parts(data))

    def other_data(
        self, source: str, *, like: InteractionData, frozen: FrozenEncoder | None = None, **where: Any
    ) -> InteractionData:
        """Return where to find another folder's interactions.

        Raises:
            ValueError: If they are to be fetched.
        """
        if any(value not in (None, False) for value in where.values()):
            raise ValueError("--root and --download are for data sets of images by name; interactions are a folder")
        return section_of_json(InteractionData, like.model_copy(update={"source": source}).model_dump_json())

    def resolved_views(
        self, views: InteractionViewsConfig | None, data: InteractionData, samples: Samples
    ) -> InteractionViewsConfig:
        """Return the views' section."""
        return views or InteractionViewsConfig()

    def resolved_encoder(self, encoder: LightGCNConfig, samples: Samples | None = None) -> LightGCNConfig:
        """Return the section with the numbers of users, items and interactions."""
        if samples is None:
            return encoder
        graph = _interactions(samples).graph
        numbers = {"num_users": graph.num_users, "num_items": graph.num_items, "num_edges": len(graph)}
        return encoder.model_copy(update=numbers)

    def view_maker(self, views: InteractionViewsConfig, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what makes views of interactions."""
        return InteractionViews(plan, _interactions(samples))

    def new_encoder(self, encoder: LightGCNConfig, examples: Sequence[View]) -> Encoder:
        """Return vectors as a training begins with them; the graph comes with the samples."""
        return LightGCNEncoder(encoder)

    def freeze(
        self, encoder: Encoder, section: LightGCNConfig, views: ViewMaker, examples: Sequence[View]
    ) -> FrozenInteractions:
        """Return an encoder with what users and items are called."""
        made = cast(InteractionViews, views)
        return FrozenInteractions(encoder, InteractionsSpec(encoder=section), made.user_names, made.item_names)

    def rebuild(self, folder: Path) -> FrozenInteractions:
        """Read a stored encoder, in evaluation mode."""
        return load_interactions(folder)

    def judges_of(self, splits: Splits[Samples]) -> tuple[str, ...]:
        """Return the judge of rankings where there are test interactions."""
        return () if splits.test is None else ("ranking", "geometry")


def _interactions(samples: Samples) -> InteractionSamples:
    if not isinstance(samples, InteractionSamples):
        raise ValueError(f"modality 'interactions' takes users and their items, got {samples.what}")
    return samples
