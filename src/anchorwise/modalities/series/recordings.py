"""Recordings as sources have them: what was measured, whose it is, and what else is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from jaxtyping import Float
from scipy.signal import resample_poly

# t = time steps, c = channels

Fact = str | float


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording.

    Attributes:
        name: Of its file, or whatever tells it from others.
        signals: What was measured; nan where nothing was.
        channels: What each channel is called.
        participant: Whose it is.
        rate_hz: Steps a second; None where nothing says.
        facts: What else is known of it or its participant, by name.
        part: "train" or "test" where the source says; "" otherwise.
    """

    name: str
    signals: Float[np.ndarray, "t c"]
    channels: tuple[str, ...]
    participant: str
    rate_hz: float | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    part: str = ""

    def chosen(self, channels: Sequence[str]) -> "Recording":
        """Return the recording with some of its channels, in this order.

        Raises:
            ValueError: If one is not there.
        """
        for channel in channels:
            if channel not in self.channels:
                raise ValueError(
                    f"data.channels must name channels of {self.name} ({', '.join(self.channels)}), got {channel!r}"
                )
        columns = [self.channels.index(channel) for channel in channels]
        return replace(self, signals=self.signals[:, columns], channels=tuple(channels))

    def filled(self, max_steps: int) -> "Recording":
        """Return the recording with gaps of at most so many steps filled by straight lines; longer ones stay."""
        if max_steps == 0 or np.isfinite(self.signals).all():
            return self
        return replace(self, signals=np.stack([_filled(each, max_steps) for each in self.signals.T], axis=1))

    def at_rate(self, rate_hz: float) -> "Recording":
        """Return the recording at another rate, low-passed below half of the lower one.

        Raises:
            ValueError: If nothing says its own rate, or steps are missing.
        """
        if self.rate_hz is None:
            raise ValueError(
                f"data.sampling_rate_hz needs the rate of every recording, got none of {self.name}; say it in a column "
                "sampling_rate_hz of recordings.csv, or in an array of that name in an .npz file"
            )
        if self.rate_hz == rate_hz:
            return self
        if not np.isfinite(self.signals).all():
            raise ValueError(
                f"{self.name} lacks steps and cannot be brought from {self.rate_hz:g} to {rate_hz:g} Hz; raise "
                "data.max_gap_steps, or bring it to that rate beforehand"
            )
        ratio = Fraction(rate_hz / self.rate_hz).limit_denominator(1000)
        signals = resample_poly(self.signals, ratio.numerator, ratio.denominator, axis=0, padtype="line")
        return replace(self, signals=signals.astype(np.float32), rate_hz=rate_hz)


def _filled(steps: np.ndarray, max_steps: int) -> np.ndarray:
    is_there = np.isfinite(steps)
    if is_there.all() or not is_there.any():
        return steps
    places = np.arange(len(steps))
    line = np.interp(places, places[is_there], steps[is_there]).astype(steps.dtype)
    # Steps since the last one that is there, and to the next: together the length of the gap.
    last = np.maximum.accumulate(np.where(is_there, places, -1))
    coming = np.minimum.accumulate(np.where(is_there, places, len(steps))[::-1])[::-1]
    return np.where(is_there | (coming - last - 1 <= max_steps), line, steps)
