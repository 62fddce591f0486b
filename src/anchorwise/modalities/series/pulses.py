"""Generated pulses of which the truth is known: what a fingertip sensor sees of hearts and arteries, much simplified.

A beat is a wave and its reflection, both Gaussian. How high the reflection is and how late it comes are the
participant's own (a stiff artery sends it back early and high); everything else differs from segment to segment: heart
rate, phase, gain, drift and noise.
"""

import numpy as np
from jaxtyping import Float

from anchorwise.modalities.series.recordings import Recording

# s = segments, t = time steps

NUM_PARTICIPANTS, NUM_SEGMENTS, NUM_STEPS, RATE_HZ = 400, 12, 128, 32.0
HEIGHT, DELAY, HEART_RATE = "reflection_height", "reflection_delay", "heart_rate_bpm"
_HEIGHTS, _DELAYS, _BEATS, _LOG_GAIN, _DRIFT, _NOISE = (0.2, 0.8), (0.3, 0.55), (3.0, 5.0), 0.5, 0.5, 0.1
_WAVE, _WAVE_WIDTH, _REFLECTION_WIDTH = 0.2, 0.08, 0.1  # In shares of a beat.


def generated_pulses(num_participants: int, *, seed: int) -> list[Recording]:
    """Return segments of participants, each as a recording.

    Args:
        num_participants: Whose.
        seed: Decides all.
    """
    rng = np.random.default_rng(seed)
    recordings = []
    for number in range(num_participants):
        height, delay = rng.uniform(*_HEIGHTS), rng.uniform(*_DELAYS)
        beats = rng.uniform(*_BEATS, NUM_SEGMENTS)
        for place, signal in enumerate(_segments(height, delay, beats, rng)):
            rate = 60.0 * beats[place] * RATE_HZ / NUM_STEPS
            facts = {HEIGHT: height, DELAY: delay, HEART_RATE: rate}
            name, whose = f"{number:04d}/{place:02d}", f"{number:04d}"
            recordings.append(Recording(name, signal[:, None], ("pulse",), whose, RATE_HZ, facts))
    return recordings


def _segments(
    height: float, delay: float, beats: Float[np.ndarray, " s"], rng: np.random.Generator
) -> Float[np.ndarray, "s t"]:
    time = np.linspace(0.0, 1.0, NUM_STEPS, endpoint=False)
    phase, gain, drift, turn = (rng.uniform(size=(len(beats), 1)) for _ in range(4))
    within = (beats[:, None] * time + phase) % 1.0
    wave = _bump(within, _WAVE, _WAVE_WIDTH) + height * _bump(within, delay, _REFLECTION_WIDTH)
    slow = _DRIFT * drift * np.sin(np.pi * time + 2 * np.pi * turn)
    noise = _NOISE * rng.standard_normal((len(beats), NUM_STEPS))
    return (np.exp(_LOG_GAIN * (2 * gain - 1)) * (wave + slow + noise)).astype(np.float32)


def _bump(within: np.ndarray, middle: float, width: float) -> np.ndarray:
    """Return a Gaussian around a place in the beat, on the circle that beats are."""
    distance = (within - middle + 0.5) % 1.0 - 0.5
    return np.exp(-0.5 * (distance / width) ** 2)
