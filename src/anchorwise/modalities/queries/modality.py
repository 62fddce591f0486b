"""Queries as a modality."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, final

from torch import Tensor

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.queries.config import QueryData, QueryViewsConfig, TrajectoryEncoderConfig
from anchorwise.modalities.queries.encoders import build_encoder
from anchorwise.modalities.queries.samples import QuerySamples, one_by_one
from anchorwise.modalities.queries.sources import read_parts
from anchorwise.modalities.queries.storage import FrozenTrajectories, TrajectoryEncoderSpec, load_trajectory_encoder
from anchorwise.modalities.queries.views import QueryViews
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.views import ViewMaker, ViewPlan


@final
class TrajectoryQueries(Modality):
    """Three trajectories, of which somebody said which two are alike."""

    data = QueryData
    views = QueryViewsConfig
    encoder = TrajectoryEncoderConfig

    def load(self, data: QueryData, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read or generate queries."""
        train, test = read_parts(data)
        return Splits(train if data.answers else one_by_one(train), train, test)

    def other_data(
        self, source: str, *, like: QueryData, frozen: FrozenEncoder | None = None, **where: Any
    ) -> QueryData:
        """Return where to find the queries of another source.

        Raises:
            ValueError: If it is none, or is to be fetched.
        """
        if any(value not in (None, False) for value in where.values()):
            raise ValueError("--root and --download are for data sets of images by name; queries are read from --data")
        return section_of_json(QueryData, QueryData().model_copy(update={"source": source}).model_dump_json())

    def resolved_views(self, views: QueryViewsConfig | None, data: QueryData, samples: Samples) -> QueryViewsConfig:
        """Return the views' section."""
        return views or QueryViewsConfig()

    def resolved_encoder(
        self, encoder: TrajectoryEncoderConfig, samples: Samples | None = None
    ) -> TrajectoryEncoderConfig:
        """Return the section with the width of a state."""
        if not isinstance(samples, QuerySamples) or encoder.num_numbers is not None:
            return encoder
        return encoder.model_copy(update={"num_numbers": samples.states.shape[2]})

    def view_maker(self, views: QueryViewsConfig, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what makes views of queries."""
        if not isinstance(samples, QuerySamples):
            raise ValueError(f"modality 'queries' takes trajectories, got {samples.what}")
        return QueryViews(views, plan, samples)

    def new_encoder(self, encoder: TrajectoryEncoderConfig, examples: Sequence[View]) -> Encoder:
        """Return an encoder as a training begins with it."""
        return build_encoder(encoder)

    def freeze(
        self, encoder: Encoder, section: TrajectoryEncoderConfig, views: ViewMaker, examples: Sequence[View]
    ) -> FrozenTrajectories:
        """Return an encoder with the mean and scale of its states."""
        drawn = cast(QueryViews, views)
        mean, scale = (tuple(cast(Tensor, each).tolist()) for each in (drawn.mean, drawn.scale))
        return FrozenTrajectories(encoder, TrajectoryEncoderSpec(encoder=section, mean=mean, scale=scale))

    def rebuild(self, folder: Path) -> FrozenTrajectories:
        """Read a stored encoder, in evaluation mode."""
        return load_trajectory_encoder(folder)

    def judges_of(self, splits: Splits[Samples]) -> tuple[str, ...]:
        """Return the judge of answers, and where causal features are known that of rewards."""
        known = isinstance(splits.test, QuerySamples) and splits.test.features is not None
        return ("queries", *(("reward_learning",) if known else ()), "geometry")
