"""Log-mel features: the logarithm of a recording's power in bands that are evenly spaced on the mel scale, over time.

The mel scale is HTK's, `2595 log10(1 + f / 700)`, and bands are triangles of height 1 that reach from one neighbour's
centre to the other's. Frame t has the samples around t times the hop, and silence beyond the ends, so a recording has
the same features whatever it is padded with.

Source: Davis and Mermelstein 1980, Section II, https://doi.org/10.1109/TASSP.1980.1163420; the scale as in the HTK
Book 3.4, Eq. 5.13.
"""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.modalities.speech.config import LogMelConfig

# b = recordings, s = samples, m = bands, t = frames, f = frequencies of a spectrum

FLOOR = 1e-6  # Added to a band's power: full scale is 1.


@final
class LogMel(nn.Module):
    """Features of recordings.

    Args:
        config: Bands and windows, with its sample rate.

    Raises:
        ValueError: If the rate is not known, a hop is shorter than a sample, or a band has no frequency.
    """

    window: Tensor
    bands: Tensor

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        if config.sample_rate is None:
            raise ValueError("features.sample_rate must be given, got None: nothing says how long a sample lasts")
        self.hop, length = (round(config.sample_rate * ms / 1000.0) for ms in (config.hop_ms, config.window_ms))
        if min(self.hop, length) < 1:
            raise ValueError(
                f"features.hop_ms and window_ms must be a sample or longer, got {config.hop_ms} and {config.window_ms} "
                f"at {config.sample_rate} samples a second"
            )
        self.num_points = 1 << (length - 1).bit_length()  # The next power of 2.
        self.register_buffer("window", torch.hann_window(length), persistent=False)
        bands = mel_bands(config.num_mels, self.num_points, config.sample_rate)
        if not bands.any(dim=1).all():
            raise ValueError(
                f"features.num_mels must be lower, got {config.num_mels}: a band of {config.sample_rate} samples a "
                f"second lies between two of the {self.num_points // 2 + 1} frequencies of a window of "
                f"{config.window_ms} ms; or take a longer window"
            )
        self.register_buffer("bands", bands, persistent=False)

    def num_frames(self, lengths: Int64[Tensor, " b"]) -> Int64[Tensor, " b"]:
        """Return the frames of recordings of so many samples."""
        return 1 + lengths // self.hop

    def forward(self, waves: Float[Tensor, "b s"]) -> Float[Tensor, "b m t"]:
        """Return the features of recordings that are padded with 0 to one length; a frame for every hop, and one."""
        spectrum = torch.stft(
            waves,
            self.num_points,
            self.hop,
            win_length=len(self.window),
            window=self.window,
            pad_mode="constant",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return (self.bands @ power + FLOOR).log()


def mel_bands(num_mels: int, num_points: int, sample_rate: int) -> Float[Tensor, "m f"]:
    """Return what every frequency of a spectrum counts for in every band.

    Args:
        num_mels: Bands.
        num_points: Samples of a Fourier transform.
        sample_rate: Samples in a second; the highest band ends at half of it.
    """
    highest = 2595.0 * torch.tensor(1.0 + sample_rate / 2.0 / 700.0, dtype=torch.float64).log10()
    mels = torch.linspace(0.0, 1.0, num_mels + 2, dtype=torch.float64) * highest
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    frequencies = torch.linspace(0.0, sample_rate / 2.0, num_points // 2 + 1, dtype=torch.float64)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    return torch.minimum(rising, falling).clamp_min(0.0).float()
