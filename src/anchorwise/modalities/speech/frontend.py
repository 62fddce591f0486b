"""From recordings to what an encoder takes: log-mel features, each band normalised, with how many frames are there."""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.modalities.samples import View
from anchorwise.modalities.sequences import LENGTHS, SIGNALS, signals_of, steps_there
from anchorwise.modalities.speech.config import LogMelConfig
from anchorwise.modalities.speech.log_mel import LogMel
from anchorwise.modalities.speech.samples import SpeechSamples

# b = recordings, s = samples, m = bands, t = frames

_MAX_MEASURED = 4096  # Recordings that mean and deviation are taken of.
_BLOCK = 256


@final
class Frontend(nn.Module):
    """Log-mel features minus the mean of their band, over its deviation; 0 where there is no frame.

    Args:
        features: Bands and windows, with the rate.
        mean: Of every band.
        std: Its standard deviation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: LogMelConfig, mean: Float[Tensor, " m"], std: Float[Tensor, " m"]) -> None:
        super().__init__()
        self.features, self.log_mel = features, LogMel(features)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(
        self, waves: Float[Tensor, "b s"], lengths: Int64[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b m t"], Int64[Tensor, " b"]]:
        """Return the features of recordings that are padded with 0, and their numbers of frames."""
        found = (self.log_mel(waves) - self.mean[:, None]) / self.std[:, None]
        return found, self.log_mel.num_frames(lengths)

    def plain(self, raw: View) -> dict[str, Tensor]:
        """Return recordings as an encoder takes them."""
        return as_view(*self(*waves_of(raw)))


def waves_of(raw: View) -> tuple[Float[Tensor, "b s"], Int64[Tensor, " b"]]:
    """Return recordings with their lengths, also where all are of one."""
    signals, lengths = signals_of(raw)
    waves = signals[:, 0]
    return waves, torch.full_like(waves[:, 0], waves.shape[1], dtype=torch.int64) if lengths is None else lengths


def as_view(features: Float[Tensor, "b m t"], num_frames: Int64[Tensor, " b"]) -> dict[str, Tensor]:
    """Return a view: a sequence of frames, with 0 behind its end."""
    there = steps_there(num_frames, features.shape[2]).unsqueeze(1)
    return {SIGNALS: features * there, LENGTHS: num_frames}


@torch.no_grad()
def fitted(samples: SpeechSamples) -> Frontend:
    """Return what makes features of such recordings, normalised by those of at most 4,096 of them."""
    log_mel = LogMel(samples.features)
    parts = list[Tensor]()
    for ids in torch.arange(0, len(samples), -(-len(samples) // _MAX_MEASURED)).split(_BLOCK):
        waves, lengths = waves_of(samples.take(ids))
        found = log_mel(waves)
        parts.append(found.transpose(1, 2)[steps_there(log_mel.num_frames(lengths), found.shape[2])])
    frames = torch.cat(parts).double()
    std = frames.std(dim=0, correction=0).clamp_min(1e-3)
    return Frontend(samples.features, frames.mean(dim=0).float(), std.float())
