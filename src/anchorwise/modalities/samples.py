"""Samples: one part of a data set, and the batches that are taken of it."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor
from torch.utils._pytree import tree_map_only

from anchorwise.modalities.fingerprint import DataFacts, Fingerprint, digest
from anchorwise.modalities.selection import balanced_indices

# n = samples of a set, e = those of an epoch, b = samples of this rank's batch, m = chosen samples, c = channels,
# h = height, w = width, k = what belongs to samples

View = Tensor | Mapping[str, Tensor]  # What an encoder takes: pixels; token ids and their mask; nodes and edges.
Raw = View | tuple[View, ...]  # What views are made of; a tuple holds views that were made on the host already.


@dataclass(frozen=True)
class Batch:
    """One rank's part of a batch.

    Attributes:
        raw: The samples, before their views are made.
        ids: The samples' numbers in the data set.
        labels: Their classes; None if unlabelled.
        groups: What samples belong together and are no negatives of each other; None if each stands alone.
        values: A real number of every sample, in the place of its class; None where there is none.
        draws: Numbers that random views are drawn by, which differ where a sample stands twice in a batch; None where
            no sample does, and its own number serves.
    """

    raw: Raw
    ids: Int64[Tensor, " b"]
    labels: Shaped[Tensor, " b"] | None = None
    groups: Int64[Tensor, " b"] | None = None
    values: Float[Tensor, " b"] | None = None
    draws: Int64[Tensor, " b"] | None = None

    @property
    def drawn_by(self) -> Int64[Tensor, " b"]:
        """The number of every row that random views are drawn by."""
        return self.ids if self.draws is None else self.draws

    @property
    def excluded_ids(self) -> Int64[Tensor, " b"]:
        """Ids of which equal ones are no negatives of each other: the groups, or else the samples' numbers."""
        return self.ids if self.groups is None else self.groups

    @property
    def shared_ids(self) -> Int64[Tensor, " b"] | None:
        """Those ids, where two samples of the batch may have the same; None where nobody knows of such."""
        return None if self.groups is None and self.draws is None else self.excluded_ids

    @property
    def parts(self) -> tuple[Any, ...]:
        """All of it, in the order of the attributes."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """Return the batch with every tensor changed."""
        return Batch(*tree_map_only(Tensor, change, self.parts))

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device; what is on its way to a GPU is not waited for."""
        return self.each(lambda part: part.to(device, non_blocking=device.type == "cuda"))

    def pin_memory(self) -> "Batch":
        """Return the batch where a GPU can fetch it beside other work."""
        return self.each(Tensor.pin_memory)

    def taken(self, places: Int64[Tensor, " m"]) -> "Batch":
        """Return some of the samples, by their places in the batch."""
        return self.each(lambda part: part.index_select(0, places))


@dataclass(frozen=True)
class Skipped:
    """A sample that was found and is not in the set.

    Attributes:
        name: Its file name, relative to the folder or archive.
        reason: Why it was left out.
    """

    name: str
    reason: str


Own = TypeVar("Own", bound="Samples")


