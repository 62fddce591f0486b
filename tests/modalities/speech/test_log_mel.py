"""Log-mel features beside their definition, and what they do not depend on."""

import cmath
import math

import numpy as np
import pytest
import torch

from anchorwise.modalities.speech.config import LogMelConfig
from anchorwise.modalities.speech.log_mel import FLOOR, LogMel, mel_bands
from tests.modalities.speech.recordings import RATE, sound

CONFIG = LogMelConfig(sample_rate=RATE, num_mels=12)  # Windows of 100 samples in 128, a hop of 40.


def _mel(hertz: float) -> float:
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def _slow(wave: list[float], frame: int) -> list[float]:
    """One frame, by the sums that define it."""
    start = frame * 40 - 64 + (128 - 100) // 2
    window = [0.5 - 0.5 * math.cos(2 * math.pi * k / 100) for k in range(100)]
    cut = [wave[start + k] if 0 <= start + k < len(wave) else 0.0 for k in range(100)]
    pairs = [*zip(window, cut, strict=True)]
    power = [
        abs(sum(w * x * cmath.exp(-2j * math.pi * f * k / 128) for k, (w, x) in enumerate(pairs))) ** 2
        for f in range(65)
    ]
    edges = [_mel(RATE / 2) * place / 13 for place in range(14)]
    centres = [700.0 * (10 ** (edge / 2595.0) - 1.0) for edge in edges]
    found = []
    for low, centre, high in zip(centres, centres[1:], centres[2:], strict=False):
        hertz = [f * RATE / 128 for f in range(65)]
        weights = [max(0.0, min((f - low) / (centre - low), (high - f) / (high - centre))) for f in hertz]
        found.append(math.log(sum(w * p for w, p in zip(weights, power, strict=True)) + FLOOR))
    return found


def test_features_are_those_of_the_definition():
    wave = sound(1)
    found = LogMel(CONFIG)(torch.from_numpy(wave)[None])[0]
    assert found.shape == (12, 1 + len(wave) // 40)
    for frame in (0, 7, found.shape[1] - 1):
        assert found[:, frame].tolist() == pytest.approx(_slow(wave.tolist(), frame), rel=1e-4, abs=1e-4)


def test_a_recording_has_the_same_features_whatever_it_is_padded_with():
    log_mel, wave = LogMel(CONFIG), torch.from_numpy(sound(2, seconds=0.11))
    alone = log_mel(wave[None])[0]
    padded = log_mel(torch.nn.functional.pad(wave, (0, 300))[None])[0]
    num_frames = int(log_mel.num_frames(torch.tensor([len(wave)])))
    assert num_frames == alone.shape[1]
    torch.testing.assert_close(padded[:, :num_frames], alone, rtol=1e-5, atol=1e-5)


def test_a_tone_is_loudest_in_the_band_around_it_and_twice_as_loud_is_four_times_the_power():
    times = torch.arange(2000) / RATE
    tone = torch.sin(2 * math.pi * 1000 * times)
    found = LogMel(CONFIG)(torch.stack([tone, 2 * tone]))[:, :, 20]
    bands = mel_bands(12, 128, RATE)
    assert int(found[0].argmax()) == int(bands[:, 32].argmax())  # 1000 Hz is frequency 32 of 64.
    loudest = found[:, int(found[0].argmax())]
    assert float(loudest[1] - loudest[0]) == pytest.approx(math.log(4.0), rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_mels": 90}, r"features\.num_mels must be lower, got 90: a band of 4000 samples a second lies between"),
        ({"sample_rate": None}, r"features\.sample_rate must be given, got None"),
        ({"sample_rate": 100, "hop_ms": 4.0}, r"features\.hop_ms and window_ms must be a sample or longer, got 4\.0"),
    ],
)
def test_features_that_cannot_be_had_are_refused(settings: dict, words: str):
    with pytest.raises(ValueError, match=words):
        LogMel(CONFIG.model_copy(update=settings))


@pytest.mark.parity
def test_features_are_librosas_and_torchaudios():
    librosa, torchaudio = pytest.importorskip("librosa"), pytest.importorskip("torchaudio")
    wave, rate = sound(3, seconds=0.4, rate=8000), 8000
    found = LogMel(LogMelConfig(sample_rate=rate))(torch.from_numpy(wave)[None])[0]
    settings = {"n_fft": 256, "hop_length": 80, "win_length": 200, "n_mels": 40}
    theirs = librosa.feature.melspectrogram(
        y=wave, sr=rate, htk=True, norm=None, pad_mode="constant", power=2.0, **settings
    )
    np.testing.assert_allclose(found.numpy(), np.log(theirs + FLOOR), rtol=1e-3, atol=1e-3)
    others = torchaudio.transforms.MelSpectrogram(rate, pad_mode="constant", **settings)(torch.from_numpy(wave))
    torch.testing.assert_close(found, (others + FLOOR).log(), rtol=1e-3, atol=1e-3)
