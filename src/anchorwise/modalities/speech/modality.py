"""Speech as a modality."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, final

import torch

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.speech.config import SpeechData, SpeechEncoderConfig, SpeechViewsConfig
from anchorwise.modalities.speech.encoders import build_encoder
from anchorwise.modalities.speech.frontend import Frontend, fitted
from anchorwise.modalities.speech.samples import SpeechSamples
from anchorwise.modalities.speech.sources import load_speech
from anchorwise.modalities.speech.storage import FrozenSpeech, frozen_speech, load_speech_encoder
from anchorwise.modalities.speech.views import SpeechViews
from anchorwise.modalities.views import ViewMaker, ViewPlan


@final
class Speech(Modality):
    """Recordings of words, or of any sound, with or without labels and speakers."""

    data = SpeechData
    views = SpeechViewsConfig
    encoder = SpeechEncoderConfig

    def load(self, data: SpeechData, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read recordings (`anchorwise.modalities.speech.sources`)."""
        return cast(Splits[Samples], load_speech(data, on_progress))

    def other_data(
        self, source: str, *, like: SpeechData, frozen: FrozenEncoder | None = None, **where: Any
    ) -> SpeechData:
        """Return where to find all recordings of another source, named like these, with the encoder's own features.

        Raises:
            ValueError: If it is none, or is to be fetched.
        """
        if any(value not in (None, False) for value in where.values()):
            raise ValueError("--root and --download are for data sets of images by name; speech is read from --data")
        features = frozen.frontend.features if isinstance(frozen, FrozenSpeech) else like.features
        all_of_it = {"source": source, "features": features, "table": None, "num_train": None, "num_test": None}
        return section_of_json(SpeechData, like.model_copy(update=all_of_it).model_dump_json())

    def resolved_views(self, views: SpeechViewsConfig | None, data: SpeechData, samples: Samples) -> SpeechViewsConfig:
        """Return the views' section."""
        return views or SpeechViewsConfig()

    def resolved_encoder(self, encoder: SpeechEncoderConfig, samples: Samples | None = None) -> SpeechEncoderConfig:
        """Return the section with the features of the samples.

        Raises:
            ValueError: If it was made for others.
        """
        if not isinstance(samples, SpeechSamples):
            return encoder
        if encoder.features not in (None, samples.features):
            raise ValueError(
                f"encoder.features must be those of the samples, {samples.features!r}, got {encoder.features!r}; leave "
                "it out, and set data.features"
            )
        return encoder.model_copy(update={"features": samples.features})

    def view_maker(self, views: SpeechViewsConfig, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what makes views of recordings, normalised by these."""
        if not isinstance(samples, SpeechSamples):
            raise ValueError(f"modality 'speech' takes recordings, got {samples.what}")
        return SpeechViews(views, plan, fitted(samples))

    def examples(self, samples: Samples) -> tuple[View, ...]:
        """Return the features of two recordings, as they are before each band is normalised."""
        raw = super().examples(samples)
        if not isinstance(samples, SpeechSamples):  # Own ones, which own views make something else of.
            return raw
        mean = torch.zeros(samples.features.num_mels)
        frontend = Frontend(samples.features, mean, torch.ones_like(mean))
        return tuple(frontend.plain(view) for view in raw)

    def new_encoder(self, encoder: SpeechEncoderConfig, examples: Sequence[View]) -> Encoder:
        """Return an encoder as a training begins with it, laid out for speed."""
        built = build_encoder(encoder)
        built.hold_still(encoder.freeze or ())
        return built.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def freeze(
        self, encoder: Encoder, section: SpeechEncoderConfig, views: ViewMaker, examples: Sequence[View]
    ) -> FrozenSpeech:
        """Return an encoder with what makes its features."""
        return frozen_speech(encoder, section, cast(SpeechViews, views).frontend)

    def rebuild(self, folder: Path) -> FrozenSpeech:
        """Read a stored encoder, in evaluation mode."""
        return load_speech_encoder(folder)
