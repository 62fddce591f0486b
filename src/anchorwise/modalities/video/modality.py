"""Video as a modality."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, final

from torch import Tensor

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.video.config import ClipConfig, VideoData, VideoEncoderConfig, VideoViewsConfig
from anchorwise.modalities.video.encoders import build_encoder
from anchorwise.modalities.video.samples import VideoSamples
from anchorwise.modalities.video.sources import load_domains
from anchorwise.modalities.video.storage import FrozenVideo, VideoEncoderSpec, load_video_encoder
from anchorwise.modalities.video.views import VideoViews, views_of
from anchorwise.modalities.views import ViewMaker, ViewPlan


@final
class Video(Modality):
    """Videos as frames in order, of one domain or of two."""

    data = VideoData
    views = VideoViewsConfig
    encoder = VideoEncoderConfig

    def load(self, data: VideoData, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read or generate videos (`anchorwise.modalities.video.sources`)."""
        return cast(Splits[Samples], load_domains(data, on_progress))

    def other_data(
        self, source: str, *, like: VideoData, frozen: FrozenEncoder | None = None, **where: Any
    ) -> VideoData:
        """Return where to find all videos of another source, in an encoder's clips and of its frames' size.

        Raises:
            ValueError: If it is none, or is to be fetched.
        """
        if any(value not in (None, False) for value in where.values()):
            raise ValueError("--root and --download are for data sets of images by name; videos are read from --data")
        changed: dict[str, Any] = {"source": source, "clips": like.clips, "image_size_px": like.image_size_px}
        if isinstance(frozen, FrozenVideo):
            _, height, width = frozen.spec.frame_shape
            changed |= {"clips": frozen.spec.clips, "image_size_px": height if height == width else None}
        other = VideoData(max_decoded_gib=like.max_decoded_gib).model_copy(update=changed)
        return section_of_json(VideoData, other.model_dump_json())

    def resolved_views(self, views: VideoViewsConfig | None, data: VideoData, samples: Samples) -> VideoViewsConfig:
        """Return the views' section."""
        return views or VideoViewsConfig()

    def resolved_encoder(self, encoder: VideoEncoderConfig, samples: Samples | None = None) -> VideoEncoderConfig:
        """Return the section with the channels of the frames."""
        if not isinstance(samples, VideoSamples):
            return encoder
        return encoder.model_copy(update={"num_channels": samples.frame_shape[0]})

    def view_maker(self, views: VideoViewsConfig, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what makes views of videos, normalised by these."""
        if not isinstance(samples, VideoSamples):
            raise ValueError(f"modality 'video' takes videos, got {samples.what}")
        return views_of(views, plan, samples)

    def new_encoder(self, encoder: VideoEncoderConfig, examples: Sequence[View]) -> Encoder:
        """Return an encoder as a training begins with it."""
        built = build_encoder(encoder)
        built.hold_still(encoder.freeze or ())
        return built

    def freeze(
        self, encoder: Encoder, section: VideoEncoderConfig, views: ViewMaker, examples: Sequence[View]
    ) -> FrozenVideo:
        """Return an encoder with its clips and the normalisation of their frames."""
        _, num_clips, num_frames, *frame_shape = cast(Tensor, examples[-1]).shape
        normalisation = cast(VideoViews, views).frames.normalisation
        mean, std = (tuple(part.flatten().tolist()) for part in (normalisation.mean, normalisation.std))
        clips = ClipConfig(num_frames=num_frames, num_clips=num_clips)
        num_channels, height, width = frame_shape
        shape = (num_channels, height, width)
        spec = VideoEncoderSpec(encoder=section, clips=clips, frame_shape=shape, mean=mean, std=std)
        return FrozenVideo(encoder, spec)

    def rebuild(self, folder: Path) -> FrozenVideo:
        """Read a stored encoder, in evaluation mode."""
        return load_video_encoder(folder)
