"""Which videos a run uses, what a clip is, how random clips differ, and what encodes them."""

from typing import Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from anchorwise._config import NO_IDENTITY, Count, ImageSize, Section, Seed, Width
from anchorwise.modalities.images.config import DEFAULT_MAX_DECODED_GIB
from anchorwise.modalities.images.views.strengths import Fraction, FractionRange, PositiveRange, Strengths

MOVING, CLUTTERED = "moving-digits", "moving-digits-cluttered"


class ClipConfig(Section):
    """What an encoder sees of a video at once.

    Attributes:
        num_frames: Of a clip.
        num_clips: Clips of a video that is judged, evenly spread over it; its features are their mean.
    """

    num_frames: int = Field(default=8, ge=2, le=1024)
    num_clips: int = Field(default=4, ge=1, le=256)


class VideoData(Section):
    """The data section of a run on video.

    Attributes:
        source: `moving-digits` or `moving-digits-cluttered` (generated, with known truth), or the path of a folder of
            frame folders, or of an archive of one (layouts: `anchorwise.modalities.video.folders`).
        target: Videos of another domain, named as those of `source`, with the same classes. They are trained on beside
            those of the source, without labels, by methods that adapt to them; test videos are then the target's. None
            for one domain.
        clips: What an encoder sees of a video.
        image_size_px: Height and width to resize frames to (shorter side, then centre crop); None keeps their own,
            which all must share.
        held_out: Share of every class that is not trained on, in [0, 1): probes are fitted on these videos alone, and
            they are looked at while an encoder trains. With 0 probes are fitted on the videos that are trained on.
        shuffled: Whether the frames of every video stand in random order: a control, whose motion is destroyed.
        num_train: Class-balanced subset of the training videos, of either domain; None keeps all of a folder, and makes
            800 generated ones.
        num_test: Likewise of the test videos; 400 generated ones.
        seed: Decides generated videos, subsets, what is held out, and the test part of a folder that brings none.
        max_decoded_gib: Memory that the decoded frames of a source may take, in GiB, above 0.
    """

    source: str = Field(default=MOVING, json_schema_extra=NO_IDENTITY)
    target: str | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    clips: ClipConfig = ClipConfig()
    image_size_px: ImageSize | None = None
    held_out: float = Field(default=0.0, ge=0, lt=1)
    shuffled: bool = False
    num_train: Count | None = None
    num_test: Count | None = None
    seed: Seed = 0
    max_decoded_gib: FiniteFloat = Field(default=DEFAULT_MAX_DECODED_GIB, gt=0, json_schema_extra=NO_IDENTITY)

    @model_validator(mode="after")
    def _refuse_no_source(self) -> "VideoData":
        for name, value in (("source", self.source), ("target", self.target)):
            if value is not None and not value.strip():
                raise ValueError(f"data.{name} must be {MOVING!r} or a path, got nothing; '.' is the current folder")
        return self


class VideoViewsConfig(Strengths):
    """How random clips of a video differ: in where they start, in their rate, and in one draw for all their frames.

    As they come, clips are not mirrored or turned: that would make one motion of another.

    Attributes:
        rates: A clip has every so-manieth frame, one of these at random.
    """

    rates: tuple[Count, ...] = Field(default=(1, 2), min_length=1, max_length=64)
    crop_scale: FractionRange = (0.6, 1.0)
    crop_ratio: PositiveRange = (0.8, 1.25)
    jitter_probability: Fraction = 0.8
    brightness: Fraction = 0.4
    contrast: Fraction = 0.4

    @field_validator("rates")
    @classmethod
    def _refuse_twice(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"must name each rate once, got {value}")
        return value


class VideoEncoderConfig(Section):
    """The network whose features are judged.

    Attributes:
        name: "small", three convolutions over time, height and width (`anchorwise.modalities.video.encoders`).
        width: Channels after the first convolution; features are four times as many.
        freeze: Parts that stay as they are, by name; `*`, `?` and `[...]` stand for characters.
        num_channels: Channels of a frame; filled in before the run starts.
    """

    name: Literal["small"] = "small"
    width: Width = 16
    freeze: tuple[str, ...] | None = None
    num_channels: Count | None = None
