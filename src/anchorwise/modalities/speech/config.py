"""Which recordings a run uses, what they are turned into, how their views differ, and what encodes them."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from anchorwise._config import NO_IDENTITY, Count, Section, Seed, Width

# The free spoken digit dataset's: digit_speaker_take.wav.
_DIGITS = r"(?:^|/)(?P<label>[^_/]+)_(?P<speaker>[^_/]+)_[^_/]+\.wav$"
_FIRST_TAKES = r"_[0-4]\.wav$"


class LogMelConfig(Section):
    """How a recording becomes a picture of bands over time (`anchorwise.modalities.speech.log_mel`).

    Attributes:
        sample_rate: Samples in a second. Recordings of another rate are resampled. That of most of the training
            recordings if left out.
        num_mels: Bands, evenly spaced on the mel scale up to half the rate.
        window_ms: Length of the window that a spectrum is taken of, in ms.
        hop_ms: From one window to the next, in ms.
    """

    sample_rate: int | None = Field(default=None, ge=100, le=1_000_000)
    num_mels: int = Field(default=40, ge=8, le=512)
    window_ms: float = Field(default=25.0, ge=1, le=1000)
    hop_ms: float = Field(default=10.0, ge=1, le=1000)


class SpeechData(Section):
    """The data section of a run on speech.

    Attributes:
        source: Folder of wav files, or a `.tar`, `.tar.gz`, `.tgz` or `.zip` of one.
        pattern: Regular expression that is searched for in the name of every file, relative to the source; what its
            group `label` captures is the class, and what `speaker` captures, if there is such a group, the speaker.
            Files in whose name it is not found are left out. Left out, it is that of the free spoken digit dataset,
            `3_theo_17.wav`; an empty one takes all recordings, without labels.
        table: A table in place of the pattern (CSV, TSV, JSON lines, Parquet): columns `file`, relative to the source,
            `label`, and if wanted `speaker` and `split`, which is "train" or "test".
        test_pattern: Regular expression that the names of test recordings have. Left out, it is the official one of
            spoken digits, takes 0 to 4. Where it is empty or no name has it, and no table says it, a fifth of every
            class is drawn.
        group_by_speaker: Whether the recordings of a speaker are a group: no validation part has some of them, nor a
            test part that is drawn, and with `train.exclude_groups` they are no negatives of each other.
        features: What encoders see of a recording.
        max_seconds: Longer recordings are cut to their beginning; how many is said.
        num_train: Class-balanced subset of the training recordings; None keeps all.
        num_test: Likewise of the test recordings.
        seed: Decides the subsets, and a test part that is drawn.
    """

    source: str = Field(default="recordings", json_schema_extra=NO_IDENTITY)
    pattern: str = _DIGITS
    table: Path | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    test_pattern: str = _FIRST_TAKES
    group_by_speaker: bool = False
    features: LogMelConfig = LogMelConfig()
    max_seconds: float = Field(default=1.0, gt=0, le=3600)
    num_train: Count | None = None
    num_test: Count | None = None
    seed: Seed = 0

    @field_validator("pattern", "test_pattern")
    @classmethod
    def _refuse_no_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"must be a regular expression, got {value!r}: {error}") from error
        return value

    @model_validator(mode="after")
    def _refuse_what_cannot_be_read(self) -> "SpeechData":
        if not self.source.strip():
            raise ValueError("data.source must be a folder or an archive, got nothing; '.' is the current folder")
        if self.pattern and "label" not in re.compile(self.pattern).groupindex:
            raise ValueError(
                f"data.pattern must have a group called label, such as (?P<label>[^_/]+)_, got {self.pattern!r}; an "
                "empty one, data.pattern='', takes recordings without labels"
            )
        if self.max_seconds * 1000.0 < self.features.window_ms:
            raise ValueError(
                f"data.max_seconds must be at least a window of {self.features.window_ms} ms, got {self.max_seconds}"
            )
        return self


class SpeechViewsConfig(Section):
    """How random views of a recording differ; with 0, and of noise an empty list, a step is left out.

    Attributes:
        time_shift: The sound moves earlier or later by up to this share of its length; what leaves is lost, and silence
            follows.
        noise_db: White noise of so many decibels below the sound, lowest and highest.
        gain_db: Louder or softer by up to so many decibels.
        band_masks: Stretches of neighbouring bands that are hidden, as in SpecAugment.
        band_width: Bands of such a stretch at most.
        time_masks: Stretches of time that are hidden.
        time_share: Share of the recording that such a stretch has at most.
    """

    time_shift: float = Field(default=0.1, ge=0, lt=1)
    noise_db: tuple[float, float] | tuple[()] = (10.0, 40.0)
    gain_db: float = Field(default=6.0, ge=0, le=100)
    band_masks: int = Field(default=1, ge=0, le=16)
    band_width: int = Field(default=8, ge=1, le=512)
    time_masks: int = Field(default=1, ge=0, le=16)
    time_share: float = Field(default=0.2, gt=0, le=1)

    @field_validator("noise_db")
    @classmethod
    def _refuse_no_range(cls, value: tuple[float, float] | tuple[()]) -> tuple[float, float] | tuple[()]:
        if value and not -100.0 <= value[0] <= value[1] <= 200.0:
            raise ValueError(f"must be two numbers in -100 .. 200, lowest first, got {value}")
        return value


class SpeechEncoderConfig(Section):
    """The network whose features are judged.

    Attributes:
        name: "small", convolutions over bands and time (`anchorwise.modalities.speech.encoders`).
        width: Channels after the first convolution; features are eight times as many.
        freeze: Parts that stay as they are, by name; `*`, `?` and `[...]` stand for characters.
        features: What it sees of a recording; filled in before the run starts.
    """

    name: Literal["small"] = "small"
    width: Width = 32
    freeze: tuple[str, ...] | None = None
    features: LogMelConfig | None = None
