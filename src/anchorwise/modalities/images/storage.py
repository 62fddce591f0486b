"""A frozen encoder on disk: weights in safetensors beside a JSON file that says how to rebuild it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, FiniteFloat
from torch import Tensor

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.modalities.encoder import (
    SPEC_FILE,
    DescribedEncoder,
    read_spec,
)
from anchorwise.modalities.images.channels import with_channels
from anchorwise.modalities.images.encoders import EncoderConfig, build_encoder
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.normalise import Normalisation
from anchorwise.modalities.images.sizes import AnySize, height_and_width
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import policy_for
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Samples, View
from anchorwise.modalities.views import ViewMaker, ViewPlan


class EncoderSpec(Section):
    """What an encoder is and what it expects.

    Attributes:
        modality: What it takes.
        encoder: The architecture.
        num_channels: Channels of its images.
        image_size_px: Height and width of its images, one number for squares.
        mean: Subtracted from pixels on the scale of [0, 1], per channel.
        std: Divides them afterwards, per channel.
    """

    modality: Literal["images"] = "images"
    encoder: EncoderConfig
    num_channels: int = Field(ge=1, le=1024)
    image_size_px: AnySize
    mean: tuple[FiniteFloat, ...]
    std: tuple[FiniteFloat, ...]


@dataclass(frozen=True)
class StoredEncoder(DescribedEncoder):
    """An encoder of images with what it expects."""

    spec: EncoderSpec

    @torch.no_grad()
    def plain(self, raw: View) -> Float[Tensor, "n c h w"]:
        """Return images as the encoder takes them.

        Raises:
            ValueError: If they are not of its size.
        """
        normalisation = self._normalisation()
        return normalisation(normalisation.unit(raw))

    def pixel_range(self) -> PixelRange:
        """Return where normalised pixels lie."""
        normalisation = self._normalisation()
        return PixelRange(normalisation.mean, normalisation.std)

    def adapted(self, samples: Samples) -> Samples:
        """Return images with the channels that the encoder takes; their size is that of the data's section.

        Raises:
            ValueError: If they have others that cannot be made of theirs.
        """
        if not isinstance(samples, ImageSet):
            return samples
        return replace(samples, images=with_channels(samples.images, self.spec.num_channels))

    def view_maker(self, plan: ViewPlan) -> ViewMaker:
        """Return the views of images of this size."""
        spec = self.spec
        policy, facts = policy_for("", height_and_width(spec.image_size_px)), {"mean": spec.mean, "std": spec.std}
        return RandomViews(policy, spec.num_channels, spec.image_size_px, **facts, plan=plan)

    def _normalisation(self) -> Normalisation:
        spec = self.spec
        return Normalisation(spec.num_channels, spec.image_size_px, mean=spec.mean, std=spec.std)


def save_encoder(folder: Path | str, stored: StoredEncoder) -> None:
    """Write `encoder.json` and `encoder.safetensors` into `folder`; each file appears whole or not at all."""
    stored.save(Path(folder))


def load_encoder(folder: Path | str) -> StoredEncoder:
    """Read an encoder that `save_encoder` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If one of the files is missing.
        UnusableFileError: If one is damaged, or the weights are not those of the architecture.
    """
    folder = Path(folder)
    spec = read_spec(EncoderSpec, folder)
    with _files.reading(folder / SPEC_FILE):
        encoder = build_encoder(spec.encoder, num_channels=spec.num_channels, image_size_px=spec.image_size_px)
    stored = StoredEncoder(encoder.eval(), spec)
    stored.restore(folder)
    return stored
