"""Images with the tokens of their captions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from anchorwise.modalities.image_text.reader import IMAGE_OF
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.samples import Partners, Samples, Skipped
from anchorwise.modalities.text.samples import TextSamples
from anchorwise.modalities.views import PIXELS

# n = images, b = images of a batch, m = chosen images, c = channels, h = height, w = width (pixels)


@final
@dataclass(frozen=True, eq=False)
class ImageTextSamples(Samples):
    """One sample for every image; an encoder is judged on the images, and on how their captions are found.

    Attributes:
        images: The images, with their classes where they have some.
        texts: One sample of one or more captions for each image; None where there are none.
    """

    images: ImageSet
    texts: TextSamples | None

    def __post_init__(self) -> None:
        for name in ("labels", "class_names", "names", "groups"):
            object.__setattr__(self, name, getattr(self.images, name))

    @property
    def skipped(self) -> tuple[Skipped, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Images and captions that were left out."""
        return (*self.images.skipped, *(self.texts.skipped if self.texts is not None else ()))

    @property
    def what(self) -> str:
        """What the images are, and what the captions."""
        return self.images.what if self.texts is None else f"{self.images.what} with captions: {self.texts.what}"

    def __len__(self) -> int:
        return len(self.images)

    def take(self, ids: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        """Return images."""
        return self.images.take(ids)

    def item(self, number: int) -> tuple[UInt8[Tensor, "c h w"], tuple[str, ...]]:
        """Return an image and its captions."""
        return self.images.item(number), () if self.texts is None else self.texts.item(number)

    def subset(self, ids: Int64[Tensor, " m"]) -> "ImageTextSamples":
        """Return a set of these samples, in this order."""
        return ImageTextSamples(self.images.subset(ids), None if self.texts is None else self.texts.subset(ids))

    def thumbnails(self, ids: Int64[Tensor, " b"]) -> Float[Tensor, "b d"] | None:
        """Return those of the images."""
        return self.images.thumbnails(ids)

    def picture(self, item: int) -> UInt8[Tensor, "c h w"]:
        """Return an image."""
        return self.images.picture(item)

    def partners(self) -> TextSamples | None:
        """Return the captions, of which the first of each counts."""
        return self.texts

    def all_partners(self) -> Partners | None:
        """Return each caption of each image."""
        return None if self.texts is None else self.texts.each_text()

    def joined(self, ids: Int64[Tensor, " b"], others: Int64[Tensor, " b"]) -> dict[str, Tensor] | None:
        """Return images, each once, and the captions of others, each with the number of its image among these."""
        if self.texts is None:
            return None
        distinct, image_of = ids.unique(return_inverse=True)
        return {**self.texts.take(others), PIXELS: self.images.take(distinct), IMAGE_OF: image_of}

    def content(self) -> Iterator[Tensor]:
        """Yield pixels and tokens."""
        yield from self.images.content()
        if self.texts is not None:
            yield from self.texts.content()
