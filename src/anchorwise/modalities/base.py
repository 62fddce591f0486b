"""What every modality shares: samples, their views, the encoder of the views, and what ties them together.

    samples --take--> raw --ViewMaker--> views --Encoder--> features

A modality is a folder with these four and a line in `anchorwise.modalities.registry`; nothing above knows which it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.modalities.fingerprint import DataFacts, Fingerprint, digest
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.selection import balanced_indices
from anchorwise.models.pieces import encoded_in_pieces
from anchorwise.models.still import hold_still

WEIGHTS_FILE, SPEC_FILE = "encoder.safetensors", "encoder.json"

# n = samples of a set, b = samples of this rank's batch, m = chosen samples, f = features

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
    """

    raw: Raw
    ids: Int64[Tensor, " b"]
    labels: Shaped[Tensor, " b"] | None = None
    groups: Int64[Tensor, " b"] | None = None

    @property
    def excluded_ids(self) -> Int64[Tensor, " b"]:
        """Ids of which equal ones are no negatives of each other: the groups, or else the samples' numbers."""
        return self.ids if self.groups is None else self.groups

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        labels, groups = (None if each is None else each.to(device) for each in (self.labels, self.groups))
        return Batch(moved(self.raw, device), self.ids.to(device), labels, groups)


@dataclass(frozen=True)
class ViewPlan:
    """What a method asks of whoever makes the views.

    Attributes:
        num_views: Views of the full size.
        num_small: Smaller ones beside them, behind them in the list.
    """

    num_views: int = 2
    num_small: int = 0

    @property
    def total(self) -> int:
        """All views of a sample."""
        return self.num_views + self.num_small


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
        skipped: What was found and could not be used.
    """

    labels: Int64[Tensor, " n"] | None = None
    class_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    groups: Int64[Tensor, " n"] | None = None
    skipped: tuple[Skipped, ...] = ()

    @property
    @abstractmethod
    def what(self) -> str:
        """What they are, in words, such as "60 images of 1 x 8 x 8"."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, ids: Int64[Tensor, " b"]) -> View:
        """Return samples on the CPU, without anything random."""

    def item(self, number: int) -> Any:
        """Return one sample as it is kept."""
        view = self.take(torch.tensor([number]))
        return view[0] if isinstance(view, Tensor) else {name: part[0] for name, part in view.items()}

    @abstractmethod
    def subset(self: Own, ids: Int64[Tensor, " m"]) -> Own:
        """Return a set of these samples, in this order."""

    def thumbnails(self, ids: Int64[Tensor, " b"]) -> Float[Tensor, "b d"] | None:
        """Return unit rows in which near-equal samples are near each other; None where nothing makes such rows."""
        return None

    def picture(self, item: int) -> UInt8[Tensor, "c h w"] | None:
        """Return a sample as something to look at; None where there is nothing to see."""
        return None

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
        """Return samples with their numbers, labels and groups.

        Args:
            ids: Which.
            raw: What views are made of; the samples themselves if left out.
        """
        labels, groups = (None if each is None else each[ids] for each in (self.labels, self.groups))
        return Batch(self.take(ids) if raw is None else raw, ids, labels, groups)

    def balanced_subset(self: Own, num_samples: int, seed: int) -> Own:
        """Return `num_samples` samples, equally many of every class where there are labels; depends on `seed` alone.

        Raises:
            ValueError: If `num_samples` is below 1 or above the number of samples.
        """
        labels = torch.zeros(len(self), dtype=torch.int64) if self.labels is None else self.labels
        return self.subset(balanced_indices(labels, num_samples, seed=seed))


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
        """Whether there are labelled training and test samples, as probes need them."""
        return self.test is not None and self.train.labels is not None and self.test.labels is not None

    def facts(self) -> DataFacts:
        """Return what identifies the samples of a training; reads every one once."""
        pretrain = self.pretrain.fingerprint()
        return DataFacts(pretrain=pretrain, train=pretrain if self.train is self.pretrain else self.train.fingerprint())

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Every skipped sample of the parts, once."""
        parts = (self.pretrain, self.train, self.test)
        return tuple(dict.fromkeys(item for part in parts if part is not None for item in part.skipped))


class ViewMaker(nn.Module, ABC):
    """Makes the views of a batch as a method's plan asks for them. What it has learnt of the data is in its buffers."""

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return what `forward` makes views of, on the CPU; what is random in it depends on seed and id alone."""
        return samples.batch(ids)

    @abstractmethod
    def forward(self, batch: Batch, *, seed: int) -> tuple[View, ...]:
        """Return the views, on the device of the batch; the same for the same batch, seed and device."""

    @abstractmethod
    def plain(self, raw: View) -> View:
        """Return samples as the encoder takes them, without anything random."""


class Encoder(nn.Module):
    """A backbone without its classifier, whose output width is known. Subclasses say in `encode` how it is called.

    Args:
        backbone: Maps views to feature rows.
        num_features: Width of a row.

    Attributes:
        origin: Where its first weights come from, in words; empty for random ones.
    """

    def __init__(self, backbone: nn.Module, *, num_features: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_features = num_features
        self.origin = ""
        self._max_rows: int | None = None
        self._still: tuple[str, ...] = ()

    def forward(self, view: View) -> Float[Tensor, "b f"]:
        """Return one feature row per sample; in training, piece by piece where that was asked for."""
        if self._max_rows is None or not self.training:
            return self.encode(view)
        return encoded_in_pieces(self, self.encode, view, max_rows=self._max_rows)

    def encode(self, view: View) -> Float[Tensor, "b f"]:
        """Return one feature row per sample."""
        return self.backbone(view)

    def in_pieces_of(self, max_rows: int | None) -> None:
        """Train on at most so many views at a time, with the gradient of all (`anchorwise.models.pieces`).

        Raises:
            ValueError: If a class of one's own does something else in `forward`.
        """
        if max_rows is not None and type(self).forward is not Encoder.forward:
            raise ValueError(
                f"train.micro_batch_size must be left out for {type(self).__name__}, which has a forward of its own; "
                "override encode instead"
            )
        self._max_rows = max_rows

    def hold_still(self, patterns: Sequence[str]) -> None:
        """Leave parts of the backbone as they are (`anchorwise.models.still`).

        Raises:
            ValueError: If a pattern matches nothing.
        """
        self._still = hold_still(self.backbone, patterns)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Encoder":
        """Set the mode of all parts but those that are held still, which stay in evaluation mode."""
        super().train(mode)
        for name in self._still:
            self.backbone.get_submodule(name).eval()
        return self


class FrozenEncoder(ABC):
    """A trained encoder with what it expects of its input.

    Attributes:
        encoder: The network.
    """

    encoder: Encoder

    @abstractmethod
    def plain(self, raw: View) -> View:
        """Return samples as the encoder takes them."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write it into a run's folder; every file appears whole or not at all."""

    @abstractmethod
    def take_up(self, weights: Mapping[str, Tensor]) -> None:
        """Take up the weights that such an encoder has written.

        Raises:
            RuntimeError: If they are not those of this architecture.
        """

    def restore(self, folder: Path) -> None:
        """Take up the weights that such an encoder wrote into a folder.

        Raises:
            FileNotFoundError: If they are not there.
            UnusableFileError: If they are damaged, or not those of this architecture.
        """
        with _files.reading(folder / WEIGHTS_FILE):
            self.take_up(read_weights(folder))


