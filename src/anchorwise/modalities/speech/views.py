"""Random views of recordings: moved in time, louder or softer, with noise, and with stretches hidden.

Source of the hidden stretches: Park et al. 2019, "SpecAugment", Section 2, https://arxiv.org/abs/1904.08779, without
its time warping; features are normalised, so what is hidden has the mean of its band.
"""

import math
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from anchorwise.modalities.draws import Draws, noise
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.sequences import steps_there
from anchorwise.modalities.speech.config import SpeechViewsConfig
from anchorwise.modalities.speech.frontend import Frontend, as_view, waves_of
from anchorwise.modalities.views import ViewMaker, ViewPlan

# b = recordings of a batch, s = samples, m = bands, t = frames, p = steps along an axis

_SHIFT, _GAIN, _NOISE, _FIRST_BAND = range(4)  # Purposes of draws; of every hidden stretch its length and its place.
_FIRST_TIME = 64


@final
class SpeechViews(ViewMaker):
    """Views of recordings: tables of features (`anchorwise.modalities.sequences.SIGNALS`) and numbers of frames.

    What is drawn for a recording depends on seed, recording and view alone, and not on what it is padded with.

    Args:
        config: How views differ.
        plan: How many the method takes.
        frontend: Makes features.

    Raises:
        ValueError: If recordings have no such views.
    """

    def __init__(self, config: SpeechViewsConfig, plan: ViewPlan, frontend: Frontend) -> None:
        super().__init__()
        plan.check_whole("recordings")
        self.config, self.num_views, self.frontend = config, plan.num_views, frontend
        bands = range(_FIRST_BAND, _FIRST_BAND + 2 * config.band_masks)
        times = range(_FIRST_TIME, _FIRST_TIME + 2 * config.time_masks)
        self.numbers = {purpose: place for place, purpose in enumerate((_SHIFT, _GAIN, _NOISE, *bands, *times))}
        self.drawn = Draws(range(plan.num_views), list(self.numbers))

    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views."""
        raw: View = batch.raw  # pyright: ignore[reportAssignmentType]  # No tuple: collect makes none.
        waves, lengths = waves_of(raw)
        drawn = self.drawn(batch.drawn_by, seed)
        views = list[View]()
        for number in range(self.num_views):
            own = drawn[:, number]
            changed = self._sounding(waves, lengths, own, batch.drawn_by * self.num_views + number, seed)
            features, num_frames = self.frontend(changed, lengths)
            views.append(as_view(features * ~self._hidden(features, num_frames, own), num_frames))
        return tuple(views)

    def plain(self, raw: View) -> View:
        """Return recordings as the encoder takes them."""
        return self.frontend.plain(raw)

    def _sounding(
        self, waves: Tensor, lengths: Tensor, drawn: Tensor, numbers: Tensor, seed: int | Tensor
    ) -> Float[Tensor, "b s"]:
        """Return recordings moved, with noise, and of another loudness."""
        config = self.config
        if config.time_shift:
            waves = shifted(waves, lengths, self._between(drawn[_SHIFT], -config.time_shift, config.time_shift))
        if config.noise_db:
            white = noise(numbers, seed, (waves.shape[1],)) * steps_there(lengths, waves.shape[1])
            waves = noisy(waves, lengths, white, self._between(drawn[_NOISE], *config.noise_db))
        gain = self._between(drawn[_GAIN], -config.gain_db, config.gain_db)
        return waves * (10.0 ** (gain / 20.0)).unsqueeze(1)

    def _hidden(
        self, features: Float[Tensor, "b m t"], num_frames: Int64[Tensor, " b"], drawn: Tensor
    ) -> Bool[Tensor, "b m t"]:
        """Return what is hidden."""
        config, (_, num_bands, num_steps) = self.config, features.shape
        is_hidden = torch.zeros_like(features, dtype=torch.bool)
        sizes = torch.full_like(num_frames, num_bands)
        most_bands = torch.full_like(num_frames, min(config.band_width, num_bands))
        for place in range(config.band_masks):
            pair = self._pair(drawn, _FIRST_BAND + 2 * place)
            is_hidden |= stretch(sizes, most_bands, pair, num_bands).unsqueeze(2)
        most_frames = (config.time_share * num_frames).long()
        for place in range(config.time_masks):
            pair = self._pair(drawn, _FIRST_TIME + 2 * place)
            is_hidden |= stretch(num_frames, most_frames, pair, num_steps).unsqueeze(1)
        return is_hidden

    def _pair(self, drawn: Tensor, purpose: int) -> tuple[Tensor, Tensor]:
        return drawn[self.numbers[purpose]], drawn[self.numbers[purpose + 1]]

    @staticmethod
    def _between(share: Tensor, low: float, high: float) -> Tensor:
        return low + share * (high - low)


def shifted(
    waves: Float[Tensor, "b s"], lengths: Int64[Tensor, " b"], shares: Float[Tensor, " b"]
) -> Float[Tensor, "b s"]:
    """Return recordings moved later by shares of their lengths, earlier where these are below 0; silence follows."""
    steps = torch.arange(waves.shape[1], device=waves.device)
    places = steps - (shares * lengths).round().long().unsqueeze(1)
    is_there = (places >= 0) & (places < lengths.unsqueeze(1)) & steps_there(lengths, waves.shape[1])
    return waves.gather(1, places.clamp(0, waves.shape[1] - 1)) * is_there


def noisy(
    waves: Float[Tensor, "b s"],
    lengths: Int64[Tensor, " b"],
    white: Float[Tensor, "b s"],
    decibels: Float[Tensor, " b"],
) -> Float[Tensor, "b s"]:
    """Return recordings with noise of a power so many decibels below their own; what is silent stays so.

    Args:
        waves: Padded with 0.
        lengths: How many samples of each are there.
        white: Uniform numbers in [0, 1), and 0 where there is no sample.
        decibels: Power of the recording over that of the noise.
    """
    there = steps_there(lengths, waves.shape[1])
    # Uniform numbers of variance 1 have a range of 2 sqrt(3).
    centred = (white - 0.5) * there * (2.0 * math.sqrt(3.0))
    power = waves.square().sum(dim=1) / lengths
    return waves + centred * (power * 10.0 ** (-decibels / 10.0)).sqrt().unsqueeze(1)


def stretch(
    sizes: Int64[Tensor, " b"], most: Int64[Tensor, " b"], drawn: tuple[Tensor, Tensor], num_steps: int
) -> Bool[Tensor, "b p"]:
    """Return a stretch of every axis: its length evenly drawn up to the most, then its place.

    Args:
        sizes: Steps of each axis that are there.
        most: Steps of a stretch at most.
        drawn: Two numbers in [0, 1) for each: length, and place.
        num_steps: Of the longest axis.
    """
    length = (drawn[0] * (most + 1)).long()
    first = (drawn[1] * (sizes - length + 1)).long()
    steps = torch.arange(num_steps, device=sizes.device)
    return (steps >= first.unsqueeze(1)) & (steps < (first + length).unsqueeze(1))
