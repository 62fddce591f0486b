"""Somebody's own samples: a tensor, a map-style Dataset of torch or Hugging Face, or WebDataset's shards."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor
from torch.utils.data import IterableDataset

from anchorwise.modalities.own.drawing import own_draws
from anchorwise.modalities.own.items import as_tensor, input_of, naming, stacked
from anchorwise.modalities.own.labels import grouped, labels_of, numbered
from anchorwise.modalities.own.shards import Shards
from anchorwise.modalities.samples import Samples
from anchorwise.modalities.seeds import mixed_seed

# n = samples, b = samples of a batch, m = chosen samples

_MAX_COMPARED = 256  # Samples that are read to tell a Dataset from another.
_WAY_OUT = "resize or crop them in the Dataset, or give `views` that do, and `plain` for what is judged"


def as_samples(
    given: Any,
    *,
    labels: Any = None,
    groups: Any = None,
    image_column: str | None = None,
    label_column: str | None = None,
    plain: Callable[[Any], Any] | None = None,
) -> Samples:
    """Return somebody's own samples as the trainer takes them.

    Args:
        given: A tensor with one sample per row; a map-style Dataset (anything with a length and items) whose item is a
            sample, a pair of it and its label, or columns by name; paths of WebDataset's tar files; or `Samples`.
        labels: Class of every sample, whole numbers from 0, where `given` does not have them.
        groups: Number of the group that every sample belongs to, such as one photographed object: no split parts them.
        image_column: Name of the column that is the sample, where items have columns.
        label_column: Name of the column with its class.
        plain: Makes of an item what an encoder is judged on, without anything random. Left out, it is the item.

    Raises:
        TypeError: If it is nothing of these.
        ValueError: If there are fewer than two samples, a Dataset has no length, or labels do not fit.
        FileNotFoundError: If a tar file is not there.
    """
    if isinstance(given, Samples):
        return given
    if _are_paths(given):
        given = Shards(given)
    if isinstance(given, Tensor) and plain is None:
        return _tensor_samples(given, labels, groups)
    if not hasattr(given, "__getitem__") or isinstance(given, str | bytes | dict):
        raise TypeError(
            f"samples must be a tensor, a map-style Dataset or paths of tar files, got {type(given).__name__}; "
            "an iterable becomes one as list(samples), and of several splits give one"
        )
    if not hasattr(given, "__len__"):
        raise ValueError(
            f"samples must have a length, got {type(given).__name__} without; of a stream keep list(samples), or give "
            "the paths of its tar files"
        )
    if isinstance(given, IterableDataset):  # A DataLoader lets it have a length.
        raise TypeError(
            f"samples must have items by number, got {type(given).__name__}, a stream; keep list(samples), or give the "
            "paths of its tar files"
        )
    _at_least_two(len(given))
    numbers, class_names = labels_of(given, given=labels, column=label_column)
    belonging, names = grouped(groups, len(given)), tuple(map(str, range(len(given))))
    return DatasetSamples(
        given, torch.arange(len(given)), numbers, class_names, belonging, names, image_column=image_column, plain=plain
    )


@dataclass(frozen=True, eq=False)
class TensorSamples(Samples):
    """Samples that are the rows of a tensor.

    Attributes:
        rows: Shape (samples, ...).
        labels: As `Samples`.
        class_names: As `Samples`.
        groups: As `Samples`.
        names: As `Samples`.
    """

    rows: Shaped[Tensor, "n ..."]
    labels: Int64[Tensor, " n"] | None
    class_names: tuple[str, ...]
    groups: Int64[Tensor, " n"] | None
    names: tuple[str, ...]

    @property
    def what(self) -> str:
        """Their number and shape."""
        return _words(len(self.rows), self.rows[0])

    def __len__(self) -> int:
        return len(self.rows)

    def whole(self) -> Shaped[Tensor, "n ..."]:
        """Return all rows."""
        return self.rows

    def take(self, ids: Int64[Tensor, " b"]) -> Shaped[Tensor, "b ..."]:
        """Return rows."""
        return self.rows[ids]

    def subset(self, ids: Int64[Tensor, " m"]) -> "TensorSamples":
        """Return a set of these rows, in this order."""
        labels, groups = (None if each is None else each[ids] for each in (self.labels, self.groups))
        names = tuple(self.names[i] for i in ids.tolist())
        return replace(self, rows=self.rows[ids], labels=labels, groups=groups, names=names)


@dataclass(frozen=True, eq=False)
class DatasetSamples(Samples):
    """Samples that a Dataset gives one by one, each time they are asked for.

    Attributes:
        dataset: Map-style.
        indices: Which of its items, shape (samples,).
        labels: As `Samples`.
        class_names: As `Samples`.
        groups: As `Samples`.
        names: As `Samples`.
        image_column: Name of the column that is the sample, where items have columns.
        plain: Makes of an item what an encoder is judged on.
    """

    dataset: Any
    indices: Int64[Tensor, " n"]
    labels: Int64[Tensor, " n"] | None
    class_names: tuple[str, ...]
    groups: Int64[Tensor, " n"] | None
    names: tuple[str, ...]
    image_column: str | None = None
    plain: Callable[[Any], Any] | None = None

    @property
    def what(self) -> str:
        """Their number, and the shape of the first."""
        with own_draws() as seed:
            seed(0)
            return _words(len(self), as_tensor(self.item(0)))

    def __len__(self) -> int:
        return len(self.indices)

    def item(self, number: int) -> Any:
        """Return a sample as the Dataset has it, without its label."""
        return input_of(self.dataset[int(self.indices[number])], self.image_column)

    def take(self, ids: Int64[Tensor, " b"]) -> Tensor:
        """Return samples as an encoder is judged on them; a Dataset that draws gives each its own, always the same.

        Raises:
            ValueError: If they differ in shape.
        """
        numbers = ids.tolist()
        names = [self.name_of(number) for number in numbers]
        return stacked(list(self._plain_items(numbers, self.plain)), names, "samples", _WAY_OUT)

    def subset(self, ids: Int64[Tensor, " m"]) -> "DatasetSamples":
        """Return a set of these samples, in this order."""
        labels, groups = (None if each is None else each[ids] for each in (self.labels, self.groups))
        names = tuple(self.names[i] for i in ids.tolist())
        return replace(self, indices=self.indices[ids], labels=labels, groups=groups, names=names)

    def content(self) -> Iterator[Tensor]:
        """Yield at most 256 samples, spread evenly: to read all would take an epoch."""
        yield from self._plain_items(list(range(0, len(self), -(-len(self) // _MAX_COMPARED))), None)

    def _plain_items(self, numbers: Sequence[int], plain: Callable[[Any], Any] | None) -> Iterator[Tensor]:
        with own_draws() as seed:
            for number in numbers:
                seed(mixed_seed(int(self.indices[number])))
                with naming(self.name_of(number)):
                    item = self.item(number)
                    plain_item = as_tensor(item if plain is None else plain(item))
                yield plain_item.detach().cpu()


def numbered_alike(*parts: Samples) -> tuple[Samples, ...]:
    """Return somebody's own samples with one numbering of the classes that there are in any part."""
    own = [part for part in parts if isinstance(part, TensorSamples | DatasetSamples) and part.class_names]
    every = {name for part in own for name in part.class_names}
    if len(own) < len(parts) or len({part.class_names for part in own}) < 2:
        return parts
    classes = tuple(sorted(every, key=int) if all(map(str.isdecimal, every)) else sorted(every))
    number = {name: place for place, name in enumerate(classes)}
    there = (torch.tensor([number[name] for name in part.class_names])[part.labels] for part in own)
    return tuple(replace(part, labels=labels, class_names=classes) for part, labels in zip(own, there, strict=True))


def _tensor_samples(rows: Tensor, labels: Any, groups: Any) -> TensorSamples:
    if rows.ndim < 2:
        raise ValueError(f"samples must have one row each, got a tensor of shape {tuple(rows.shape)}")
    _at_least_two(len(rows))
    numbers, class_names = (None, ()) if labels is None else numbered(labels, len(rows))
    names = tuple(map(str, range(len(rows))))
    return TensorSamples(rows.detach().cpu(), numbers, class_names, grouped(groups, len(rows)), names)


def _at_least_two(num_samples: int) -> None:
    if num_samples < 2:
        raise ValueError(f"samples must be at least two, each other's negatives, got {num_samples}")


def _are_paths(given: Any) -> bool:
    several = given if isinstance(given, list | tuple) and given else [given]
    return all(isinstance(one, str | Path) for one in several)


def _words(num_samples: int, first: Tensor) -> str:
    return f"{num_samples:,} samples of {' x '.join(map(str, first.shape))}"
