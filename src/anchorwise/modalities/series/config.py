"""Which signals a run uses, and what encodes them."""

from typing import Literal

from pydantic import Field, model_validator

from anchorwise._config import NO_IDENTITY, Count, Positive, Section, Seed

PULSES, VOWELS = "pulses", "japanese-vowels"


class SeriesData(Section):
    """The data section of a run on signals.

    Attributes:
        source: `pulses` (generated, `anchorwise.modalities.series.pulses`); `japanese-vowels`, where the package `aeon`
            is installed, which brings it; a `.ts` file of the UCR and UEA archives; or a folder of recordings
            (`anchorwise.modalities.series.folders`).
        channels: Names of the channels to take, in this order; all if left out.
        participant: Name of the table's column that says whose a recording is.
        label: Name of the column with its class; "label", where there is one, if left out.
        values: Name of a column of numbers, for objectives of regression such as `sup_re_mix`, which see it in the
            place of the class. None gives no number.
        sampling_rate_hz: Rate that all recordings are brought to. Left out, they stay as they are, and must share one.
        segment_steps: Steps of the segments that recordings are cut into; what is left over at an end is not used.
            None takes recordings whole, of whatever length.
        hop_steps: Steps from the start of a segment to that of the next; `segment_steps` if left out, so that they do
            not overlap.
        max_gap_steps: Missing steps in a row that are filled in by a straight line. Segments with more are left out,
            counted and named.
        num_participants: Participants to take, drawn at random; None takes all, and 400 of `pulses`.
        seed: Decides which, the test part of a source that brings none (a quarter of the participants), and the pulses.
    """

    source: str = Field(default=PULSES, json_schema_extra=NO_IDENTITY)
    channels: tuple[str, ...] | None = Field(default=None, min_length=1)
    participant: str = "participant"
    label: str | None = None
    values: str | None = None
    sampling_rate_hz: Positive | None = None
    segment_steps: int | None = Field(default=None, ge=2, le=10**7)
    hop_steps: Count | None = None
    max_gap_steps: int = Field(default=0, ge=0, le=10**7)
    num_participants: int | None = Field(default=None, ge=2, le=10**7)
    seed: Seed = 0

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> "SeriesData":
        if not self.source.strip():
            raise ValueError("data.source must be a name or a path, got nothing; '.' is the current folder")
        if self.hop_steps is not None and self.segment_steps is None:
            raise ValueError("data.hop_steps is between segments, which data.segment_steps makes; set that too")
        return self


class SeriesEncoderConfig(Section):
    """The network whose features are judged; it takes any number of channels and signals of any length.

    Attributes:
        name: "small", three residual blocks, or "efficientnet", sixteen of inverted bottlenecks
            (`anchorwise.modalities.series.efficientnet`).
        norm: Normalisation: "batch", or "layer" over the channels of each step, which makes a signal's features
            independent of its batch.
        width: Channels after the first convolution of "small", which has four times as many features, 32 if left out.
            "efficientnet" has its own.
    """

    name: Literal["small", "efficientnet"] = "small"
    norm: Literal["batch", "layer"] = "batch"
    width: int | None = Field(default=None, ge=1, le=8192)

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> "SeriesEncoderConfig":
        if self.width is not None and self.name != "small":
            raise ValueError(f"encoder.width must be left out for {self.name!r}; only 'small' has it")
        return self
