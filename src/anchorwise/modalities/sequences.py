"""Sequences in memory: channels over time, of one length or of several.

An encoder takes those of one length as a tensor, others as a table of the padded tensor (`SIGNALS`) and how many steps
of each row are there (`LENGTHS`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from anchorwise.modalities.samples import View

# n = sequences, b = those of a batch, c = channels, t = time steps, a = steps of all sequences

SIGNALS, LENGTHS = "signals", "lengths"


@dataclass(frozen=True, eq=False)
class Sequences:
    """Stretches of one long array, which may overlap, as windows of a recording do.

    Attributes:
        flat: All recordings, one after the other.
        starts: First step of every sequence.
        lengths: Steps of every sequence, at least 1.
    """

    flat: Float[Tensor, "a c"]
    starts: Int64[Tensor, " n"]
    lengths: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def num_channels(self) -> int:
        """Channels of each."""
        return self.flat.shape[1]

    @property
    def num_steps(self) -> int:
        """Steps of the longest."""
        return int(self.lengths.max())

    @property
    def are_equal(self) -> bool:
        """Whether all are of one length."""
        return bool((self.lengths == self.lengths[0]).all())

    def of(self, number: int) -> Float[Tensor, "t c"]:
        """Return one."""
        first = int(self.starts[number])
        return self.flat[first : first + int(self.lengths[number])]

    def some(self, ids: Int64[Tensor, " b"]) -> "Sequences":
        """Return some of them, in this order."""
        return Sequences(self.flat, self.starts[ids], self.lengths[ids])

    def taken(self, ids: Int64[Tensor, " b"]) -> View:
        """Return some as an encoder takes them: padded with 0 to the longest of these where not all are of one length.

        Which of the two forms it is does not depend on which are taken.
        """
        lengths = self.lengths[ids]
        steps = torch.arange(int(lengths.max()))
        places = (self.starts[ids].unsqueeze(1) + steps).clamp(max=len(self.flat) - 1)
        rows = self.flat[places].transpose(1, 2).contiguous()
        if self.are_equal:
            return rows
        return {SIGNALS: rows * steps_there(lengths, len(steps)).unsqueeze(1), LENGTHS: lengths}


def steps_there(lengths: Int64[Tensor, " b"], num_steps: int) -> Bool[Tensor, "b t"]:
    """Return which steps of padded sequences are there."""
    return torch.arange(num_steps, device=lengths.device) < lengths.unsqueeze(1)


def signals_of(view: View) -> tuple[Float[Tensor, "*b c t"], Int64[Tensor, "*b"] | None]:
    """Return the tensor of a view, and the lengths where they differ."""
    return (view, None) if isinstance(view, Tensor) else (view[SIGNALS], view[LENGTHS])


def joined(parts: Sequence[Float[Tensor, "_t c"]]) -> Sequences:
    """Return sequences that are given one by one.

    Args:
        parts: At least one, of equally many channels.
    """
    lengths = torch.tensor([len(part) for part in parts])
    return Sequences(torch.cat(list(parts)), lengths.cumsum(0) - lengths, lengths)
