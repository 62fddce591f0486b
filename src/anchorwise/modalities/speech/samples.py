"""Recordings in memory."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from anchorwise.modalities.samples import Samples, Skipped, View
from anchorwise.modalities.sequences import Sequences
from anchorwise.modalities.speech.config import LogMelConfig
from anchorwise.modalities.speech.log_mel import LogMel

# n = recordings, b = those of a batch, m = chosen ones, t = frames, k = bands


@final
@dataclass(frozen=True, eq=False)
class SpeechSamples(Samples):
    """Recordings of one rate.

    Attributes:
        waves: Their samples.
        features: What encoders see of them, with the rate.
        speakers: Who speaks; empty where nobody knows.
        were_cut: Which were longer.
        were_resampled: Which had another rate.
        names: As `Samples`.
        labels: As `Samples`.
        class_names: As `Samples`.
        groups: As `Samples`.
        skipped: As `Samples`.
    """

    waves: Sequences
    features: LogMelConfig
    speakers: tuple[str, ...]
    were_cut: Bool[Tensor, " n"]
    were_resampled: Bool[Tensor, " n"]
    names: tuple[str, ...]
    labels: Int64[Tensor, " n"] | None = None
    class_names: tuple[str, ...] = ()
    groups: Int64[Tensor, " n"] | None = None
    skipped: tuple[Skipped, ...] = ()

    @property
    def sample_rate(self) -> int:
        """Samples in a second."""
        assert self.features.sample_rate is not None
        return self.features.sample_rate

    @property
    def what(self) -> str:
        """Their number, rate and lengths, and to how many something was done."""
        shortest, longest = (float(found) / self.sample_rate for found in self.waves.lengths.aminmax())
        done = ((self.were_cut, "cut"), (self.were_resampled, "resampled"))
        words = "".join(f", {int(which.sum()):,} {what}" for which, what in done if which.any())
        return f"{len(self):,} recordings at {self.sample_rate:,} Hz of {shortest:.3g} to {longest:.3g} s{words}"

    def __len__(self) -> int:
        return len(self.waves)

    def take(self, ids: Int64[Tensor, " b"]) -> View:
        """Return recordings, with how long each is where lengths differ."""
        return self.waves.taken(ids)

    def subset(self, ids: Int64[Tensor, " m"]) -> "SpeechSamples":
        """Return a set of these recordings, in this order."""
        labels, groups = (None if each is None else each[ids] for each in (self.labels, self.groups))
        names, speakers = (
            tuple(each[number] for number in ids.tolist()) if each else () for each in (self.names, self.speakers)
        )
        changed = {"labels": labels, "groups": groups, "names": names, "speakers": speakers}
        changed |= {"were_cut": self.were_cut[ids], "were_resampled": self.were_resampled[ids]}
        return replace(self, waves=self.waves.some(ids), **changed)

    def text(self, item: int) -> str:
        """Return the file's name: what a recording says is for ears."""
        return self.names[item]

    def picture(self, item: int) -> UInt8[Tensor, "1 k t"]:
        """Return the features, low bands at the bottom, from the softest to the loudest."""
        found = LogMel(self.features)(self.waves.of(item).T).flip(1)
        low, high = found.aminmax()
        return ((found - low) / (high - low).clamp_min(1e-6) * 255.0).to(torch.uint8)

    def digests(self) -> Iterator[bytes]:
        """Yield what tells each recording from others, whatever it stands beside."""
        for wave in self.content():
            yield hashlib.blake2b(wave.contiguous().numpy().data, digest_size=16).digest()

    def content(self) -> Iterator[Tensor]:
        """Yield the recordings one by one, without what pads them."""
        return (self.waves.of(number) for number in range(len(self)))