class Samples(ABC):
    """One part of a data set: in memory, mapped from a file, or read one by one.

    Attributes:
        labels: Class of every sample as an index into `class_names`, int64, shape (samples,); None if unlabelled.
        class_names: Name of every class; empty if unlabelled.
        names: File name, or number as text, of every sample.
        groups: Which samples belong together, such as photographs of one object: a number for each, int64, shape
            (samples,); None if each stands alone.
        values: A real number of every sample, for objectives of regression, float32, shape (samples,); None where there
            is none.
        parts: Which part of the set each is of, where numbers are given part by part, int64, shape (samples,); None for
            one part.
        times: How often each comes in an epoch, at least once, int64, shape (samples,); None for once each.
        skipped: What was found and could not be used.
    """

    labels: Int64[Tensor, " n"] | None = None
    class_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    groups: Int64[Tensor, " n"] | None = None
    values: Float[Tensor, " n"] | None = None
    parts: Int64[Tensor, " n"] | None = None
    times: Int64[Tensor, " n"] | None = None
    skipped: tuple[Skipped, ...] = ()

    @property
    def in_epoch(self) -> Int64[Tensor, " e"]:
        """The samples' numbers, each as often as it comes in an epoch, before they are put into an order."""
        numbers = torch.arange(len(self))
        return numbers if self.times is None else numbers.repeat_interleave(self.times)

    @property
    @abstractmethod
    def what(self) -> str:
        """What they are, in words, such as "60 images of 1 x 8 x 8"."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, ids: Int64[Tensor, " b"]) -> View:
        """Return samples on the CPU, without anything random."""

    def whole(self) -> Shaped[Tensor, "n ..."] | None:
        """Return all samples, where they are one tensor in memory or mapped from a file; None otherwise."""
        return None

    def item(self, number: int) -> Any:
        """Return one sample as it is kept."""
        view = self.take(torch.tensor([number]))
        return view[0] if isinstance(view, Tensor) else {name: part[0] for name, part in view.items()}

    @abstractmethod
    def subset(self: Own, ids: Int64[Tensor, " m"]) -> Own:
        """Return a set of these samples, in this order."""

    def name_of(self, number: int) -> str:
        """Return what a message calls a sample."""
        return self.names[number] if self.names else f"number {number}"

    def thumbnails(self, ids: Int64[Tensor, " b"]) -> Float[Tensor, "b d"] | None:
        """Return unit rows in which near-equal samples are near each other; None where nothing makes such rows."""
        return None

    def number(self, name: str) -> Float[Tensor, " n"] | None:
        """Return a real number of every sample by its name; None where there is none of that name."""
        return None

    def text(self, item: int) -> str | None:
        """Return a sample in words; None where it has none."""
        return None

    def picture(self, item: int) -> UInt8[Tensor, "c h w"] | None:
        """Return a sample as something to look at; None where there is nothing to see."""
        return None

    def partners(self) -> "Samples | None":
        """Return what belongs to each of these, in their order: the other side of pairs; None where nothing does."""
        return None

    def all_partners(self) -> "Partners | None":
        """Return all that belongs to each of these, which may be more than one; None where nothing does."""
        one_each = self.partners()
        return None if one_each is None else Partners(one_each, torch.arange(len(self)))

    def joined(self, ids: Int64[Tensor, " b"], others: Int64[Tensor, " b"]) -> View | None:
        """Return samples, each with the partner of another one, as one input; None where nothing can be read so."""
        return None

    def distinct(self) -> Int64[Tensor, " m"] | None:
        """Return one sample of each kind of equal ones, for numbers in which these count once; None if all count."""
        return None

    def digests(self) -> Iterator[bytes]:
        """Yield what tells the content of each sample from that of others."""
        for ids in torch.arange(len(self)).split(_BLOCK):
            view = self.take(ids)
            parts = [view] if isinstance(view, Tensor) else [view[name] for name in sorted(view)]
            arrays = [np.ascontiguousarray(part.numpy()) for part in parts]
            for row in range(len(ids)):
                hashed = hashlib.blake2b(digest_size=16)
                for array in arrays:
                    hashed.update(array[row].data)
                yield hashed.digest()

    def content(self) -> Iterator[Tensor]:
        """Yield what tells these samples from others, on the CPU."""
        for ids in torch.arange(len(self)).split(_BLOCK):
            view = self.take(ids)
            yield from (view,) if isinstance(view, Tensor) else view.values()

    def fingerprint(self) -> Fingerprint:
        """Return facts that tell whether these are the same samples later, or on another machine."""
        labels = None if self.labels is None else digest(self.labels)
        return Fingerprint(what=self.what, content=digest(*self.content()), labels=labels)

    def batch(self, ids: Int64[Tensor, " b"], raw: Raw | None = None) -> Batch:
        """Return samples with their numbers, labels, groups and values.

        Args:
            ids: Which.
            raw: What views are made of; the samples themselves if left out.
        """
        known = [None if each is None else each[ids] for each in (self.labels, self.groups, self.values)]
        return Batch(self.take(ids) if raw is None else raw, ids, *known)

    def balanced_subset(self: Own, num_samples: int, seed: int) -> Own:
        """Return `num_samples` samples, equally many of every class where there are labels; depends on `seed` alone.

        Raises:
            ValueError: If `num_samples` is below 1 or above the number of samples.
        """
        labels = torch.zeros(len(self), dtype=torch.int64) if self.labels is None else self.labels
        return self.subset(balanced_indices(labels, num_samples, seed=seed))


@dataclass(frozen=True, eq=False)
class Partners:
    """What belongs to samples.

    Attributes:
        samples: All of it.
        of: Number of the sample that each belongs to.
    """

    samples: Samples
    of: Int64[Tensor, " k"]


AnySamples = TypeVar("AnySamples", bound=Samples, covariant=True)


@dataclass(frozen=True, eq=False)
class Splits(Generic[AnySamples]):
    """The parts of a data set.

    Attributes:
        pretrain: Samples to pretrain on; the same object as `train` unless the data set has unlabelled ones.
        train: Samples to fit a probe or a kNN bank on.
        test: Samples to score; None only for an unlabelled set without a test part.
    """

    pretrain: AnySamples
    train: AnySamples
    test: AnySamples | None

    @property
    def are_judgeable(self) -> bool:
        """Whether there are training samples of two classes or more, and labelled test samples, as probes need them."""
        if self.test is None or self.train.labels is None or self.test.labels is None:
            return False
        return bool((self.train.labels != self.train.labels[0]).any())

    def changed(self, change: Callable[[Samples], Samples]) -> "Splits[Samples]":
        """Return the parts changed alike; what is one and the same stays so."""
        train = change(self.train)
        test = train if self.test is self.train else None if self.test is None else change(self.test)
        return Splits(train if self.pretrain is self.train else change(self.pretrain), train, test)

    def facts(self) -> DataFacts:
        """Return what identifies the samples of a training; reads every one once."""
        pretrain = self.pretrain.fingerprint()
        return DataFacts(pretrain=pretrain, train=pretrain if self.train is self.pretrain else self.train.fingerprint())

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Every skipped sample of the parts, once."""
        parts = (self.pretrain, self.train, self.test)
        return tuple(dict.fromkeys(item for part in parts if part is not None for item in part.skipped))


def moved(raw: Any, device: torch.device | str) -> Any:
    """Return tensors, or a mapping or a tuple of them, on a device."""
    if isinstance(raw, Tensor):
        return raw.to(device)
    if isinstance(raw, Mapping):
        return {name: moved(part, device) for name, part in raw.items()}
    return tuple(moved(part, device) for part in raw)


_BLOCK = 4096  # Samples in memory at once, where they are read to be told apart.
