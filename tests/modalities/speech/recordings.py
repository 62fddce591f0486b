"""Small folders of recordings that are named as spoken digits are."""

from pathlib import Path

import numpy as np
from scipy.io import wavfile

RATE = 4000
SPEAKERS = ("ann", "bob")


def sound(label: int, take: int = 0, *, seconds: float = 0.2, rate: int = RATE) -> np.ndarray:
    """A tone of the label's pitch with a little noise, in [-1, 1]."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(100 * label + take).normal(size=len(times))
    return (0.5 * np.sin(2 * np.pi * (300 + 250 * label) * times) + 0.02 * noise).astype(np.float32)


def as_int16(samples: np.ndarray) -> np.ndarray:
    return (samples * 32767).astype(np.int16)


def digits(folder: Path, *, num_labels: int = 4, num_takes: int = 9) -> Path:
    """Recordings of unequal lengths, takes 0 to 4 of which are the test."""
    folder.mkdir(parents=True, exist_ok=True)
    for label in range(num_labels):
        for number, speaker in enumerate(SPEAKERS):
            for take in range(num_takes):
                samples = sound(label, take + 50 * number, seconds=0.15 + 0.01 * take)
                wavfile.write(folder / f"{label}_{speaker}_{take}.wav", RATE, as_int16(samples))
    return folder
