"""WebDataset's shards on a local disk, as a map-style Dataset: an index of the tar files, and one read per sample.

A sample is an image with an optional label beside it: `0001.jpg` with `0001.cls`, or with `0001.json` that names a
class. Only images and these two are ever looked at, by this library's own decoders: nothing is unpickled, whatever
else lies in a shard, and nothing is unpacked to disk.
Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
"""

import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from anchorwise import _files
from anchorwise.modalities.images.decode import IMAGE_SUFFIXES, decode
from anchorwise.modalities.images.sidecars import LABEL_SUFFIXES, Sidecars

_WAY_OUT = "random access needs plain tar files: write the shard anew, without compression"


@dataclass(frozen=True)
class _Member:
    path: Path
    name: str
    offset: int
    size: int

    def read(self) -> bytes:
        with _files.reading(self.path), self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


class Shards(Dataset[Any]):
    """The images of shards, in the order of the shards.

    Args:
        paths: One path or several; a range in braces stands for many, as in `train-{0000..0146}.tar`.

    Attributes:
        targets: Class of every image; None unless every one has a label.
        classes: Name of every class.

    Raises:
        FileNotFoundError: If one is not there.
        UnusableFileError: If one is damaged or compressed.
        ValueError: If they hold no image.
    """

    def __init__(self, paths: str | Path | Sequence[str | Path]) -> None:
        several = [paths] if isinstance(paths, str | Path) else paths
        sidecars, images = Sidecars(), list[_Member]()
        for path in (Path(one) for given in several for one in expanded(str(given))):
            members = list(_members(path))
            images += [member for member in members if member.name.lower().endswith(IMAGE_SUFFIXES)]
            beside = (
                (f"{path}/{one.name}", one.read()) for one in members if one.name.lower().endswith(LABEL_SUFFIXES)
            )
            for _ in sidecars.taken_out(beside):
                raise AssertionError("a label is no image")
        if not images:
            raise ValueError(f"{paths} must hold images ({', '.join(IMAGE_SUFFIXES)}), got none")
        self._images = images
        given = sidecars.classes_of(f"{member.path}/{member.name}" for member in images)
        found = sorted({label for label in given if label is not None})
        are_numbers = all(map(str.isdecimal, found))
        self.classes = sorted(found, key=int) if are_numbers else found
        number = {name: index for index, name in enumerate(self.classes)}
        self.targets = [number[label] for label in given if label] if given and all(given) else None

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> UInt8[Tensor, "c h w"]:
        """Return an image.

        Raises:
            ValueError: If it cannot be decoded.
        """
        member = self._images[index]
        try:
            return torch.from_numpy(decode(member.name, member.read()).copy())
        except _files.UnusableFileError:
            raise
        except Exception as error:  # Whatever a decoder raises on bytes that are no image.
            raise ValueError(f"{member.name} in {member.path} cannot be decoded: {error}; leave it out") from error


def expanded(pattern: str) -> list[str]:
    """Return the paths that a pattern with at most one range in braces, both ends included, stands for."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if found is None:
        return [pattern]
    first, last = found.groups()
    numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return [f"{pattern[: found.start()]}{number}{pattern[found.end() :]}" for number in numbers]


def _members(path: Path) -> Iterator[_Member]:
    if not path.is_file():
        raise FileNotFoundError(f"no tar file at {path.absolute()}; check the path")
    with _files.reading(path, way_out=_WAY_OUT), tarfile.open(path, "r:") as archive:
        for info in archive:
            if info.isreg() and not info.issparse():
                yield _Member(path, info.name, info.offset_data, info.size)