class Modality(ABC):
    """All that knows what a sample is.

    Attributes:
        data: The section of a configuration that says where samples come from.
        views: Likewise, how views are drawn.
        encoder: Likewise, of which architecture the encoder is.
        judges: How a trained encoder is judged, by name.
    """

    data: ClassVar[type[Section]]
    views: ClassVar[type[Section]]
    encoder: ClassVar[type[Section]]
    judges: ClassVar[tuple[str, ...]] = ("classification",)

    @abstractmethod
    def load(self, data: Any, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read the samples that a data section asks for.

        Raises:
            FileNotFoundError: If they are not there.
            ValueError: If they cannot be used.
        """

    @abstractmethod
    def other_data(self, source: str, *, like: Any, frozen: FrozenEncoder | None = None, **where: Any) -> Section:
        """Return the data section of all samples of another source, read like those of `like`, to fit an encoder."""

    @abstractmethod
    def resolved_views(self, views: Any, data: Any, samples: Samples) -> Section | None:
        """Return the views' section with what was left to the data filled in; None if views stand in no section."""

    @abstractmethod
    def view_maker(self, views: Any, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what draws views of such samples.

        Raises:
            ValueError: If there can be no such views.
        """

    def resolved_encoder(self, encoder: Any) -> Section:
        """Return the encoder's section with what depends on files filled in.

        Raises:
            FileNotFoundError: If a file is not there.
        """
        return encoder

    def examples(self, samples: Samples) -> tuple[View, ...]:
        """Return two samples in the form that an encoder takes them in, of every shape; last those that are judged."""
        return (samples.take(torch.arange(min(2, len(samples)))),)

    @abstractmethod
    def new_encoder(self, encoder: Any, examples: Sequence[View]) -> Encoder:
        """Return an encoder of such views as a training begins with it: random weights come from torch's generator.

        Raises:
            ValueError: If weights to start from, or parts to hold still, are not those of such an encoder.
        """

    @abstractmethod
    def freeze(self, encoder: Encoder, section: Any, views: ViewMaker, examples: Sequence[View]) -> FrozenEncoder:
        """Return a trained encoder with what it expects.

        Args:
            encoder: The network.
            section: What the configuration says of it.
            views: What made the views that it was trained on.
            examples: Such views.
        """

    @abstractmethod
    def rebuild(self, folder: Path) -> FrozenEncoder:
        """Read what `FrozenEncoder.save` wrote, in evaluation mode.

        Raises:
            FileNotFoundError: If a file is missing.
            UnusableFileError: If one is damaged.
        """


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights that an encoder wrote into a folder.

    Raises:
        FileNotFoundError: If they are not there.
        UnusableFileError: If they are damaged.
    """
    with _files.reading(folder / WEIGHTS_FILE):
        return load_file(folder / WEIGHTS_FILE)


def moved(raw: Any, device: torch.device | str) -> Any:
    """Return tensors, or a mapping or a tuple of them, on a device."""
    if isinstance(raw, Tensor):
        return raw.to(device)
    if isinstance(raw, Mapping):
        return {name: moved(part, device) for name, part in raw.items()}
    return tuple(moved(part, device) for part in raw)


_BLOCK = 4096  # Samples in memory at once, where they are read to be told apart.
