"""Signals as a modality."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.sequences import signals_of
from anchorwise.modalities.series.config import SeriesData, SeriesEncoderConfig
from anchorwise.modalities.series.encoders import build_encoder
from anchorwise.modalities.series.policies import PlainViews, PPGViews, SeriesViews
from anchorwise.modalities.series.samples import SeriesSamples
from anchorwise.modalities.series.sources import read_parts
from anchorwise.modalities.series.standardise import Standardisation
from anchorwise.modalities.series.storage import FrozenSeries, SeriesEncoderSpec, load_series_encoder
from anchorwise.modalities.series.views import ChangedSignals, SegmentViews, view_maker_of
from anchorwise.modalities.views import ViewMaker, ViewPlan


@final
class Series(Modality):
    """Segments of signals over time, of any number of channels."""

    data = SeriesData
    views = SeriesViews
    encoder = SeriesEncoderConfig

    def load(self, data: SeriesData, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read recordings, and cut them into segments."""
        return read_parts(data)

    def other_data(
        self, source: str, *, like: SeriesData, frozen: FrozenEncoder | None = None, **where: Any
    ) -> SeriesData:
        """Return where to find all signals of another source, cut as those of the training and at the encoder's rate.

        Raises:
            ValueError: If it is none, or is to be fetched.
        """
        if any(value not in (None, False) for value in where.values()):
            raise ValueError("--root and --download are for data sets of images by name; signals are read from --data")
        changes: dict[str, Any] = {"source": source, "num_participants": None}
        if isinstance(frozen, FrozenSeries) and frozen.spec.rate_hz is not None:
            changes["sampling_rate_hz"] = frozen.spec.rate_hz
        changed = like.model_copy(update=changes)
        return section_of_json(SeriesData, changed.model_dump_json())

    def resolved_views(self, views: SeriesViews | None, data: SeriesData, samples: Samples) -> SeriesViews:
        """Return the views' section."""
        return views or PPGViews()

    def view_maker(self, views: SeriesViews, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what makes views of signals."""
        return view_maker_of(views, plan, samples)

    def new_encoder(self, encoder: SeriesEncoderConfig, examples: Sequence[View]) -> Encoder:
        """Return an encoder as a training begins with it."""
        signals, _ = signals_of(examples[-1])
        if signals.ndim != 3 or not signals.is_floating_point():
            raise ValueError(
                f"signals must be in floating point and have the shape (channels, steps), got {signals.dtype} of shape "
                f"{tuple(signals.shape[1:])}; arrays of two axes are taken for images, so give a tensor, such as "
                "torch.from_numpy(signals).float()"
            )
        return build_encoder(encoder, num_channels=signals.shape[1])

    def freeze(
        self, encoder: Encoder, section: SeriesEncoderConfig, views: ViewMaker, examples: Sequence[View]
    ) -> FrozenSeries:
        """Return an encoder with the scale and the channels of its signals."""
        if not isinstance(views, ChangedSignals):  # Own views bring signals to a scale by themselves.
            count = signals_of(examples[-1])[0].shape[1]
            views = SegmentViews(PlainViews(), ViewPlan(), tuple(map(str, range(count))), None, _as_they_are(count))
        scale = views.standardisation
        mean, std = (tuple(part.flatten().tolist()) for part in (scale.mean, scale.std))
        known = {"channels": views.channels, "rate_hz": views.rate_hz, "standardise": scale.by}
        return FrozenSeries(encoder, SeriesEncoderSpec(encoder=section, mean=mean, std=std, **known))

    def rebuild(self, folder: Path) -> FrozenSeries:
        """Read a stored encoder, in evaluation mode."""
        return load_series_encoder(folder)

    def judges_of(self, splits: Splits[Samples]) -> tuple[str | Mapping[str, Any], ...]:
        """Return the judges of classes, of whose a segment is, and of what is known of participants in numbers."""
        train, test = splits.train, splits.test
        if not isinstance(train, SeriesSamples) or test is None:
            return ()
        asked = list[str | Mapping[str, Any]]()
        if splits.are_judgeable:
            asked.append("classification")
        # A segment that is alone, and all where there is one participant, have nobody to be told apart from.
        if test.groups is not None and int((test.groups.unique(return_counts=True)[1] > 1).sum()) > 1:
            asked.append("group_retrieval")
        # Where test participants are all alike in a number, it cannot be asked for.
        there = test.of_participants() if isinstance(test, SeriesSamples) else ()
        if names := [name for name in train.of_participants() if name in there]:
            values = names[0] if len(names) == 1 else names
            asked.append({"name": "regression", "values": values, "by_group": train.groups is not None})
        return (*asked, "geometry") if asked else ()


def _as_they_are(num_channels: int) -> Standardisation:
    return Standardisation("none", (0.0,) * num_channels, (1.0,) * num_channels)
