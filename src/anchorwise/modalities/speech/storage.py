"""A trained encoder of speech on disk: weights in safetensors beside a JSON file that says how to rebuild it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import FiniteFloat

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.modalities.encoder import SPEC_FILE, DescribedEncoder, Encoder, read_spec
from anchorwise.modalities.samples import Samples, View
from anchorwise.modalities.sequences import signals_of
from anchorwise.modalities.speech.config import LogMelConfig, SpeechEncoderConfig, SpeechViewsConfig
from anchorwise.modalities.speech.encoders import build_encoder
from anchorwise.modalities.speech.frontend import Frontend
from anchorwise.modalities.speech.samples import SpeechSamples
from anchorwise.modalities.speech.views import SpeechViews
from anchorwise.modalities.views import ViewMaker, ViewPlan


class SpeechEncoderSpec(Section):
    """What an encoder is and what it expects.

    Attributes:
        modality: What it takes.
        encoder: The architecture, with the features that it sees.
        mean: Of every band, subtracted.
        std: Divides it afterwards.
    """

    modality: Literal["speech"] = "speech"
    encoder: SpeechEncoderConfig
    mean: tuple[FiniteFloat, ...]
    std: tuple[FiniteFloat, ...]


@dataclass(frozen=True)
class FrozenSpeech(DescribedEncoder):
    """A trained encoder of speech with its features."""

    spec: SpeechEncoderSpec
    frontend: Frontend

    @torch.no_grad()
    def plain(self, raw: View) -> View:
        """Return recordings as the encoder takes them."""
        return self.frontend.to(signals_of(raw)[0].device).plain(raw)

    def adapted(self, samples: Samples) -> Samples:
        """Return recordings as they are.

        Raises:
            ValueError: If they are none, or of another rate.
        """
        if not isinstance(samples, SpeechSamples):
            raise ValueError(f"an encoder of speech takes recordings, got {samples.what}")
        own = self.frontend.features
        if samples.features != own:
            raise ValueError(
                f"this encoder takes recordings at {own.sample_rate} Hz with its own features ({own!r}), got "
                f"{samples.features!r}; give their folder with --data, or set data.features to those"
            )
        return samples

    def view_maker(self, plan: ViewPlan) -> ViewMaker:
        """Return views as they are drawn where nothing else is said."""
        return SpeechViews(SpeechViewsConfig(), plan, self.frontend)


def frozen_speech(encoder: Encoder, section: SpeechEncoderConfig, frontend: Frontend) -> FrozenSpeech:
    """Return an encoder with what makes its features."""
    mean, std = (tuple(part.tolist()) for part in (frontend.mean, frontend.std))
    return FrozenSpeech(encoder, SpeechEncoderSpec(encoder=section, mean=mean, std=std), frontend)


def load_speech_encoder(folder: Path) -> FrozenSpeech:
    """Read what `FrozenSpeech.save` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If one is damaged.
    """
    spec = read_spec(SpeechEncoderSpec, folder)
    with _files.reading(folder / SPEC_FILE):
        encoder = build_encoder(spec.encoder)
        features = spec.encoder.features or LogMelConfig()
        frontend = Frontend(features, torch.tensor(spec.mean), torch.tensor(spec.std))
    frozen = FrozenSpeech(encoder.eval(), spec, frontend)
    frozen.restore(folder)
    return frozen
