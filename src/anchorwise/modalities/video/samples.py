"""Videos in memory."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from anchorwise.modalities.samples import Samples, Skipped
from anchorwise.modalities.video.clips import Clips, spread_clips
from anchorwise.modalities.video.config import ClipConfig

# n = videos, b = those of a batch, m = chosen ones, a = frames of all videos, f = frames of one, k = clips of each,
# t = frames of a clip, c = channels, h = height, w = width (pixels)


@final
@dataclass(frozen=True, eq=False)
class VideoSamples(Samples):
    """Videos of frames of one size.

    Attributes:
        frames: Of all videos, one after the other; may be memory-mapped, so do not write to it.
        starts: First frame of every video.
        lengths: Frames of every video.
        clips: What an encoder sees of one; every video has the frames of a clip at least.
        names: As `Samples`.
        labels: As `Samples`.
        class_names: As `Samples`.
        numbers: What else is known of every video, by name.
        target: Videos of another domain, without labels; None for one domain.
        skipped: As `Samples`.
    """

    frames: UInt8[Tensor, "a c h w"]
    starts: Int64[Tensor, " n"]
    lengths: Int64[Tensor, " n"]
    clips: ClipConfig
    names: tuple[str, ...]
    labels: Int64[Tensor, " n"] | None = None
    class_names: tuple[str, ...] = ()
    numbers: Mapping[str, Float[Tensor, " n"]] = field(default_factory=dict)
    target: "VideoSamples | None" = None
    skipped: tuple[Skipped, ...] = ()

    @property
    def what(self) -> str:
        """Their number, lengths and size, and how many are of another domain."""
        shortest, longest = (int(length) for length in self.lengths.aminmax())
        of = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        beside = "" if self.target is None else f", and {len(self.target):,} of another domain without labels"
        return f"{len(self):,} videos of {of} frames of {' x '.join(map(str, self.frame_shape))}{beside}"

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a frame."""
        _, channels, height, width = self.frames.shape
        return channels, height, width

    def __len__(self) -> int:
        return len(self.starts)

    def of(self, number: int) -> UInt8[Tensor, "f c h w"]:
        """Return the frames of a video."""
        first = int(self.starts[number])
        return self.frames[first : first + int(self.lengths[number])]

    def clips_at(self, ids: Int64[Tensor, " b"], clips: Clips) -> UInt8[Tensor, "b k t c h w"]:
        """Return clips of videos."""
        return self.frames[self.starts[ids][:, None, None] + clips.places]

    def spread(self, ids: Int64[Tensor, " b"], num_clips: int) -> UInt8[Tensor, "b k t c h w"]:
        """Return clips of videos, evenly spread over each."""
        return self.clips_at(
            ids, spread_clips(self.lengths[ids], num_clips=num_clips, num_frames=self.clips.num_frames)
        )

    def take(self, ids: Int64[Tensor, " b"]) -> UInt8[Tensor, "b k t c h w"]:
        """Return the clips that videos are judged by."""
        return self.spread(ids, self.clips.num_clips)

    def backgrounds(self, ids: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        """Return what stays in each video: the median over its frames, pixel by pixel, the lower of two."""
        return torch.stack([self.of(number).median(dim=0).values for number in ids.tolist()])

    def subset(self, ids: Int64[Tensor, " m"]) -> "VideoSamples":
        """Return a set of these videos, in this order, beside all of the other domain."""
        return replace(
            self,
            starts=self.starts[ids],
            lengths=self.lengths[ids],
            labels=None if self.labels is None else self.labels[ids],
            names=tuple(self.names[number] for number in ids.tolist()),
            numbers={name: values[ids] for name, values in self.numbers.items()},
        )

    def number(self, name: str) -> Float[Tensor, " n"] | None:
        """Return what is known of every video under a name."""
        return self.numbers.get(name)

    def text(self, item: int) -> str:
        """Return the video's name: what it shows is for eyes."""
        return self.names[item]

    def picture(self, item: int) -> UInt8[Tensor, "c h _w"]:
        """Return the frames of the first clip, side by side."""
        return torch.cat(list(self.take(torch.tensor([item]))[0, 0]), dim=2)

    def digests(self) -> Iterator[bytes]:
        """Yield what tells each video from others, whatever it stands beside."""
        for number in range(len(self)):
            yield hashlib.blake2b(self.of(number).contiguous().numpy().data, digest_size=16).digest()

    def content(self) -> Iterator[Tensor]:
        """Yield the videos one by one, then those of the other domain."""
        yield from (self.of(number) for number in range(len(self)))
        if self.target is not None:
            yield from self.target.content()
