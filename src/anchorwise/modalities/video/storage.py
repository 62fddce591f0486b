"""A trained encoder of video on disk: weights in safetensors beside a JSON file that says how to rebuild it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch
from jaxtyping import Float
from pydantic import FiniteFloat
from torch import Tensor

from anchorwise import _files
from anchorwise._config import Count, Section
from anchorwise.modalities.encoder import SPEC_FILE, DescribedEncoder, read_spec
from anchorwise.modalities.images.normalise import Normalisation
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Samples, View
from anchorwise.modalities.video.config import ClipConfig, VideoEncoderConfig, VideoViewsConfig
from anchorwise.modalities.video.encoders import build_encoder
from anchorwise.modalities.video.samples import VideoSamples
from anchorwise.modalities.video.views import VideoViews, normalised
from anchorwise.modalities.views import ViewMaker, ViewPlan


class VideoEncoderSpec(Section):
    """What an encoder is and what it expects.

    Attributes:
        modality: What it takes.
        encoder: The architecture.
        clips: What it sees of a video.
        frame_shape: Channels, height and width of a frame.
        mean: Subtracted from pixels on the scale of [0, 1], per channel.
        std: Divides them afterwards, per channel.
    """

    modality: Literal["video"] = "video"
    encoder: VideoEncoderConfig
    clips: ClipConfig
    frame_shape: tuple[Count, Count, Count]
    mean: tuple[FiniteFloat, ...]
    std: tuple[FiniteFloat, ...]


@dataclass(frozen=True)
class FrozenVideo(DescribedEncoder):
    """A trained encoder of video with what it expects."""

    spec: VideoEncoderSpec

    @torch.no_grad()
    def plain(self, raw: View) -> Float[Tensor, "b k t c h w"]:
        """Return clips as the encoder takes them.

        Raises:
            ValueError: If frames are not of its size.
        """
        return normalised(self._normalisation(), cast(Tensor, raw))

    def pixel_range(self) -> PixelRange:
        """Return where normalised pixels lie."""
        normalisation = self._normalisation()
        return PixelRange(normalisation.mean, normalisation.std)

    def adapted(self, samples: Samples) -> Samples:
        """Return videos in the clips that the encoder takes.

        Raises:
            ValueError: If they are none, of other frames, or shorter than a clip.
        """
        spec = self.spec
        if not isinstance(samples, VideoSamples) or samples.frame_shape != spec.frame_shape:
            size = " x ".join(map(str, spec.frame_shape))
            raise ValueError(f"an encoder of video takes videos of frames of {size}, got {samples.what}")
        shortest = int(samples.lengths.min())
        if shortest < spec.clips.num_frames:
            raise ValueError(
                f"this encoder takes clips of {spec.clips.num_frames} frames, got videos of {shortest}; read them with "
                f"data.clips.num_frames={spec.clips.num_frames}, which leaves shorter ones out"
            )
        return replace(samples, clips=spec.clips)

    def view_maker(self, plan: ViewPlan) -> ViewMaker:
        """Return views as they are drawn where nothing else is said, at the rate of the videos."""
        spec = self.spec
        facts = {"num_frames": spec.clips.num_frames, "frame_shape": spec.frame_shape}
        return VideoViews(VideoViewsConfig(rates=(1,)), plan, **facts, mean=spec.mean, std=spec.std)

    def _normalisation(self) -> Normalisation:
        num_channels, height, width = self.spec.frame_shape
        return Normalisation(num_channels, (height, width), mean=self.spec.mean, std=self.spec.std)


def load_video_encoder(folder: Path) -> FrozenVideo:
    """Read what `FrozenVideo.save` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If one is damaged.
    """
    spec = read_spec(VideoEncoderSpec, folder)
    with _files.reading(folder / SPEC_FILE):
        encoder = build_encoder(spec.encoder)
    frozen = FrozenVideo(encoder.eval(), spec)
    frozen.restore(folder)
    return frozen
