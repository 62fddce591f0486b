"""Images with their captions as they were read: before there are tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.text.tables import Texts

# n = images


@dataclass(frozen=True)
class Pairs:
    """Images, and the captions of each.

    Attributes:
        images: One for every row of the texts.
        texts: The captions, which all say what their image shows; None for images with classes alone.
    """

    images: ImageSet
    texts: Texts | None

    def some(self, numbers: Sequence[int]) -> "Pairs":
        """Return some of the images, in this order."""
        texts = None if self.texts is None else self.texts.some(numbers)
        return Pairs(self.images.subset(torch.tensor(numbers)), texts)


@dataclass(frozen=True)
class PairParts:
    """Training and test images; the test part is None where nothing can be judged."""

    train: Pairs
    test: Pairs | None


def grouped(images: ImageSet, texts: Texts) -> Pairs:
    """Return images with their captions; those of which captions are equal make a group, as no negatives should be.

    Raises:
        ValueError: If there are not as many of one as of the other, or an image has no caption.
    """
    if len(images) != len(texts.rows):
        raise ValueError(f"there must be captions for each image, got {len(images):,} images and {len(texts.rows):,}")
    for name, row in zip(images.names, texts.rows, strict=True):
        if not row or not all(text.strip() for text in row):
            raise ValueError(f"captions must not be empty, got an empty one of {name}")
    return Pairs(replace(images, groups=_of_equal_captions(texts.rows)), texts)


def _of_equal_captions(rows: Sequence[Sequence[str]]) -> Int64[Tensor, " n"]:
    """Return the group of every image: two with a caption in common are in one, and so are those between them."""
    parents = list(range(len(rows)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    first = dict[str, int]()
    for number, row in enumerate(rows):
        for text in row:
            other = root(first.setdefault(text.lower(), number))
            parents[root(number)] = other
    roots = [root(number) for number in range(len(rows))]
    numbers = {each: number for number, each in enumerate(dict.fromkeys(roots))}
    return torch.tensor([numbers[each] for each in roots])
