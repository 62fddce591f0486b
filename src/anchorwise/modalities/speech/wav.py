"""One wav file: its samples as one channel in [-1, 1], or why it cannot be used."""

import io
import math
import struct
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.sources import Payload, content_of

# s = samples

SUFFIX = ".wav"
OTHER_SUFFIXES = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".sph", ".amr")
# What scipy raises of damaged files: it parses headers without a net.
_DAMAGE = (ValueError, EOFError, struct.error, KeyError, IndexError, OverflowError, MemoryError, ZeroDivisionError)


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording.

    Attributes:
        name: Of its file.
        wave: Its samples; several channels are averaged.
        sample_rate: Samples in a second.
    """

    name: str
    wave: Float[Tensor, " s"]
    sample_rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.wave) / self.sample_rate


def read_wav(name: str, payload: Payload) -> Recording | Skipped:
    """Return a recording; skipped is what is damaged, has no sample, is silent, or has numbers that are not finite.

    Whole numbers are brought from their range to [-1, 1]; floating ones are taken as they are.
    """
    from scipy.io import wavfile  # Half a second, and only those who read wav files wait for it.

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of chunks that it does not know, such as titles.
            rate, found = wavfile.read(io.BytesIO(content_of(payload)))
    except _DAMAGE as error:
        return Skipped(name, f"cannot be read as wav: {error}")
    if rate < 1:
        return Skipped(name, f"says that it has {rate} samples a second")
    samples = _scaled(found)
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if not len(samples):
        return Skipped(name, "has no samples")
    if not np.isfinite(samples).all():
        return Skipped(name, "has samples that are not finite numbers")
    if samples.min() == samples.max():
        return Skipped(name, "is silent from beginning to end")
    return Recording(name, torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)), int(rate))


def _scaled(found: np.ndarray) -> np.ndarray:
    if found.dtype == np.uint8:  # The only kind without a sign.
        return (found.astype(np.float64) - 128.0) / 128.0
    if np.issubdtype(found.dtype, np.integer):
        return found.astype(np.float64) / -float(np.iinfo(found.dtype).min)
    return found.astype(np.float64)


def resampled(recording: Recording, sample_rate: int) -> Recording:
    """Return a recording at another rate, by a polyphase filter that lets nothing through above half of either."""
    if recording.sample_rate == sample_rate:
        return recording
    from scipy.signal import resample_poly

    common = math.gcd(recording.sample_rate, sample_rate)
    changed = resample_poly(recording.wave.numpy(), sample_rate // common, recording.sample_rate // common)
    return Recording(recording.name, torch.from_numpy(np.ascontiguousarray(changed, dtype=np.float32)), sample_rate)
