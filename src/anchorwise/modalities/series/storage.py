"""A trained encoder of signals on disk: weights in safetensors beside a JSON file that says what it expects."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, FiniteFloat
from torch import Tensor

from anchorwise._config import Section
from anchorwise.modalities.encoder import (
    DescribedEncoder,
    read_spec,
)
from anchorwise.modalities.samples import Samples, View
from anchorwise.modalities.series.config import SeriesEncoderConfig
from anchorwise.modalities.series.encoders import build_encoder
from anchorwise.modalities.series.policies import PPGViews
from anchorwise.modalities.series.samples import SeriesSamples
from anchorwise.modalities.series.standardise import Standardisation
from anchorwise.modalities.series.views import SegmentViews
from anchorwise.modalities.views import ViewMaker, ViewPlan


class SeriesEncoderSpec(Section):
    """What an encoder is and what it expects.

    Attributes:
        modality: What it takes.
        encoder: The architecture.
        channels: Names of its channels.
        rate_hz: Steps a second of the signals that it was trained on; None where nothing said.
        standardise: How signals are brought to one scale, as `SeriesViews.standardise`.
        mean: Of every channel of the training signals.
        std: Its standard deviation.
    """

    modality: Literal["series"] = "series"
    encoder: SeriesEncoderConfig
    channels: tuple[str, ...] = Field(min_length=1)
    rate_hz: FiniteFloat | None = None
    standardise: Literal["segment", "set", "none"]
    mean: tuple[FiniteFloat, ...]
    std: tuple[FiniteFloat, ...]


@dataclass(frozen=True)
class FrozenSeries(DescribedEncoder):
    """A trained encoder of signals with what it expects."""

    spec: SeriesEncoderSpec

    @torch.no_grad()
    def plain(self, raw: View) -> View:
        """Return signals standardised, as they were in training."""
        tensor = raw if isinstance(raw, Tensor) else next(iter(raw.values()))
        return self._standardisation().to(tensor.device)(raw)

    def adapted(self, samples: Samples) -> Samples:
        """Return signals with the channels of the training, in their order.

        Raises:
            ValueError: If they are no signals, lack a channel, or have another rate.
        """
        if not isinstance(samples, SeriesSamples):
            raise ValueError(f"an encoder of signals takes signals, got {samples.what}")
        own, theirs = self.spec.channels, samples.channels
        missing = [name for name in own if name not in theirs]
        if missing and len(own) != len(theirs):
            raise ValueError(
                f"signals must have the channels {', '.join(own)} that the encoder was trained on, got "
                f"{', '.join(theirs)}, without {', '.join(missing)}"
            )
        if None not in (self.spec.rate_hz, samples.rate_hz) and self.spec.rate_hz != samples.rate_hz:
            raise ValueError(
                f"signals must have the {self.spec.rate_hz:g} Hz that the encoder was trained on, got "
                f"{samples.rate_hz:g} Hz; set data.sampling_rate_hz={self.spec.rate_hz:g} where they are read"
            )
        if missing or own == theirs:  # As many channels under other names are taken as they come.
            return samples
        order = torch.tensor([theirs.index(name) for name in own])
        sequences = replace(samples.sequences, flat=samples.sequences.flat[:, order])
        return replace(samples, sequences=sequences, channels=own)

    def view_maker(self, plan: ViewPlan) -> ViewMaker:
        """Return the wearables' views of a segment."""
        policy = PPGViews(standardise=self.spec.standardise)
        return SegmentViews(policy, plan, self.spec.channels, self.spec.rate_hz, self._standardisation())

    def _standardisation(self) -> Standardisation:
        return Standardisation(self.spec.standardise, self.spec.mean, self.spec.std)


def load_series_encoder(folder: Path) -> FrozenSeries:
    """Read what `FrozenSeries.save` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If one is damaged.
    """
    spec = read_spec(SeriesEncoderSpec, folder)
    encoder = build_encoder(spec.encoder, num_channels=len(spec.channels))
    frozen = FrozenSeries(encoder.eval(), spec)
    frozen.restore(folder)
    return frozen
