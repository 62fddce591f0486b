"""Which frames of a video make a clip, and how much two clips of one video have in common."""

from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

Rate = TypeVar("Rate", int, Tensor)

# n = videos, k = clips of each, t = frames of a clip


@dataclass(frozen=True)
class Clips:
    """Clips of videos.

    Attributes:
        starts: Number of the first frame of each.
        rates: Frames from one frame of a clip to its next.
        num_frames: Of a clip.
    """

    starts: Int64[Tensor, "n k"]
    rates: Int64[Tensor, "n k"]
    num_frames: int

    @property
    def places(self) -> Int64[Tensor, "n k t"]:
        """Return the numbers of their frames."""
        return self.starts.unsqueeze(2) + self.rates.unsqueeze(2) * torch.arange(self.num_frames)

    @property
    def spans(self) -> Int64[Tensor, "n k"]:
        """Frames from the first to the last, both counted."""
        return span(self.num_frames, self.rates)


def span(num_frames: int, rate: Rate) -> Rate:
    """Return over how many frames of a video a clip goes."""
    return (num_frames - 1) * rate + 1


def spread_clips(lengths: Int64[Tensor, " n"], *, num_clips: int, num_frames: int) -> Clips:
    """Return clips of every frame, evenly spread: the first begins where the video does, the last ends where it does.

    A single one stands in the middle.

    Args:
        lengths: Frames of each video, at least those of a clip.
        num_clips: Of each video.
        num_frames: Of a clip.
    """
    shares = torch.linspace(0.0, 1.0, num_clips) if num_clips > 1 else torch.tensor([0.5])
    starts = ((lengths - num_frames).unsqueeze(1) * shares).round().long()
    return Clips(starts, torch.ones_like(starts), num_frames)


def random_clips(
    lengths: Int64[Tensor, " n"], drawn: Float[Tensor, "2 n k"], *, rates: tuple[int, ...], num_frames: int
) -> Clips:
    """Return clips that are drawn evenly: their rates, then their starts among those that leave room for them.

    Args:
        lengths: Frames of each video, at least those that a clip of the highest rate goes over.
        drawn: Two numbers in [0, 1) for every clip.
        rates: Frames from one frame of a clip to its next; one of these.
        num_frames: Of a clip.
    """
    rate = torch.tensor(rates)[(drawn[0] * len(rates)).long()]
    room = lengths.unsqueeze(1) - span(num_frames, rate) + 1
    return Clips((drawn[1] * room).long(), rate, num_frames)


def overlaps(clips: Clips) -> Float[Tensor, " n"]:
    """Return which share of the shorter one's time the first two clips of every video have in common."""
    ends = clips.starts + clips.spans
    common = (ends[:, :2].amin(dim=1) - clips.starts[:, :2].amax(dim=1)).clamp_min(0)
    return common / clips.spans[:, :2].amin(dim=1)
