"""Two trained towers on disk.

    encoder.json, encoder.safetensors     both, with what brings them into one space, and what reads both together
    image/, text/                         each tower alone, as runs on images and on texts store theirs

So `anchorwise evaluate RUN/image --data cifar10` judges the images' own features, and `RUN/text` is a folder of
sentence-transformers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from anchorwise._config import Section
from anchorwise.modalities.encoder import DescribedEncoder, read_spec
from anchorwise.modalities.image_text.config import ImageTextEncoderConfig
from anchorwise.modalities.image_text.encoders import TwoTowers
from anchorwise.modalities.image_text.reader import ReaderConfig
from anchorwise.modalities.image_text.samples import ImageTextSamples
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.storage import StoredEncoder, load_encoder
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Samples, View, moved
from anchorwise.modalities.text.samples import TextSamples
from anchorwise.modalities.text.storage import FrozenText, load_text_encoder
from anchorwise.modalities.text.tokenizer import padded
from anchorwise.modalities.views import PIXELS
from anchorwise.pairs import unit_rows

# n = images or texts, c = channels, h = height, w = width (pixels), f = width of the shared space

IMAGE_FOLDER, TEXT_FOLDER = "image", "text"


class TowersSpec(Section):
    """What the two towers are; what each expects stands in its own folder.

    Attributes:
        modality: What they take.
        encoder: The architecture.
        reader: Of what reads an image and a text together, where the method trained such.
    """

    modality: Literal["image_text"] = "image_text"
    encoder: ImageTextEncoderConfig
    reader: ReaderConfig | None = None


@dataclass(frozen=True)
class FrozenTowers(DescribedEncoder):
    """Two trained towers with what they expect."""

    spec: TowersSpec
    image: StoredEncoder
    text: FrozenText

    def plain(self, raw: View) -> View:
        """Return images normalised, and tokens as they are."""
        if isinstance(raw, Tensor):
            return self.image.plain(raw)
        return raw if PIXELS not in raw else {**raw, PIXELS: cast(Tensor, self.image.plain(raw[PIXELS]))}

    def pixel_range(self) -> PixelRange:
        """Return where normalised pixels lie."""
        return self.image.pixel_range()

    @torch.no_grad()
    def encode_image(
        self, images: UInt8[Tensor, "n c h w"], *, normalize: bool = False, batch_size: int = 256
    ) -> Float[Tensor, "n f"]:
        """Return one row per image, in evaluation mode, on the device of the encoder.

        Args:
            images: Of the encoder's channels and size.
            normalize: Bring every row to length 1.
            batch_size: Images at a time.
        """
        return self._rows([self.plain(moved(part, self._device)) for part in images.split(batch_size)], normalize)

    @torch.no_grad()
    def encode_text(
        self, texts: Sequence[str], *, normalize: bool = False, batch_size: int = 256
    ) -> Float[Tensor, "n f"]:
        """Return one row per text, likewise.

        Args:
            texts: What is longer than the text tower's `max_tokens` is cut.
            normalize: Bring every row to length 1.
            batch_size: Texts at a time.
        """
        most = self.text.max_tokens
        tokens = self.text.tokenizer.encode(texts, max_tokens=most)
        parts = torch.arange(len(texts)).split(batch_size)
        views = ([tokens.of(number) for number in part.tolist()] for part in parts)
        return self._rows(
            [moved(padded(view, self.text.tokenizer.pad, most=most), self._device) for view in views], normalize
        )

    def adapted(self, samples: Samples) -> Samples:
        """Return images with the channels, and captions in the tokens, that the towers take.

        Raises:
            ValueError: If they are neither.
        """
        if isinstance(samples, TextSamples):
            return self.text.adapted(samples)
        if isinstance(samples, ImageTextSamples):
            texts = None if samples.texts is None else cast(TextSamples, self.text.adapted(samples.texts))
            return replace(samples, images=cast(ImageSet, self.image.adapted(samples.images)), texts=texts)
        return self.image.adapted(samples)

    def save(self, folder: Path) -> None:
        """Write both; every file appears whole or not at all."""
        for tower, name in ((self.image, IMAGE_FOLDER), (self.text, TEXT_FOLDER)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            tower.save(folder / name)
        super().save(folder)

    @property
    def _device(self) -> torch.device:
        return next(self.encoder.parameters()).device

    def _rows(self, views: Sequence[View], normalize: bool) -> Float[Tensor, "n f"]:
        was_training = self.encoder.training
        self.encoder.eval()
        rows = torch.cat([self.encoder(view) for view in views])
        self.encoder.train(was_training)
        return unit_rows(rows) if normalize else rows


def load_towers(folder: Path) -> FrozenTowers:
    """Read what `FrozenTowers.save` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If one is damaged.
    """
    spec = read_spec(TowersSpec, folder)
    image, text = load_encoder(folder / IMAGE_FOLDER), load_text_encoder(folder / TEXT_FOLDER)
    towers = TwoTowers(image.encoder, text.encoder, width=spec.encoder.width)
    if spec.reader is not None:
        towers.read_by(spec.reader)
    frozen = FrozenTowers(towers.eval(), spec, image, text)
    frozen.restore(folder)
    return frozen
