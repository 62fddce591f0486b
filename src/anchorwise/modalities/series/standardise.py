"""Signals brought to one scale: each segment by its own mean and deviation, or all by those of the training set."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.modalities.samples import View
from anchorwise.modalities.sequences import LENGTHS, SIGNALS, Sequences, signals_of, steps_there

# n = signals, c = channels, t = time steps

_LEAST = 1e-12  # Variance, relative to the mean square, below which a channel is flat: it becomes 0.


@final
class Standardisation(nn.Module):
    """Brings channels to mean 0 and variance 1; a channel that is flat becomes 0.

    Args:
        by: "segment", "set" or "none", as `SeriesViews.standardise`.
        mean: Of every channel of the set, for "set".
        std: Its standard deviation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, by: str, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.by = by
        self.register_buffer("mean", torch.tensor(mean).unsqueeze(1), persistent=False)
        self.register_buffer("std", torch.tensor(std).unsqueeze(1), persistent=False)

    def forward(self, view: View) -> View:
        """Return signals on that scale, and their lengths where there are some."""
        signals, lengths = signals_of(view)
        scaled = self.scaled(signals, lengths)
        return scaled if lengths is None else {SIGNALS: scaled, LENGTHS: lengths}

    def scaled(self, signals: Float[Tensor, "n c t"], lengths: Int64[Tensor, " n"] | None) -> Float[Tensor, "n c t"]:
        """Return signals on that scale; what is behind the end of one stays 0."""
        if self.by == "none":
            return signals
        there = None if lengths is None else steps_there(lengths, signals.shape[2]).unsqueeze(1)
        if self.by == "set":
            scaled = (signals - self.mean) / self.std
            return scaled if there is None else scaled * there
        count = signals.shape[2] if lengths is None else lengths[:, None, None]
        mean = signals.sum(dim=2, keepdim=True) / count
        centred = signals - mean
        if there is not None:
            centred = centred * there
        variance = centred.square().sum(dim=2, keepdim=True) / count
        is_flat = variance <= _LEAST * mean.square()
        return centred * torch.where(is_flat, 0.0, variance.clamp_min(torch.finfo(variance.dtype).tiny).rsqrt())


def channel_statistics(sequences: Sequences) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of every channel over all steps of all sequences, 1 where a channel is flat."""
    sums, squares = torch.zeros(2, sequences.num_channels, dtype=torch.float64)
    count = 0
    for number in range(len(sequences)):
        steps = sequences.of(number).double()
        sums, squares, count = sums + steps.sum(dim=0), squares + steps.square().sum(dim=0), count + len(steps)
    mean = sums / count
    std = (squares / count - mean.square()).clamp_min(0.0).sqrt()
    std = torch.where(std > 0, std, 1.0)
    return tuple(mean.tolist()), tuple(std.tolist())
