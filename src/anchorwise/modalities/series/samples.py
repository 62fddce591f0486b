"""Segments of signals in memory, and whose they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.samples import Samples, Skipped, View
from anchorwise.modalities.sequences import Sequences, joined

# n = segments, b = segments of a batch, m = chosen segments, p = participants, s = segments of the one with most


class Members(NamedTuple):
    """The segments of every participant.

    Attributes:
        numbers: Of the segments, -1 behind them where a participant has fewer than others.
        place: Of every segment among those of its participant.
        counts: Segments of every participant.
        of: Row of every segment's participant in `numbers`.
    """

    numbers: Int64[Tensor, "p s"]
    place: Int64[Tensor, " n"]
    counts: Int64[Tensor, " p"]
    of: Int64[Tensor, " n"]


@final
@dataclass(frozen=True, eq=False)
class SeriesSamples(Samples):
    """Segments of recordings.

    Attributes:
        sequences: The segments.
        channels: What each channel is called.
        rate_hz: Steps a second; None where nothing says.
        participants: Whose each is, as a number.
        names: Of every segment: that of its recording and its first step.
        labels: As `Samples`.
        class_names: As `Samples`.
        groups: The participants, unless these are the classes.
        values: As `Samples`.
        numbers: What else is known of segments, by name; nan where it is not.
        skipped: Segments and recordings that could not be used.
    """

    sequences: Sequences
    channels: tuple[str, ...]
    rate_hz: float | None
    participants: Int64[Tensor, " n"]
    names: tuple[str, ...]
    labels: Int64[Tensor, " n"] | None = None
    class_names: tuple[str, ...] = ()
    groups: Int64[Tensor, " n"] | None = None
    values: Float[Tensor, " n"] | None = None
    numbers: Mapping[str, Float[Tensor, " n"]] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()

    @property
    def what(self) -> str:
        """Their number, whose, and their form."""
        shortest, longest = int(self.sequences.lengths.min()), self.sequences.num_steps
        steps = f"{longest:,}" if shortest == longest else f"{shortest:,} to {longest:,}"
        rate = "" if self.rate_hz is None else f" at {self.rate_hz:g} Hz"
        whose = len(self.participants.unique())
        return (
            f"{len(self):,} segments of {whose:,} participants, {steps} steps{rate}, "
            f"{len(self.channels)} {'channel' if len(self.channels) == 1 else 'channels'}"
        )

    def __len__(self) -> int:
        return len(self.sequences)

    def take(self, ids: Int64[Tensor, " b"]) -> View:
        """Return segments as an encoder takes them."""
        return self.sequences.taken(ids)

    def whole(self) -> Float[Tensor, "n c t"] | None:
        """Return all segments, where they are of one length."""
        taken = self.take(torch.arange(len(self))) if self.sequences.are_equal else None
        return taken if isinstance(taken, Tensor) else None

    def number(self, name: str) -> Float[Tensor, " n"] | None:
        """Return what is known of segments by that name; nan where it is not."""
        return self.numbers.get(name)

    def of_participants(self) -> tuple[str, ...]:
        """Return the names of the numbers that are the same for all segments of a participant, and not for all."""
        first = self.members.numbers[:, 0][self.members.of]
        told = {
            name: values.nan_to_num(nan=torch.inf) for name, values in self.numbers.items()
        }  # No number is infinite.
        return tuple(
            name
            for name, values in told.items()
            if torch.equal(values, values[first]) and len(values[values.isfinite()].unique()) > 1
        )

    def subset(self, ids: Int64[Tensor, " m"]) -> "SeriesSamples":
        """Return a set of these segments, in this order."""
        of_each = {"labels": self.labels, "groups": self.groups, "values": self.values}
        return replace(
            self,
            sequences=self.sequences.some(ids),
            participants=self.participants[ids],
            names=tuple(self.names[number] for number in ids.tolist()),
            numbers={name: values[ids] for name, values in self.numbers.items()},
            **{name: None if values is None else values[ids] for name, values in of_each.items()},
        )

    @cached_property
    def members(self) -> Members:
        """The segments of every participant."""
        of = self.participants.unique(return_inverse=True)[1]
        counts = torch.bincount(of)
        order = of.argsort(stable=True)
        place = torch.empty_like(of)
        place[order] = torch.arange(len(of)) - (counts.cumsum(0) - counts)[of[order]]
        numbers = torch.full((len(counts), int(counts.max())), -1)
        numbers[of, place] = torch.arange(len(of))
        return Members(numbers, place, counts, of)

    def content(self) -> Iterator[Tensor]:
        """Yield all that tells these segments from others."""
        yield from (self.sequences.lengths, self.participants)
        for number in range(len(self)):
            yield self.sequences.of(number)
        if self.values is not None:
            yield self.values

    def digests(self) -> Iterator[bytes]:
        """Yield what equal segments have in common."""
        for number in range(len(self)):
            yield self.sequences.of(number).numpy().tobytes()


def as_series(samples: Samples) -> SeriesSamples:
    """Return samples as segments: themselves, or tensors of channels over time, whose groups are the participants.

    Raises:
        ValueError: If they are something else.
    """
    if isinstance(samples, SeriesSamples):
        return samples
    rows = samples.take(torch.arange(len(samples)))
    if not isinstance(rows, Tensor) or rows.ndim != 3 or not rows.is_floating_point():
        form = f"{rows.dtype} of shape {tuple(rows.shape[1:])}" if isinstance(rows, Tensor) else type(rows).__name__
        raise ValueError(
            f"the recipe's views and encoders are for signals in floating point of shape (channels, steps), got "
            f"{form}; bring your own views and your own encoder"
        )
    return SeriesSamples(
        sequences=joined(list(rows.float().transpose(1, 2))),
        channels=tuple(map(str, range(rows.shape[1]))),
        rate_hz=None,
        participants=torch.arange(len(rows)) if samples.groups is None else samples.groups,
        names=samples.names,
        labels=samples.labels,
        class_names=samples.class_names,
        groups=samples.groups,
        values=samples.values,
    )
