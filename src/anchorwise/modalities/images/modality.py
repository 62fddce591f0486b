"""Images as a modality."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, final

import torch
from torch import Tensor

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Exported, Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.encoders import EncoderConfig, build_encoder
from anchorwise.modalities.images.export import export_encoder
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.normalise import Normalisation, pixel_statistics
from anchorwise.modalities.images.onnx import export_onnx
from anchorwise.modalities.images.pretrained import file_digest, load_pretrained
from anchorwise.modalities.images.sizes import as_size
from anchorwise.modalities.images.storage import EncoderSpec, StoredEncoder, load_encoder
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import ViewPolicy, policy_for
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.views import ViewMaker, ViewPlan

_MAX_MEASURED = 4096  # Samples whose pixels are looked at, where they do not lie in memory.


@final
class Images(Modality):
    """Images of one size and channel count, from files, archives or data sets by name."""

    data = DataConfig
    views = ViewPolicy
    encoder = EncoderConfig

    def export(self, frozen: FrozenEncoder, out: Path) -> Exported:
        """Write an encoder for torchvision or timm."""
        return export_encoder(cast(StoredEncoder, frozen), out)

    def export_onnx(self, frozen: FrozenEncoder, out: Path) -> Exported:
        """Write an encoder of any architecture for runtimes that read ONNX."""
        return export_onnx(cast(StoredEncoder, frozen), out)

    def load(self, data: DataConfig, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read the images that a run asks for (`anchorwise.modalities.images.datasets`)."""
        return load_splits(data, on_progress=on_progress)

    def other_data(
        self, source: str, *, like: DataConfig, frozen: FrozenEncoder | None = None, **where: Any
    ) -> DataConfig:
        """Return where to find all images of another source, of an encoder's size, with the limit in memory of these.

        Raises:
            ValueError: If the source is none, or the encoder's images are no squares.
        """
        size_px = frozen.spec.image_size_px if isinstance(frozen, StoredEncoder) else like.image_size_px
        if isinstance(size_px, tuple):
            size_px = None  # There is no resizing to other shapes: the images have to be of it.
        other = DataConfig(max_decoded_gib=like.max_decoded_gib, **where)
        changed = other.model_copy(update={"source": source, "image_size_px": size_px})
        return section_of_json(DataConfig, changed.model_dump_json())

    def resolved_views(self, views: ViewPolicy | None, data: DataConfig, samples: Samples) -> ViewPolicy:
        """Return the policy; left out, that of the data source."""
        return views or policy_for(data.source, _shape(self.examples(samples))[1:])

    def resolved_encoder(self, encoder: EncoderConfig, samples: Samples | None = None) -> EncoderConfig:
        """Return the section with the digest of a pretrained start; one that is there is believed until it is read.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        if encoder.pretrained is None or encoder.pretrained_digest is not None:
            return encoder
        return encoder.model_copy(update={"pretrained_digest": file_digest(encoder.pretrained)})

    def without_start(self, encoder: EncoderConfig) -> EncoderConfig:
        """Return the section without its pretrained start, whose file may be gone."""
        return encoder.model_copy(update={"pretrained": None})

    def view_maker(self, views: ViewPolicy, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return random views, normalised by the pixels of the samples."""
        num_channels, height_px, width_px = _shape(self.examples(samples))
        pixels = _pixels(samples)
        _check_range(pixels)
        mean, std = pixel_statistics(pixels)
        return RandomViews(views, num_channels, as_size(height_px, width_px), mean=mean, std=std, plan=plan)

    def new_encoder(self, encoder: EncoderConfig, examples: Sequence[View]) -> Encoder:
        """Return an encoder as a training begins with it, laid out for speed."""
        num_channels, height_px, width_px = _shape(examples)
        size_px = as_size(height_px, width_px)
        built = build_encoder(encoder, num_channels=num_channels, image_size_px=size_px)
        if encoder.pretrained is not None:
            built.origin = load_pretrained(built.backbone, encoder.pretrained, digest=encoder.pretrained_digest)
        built.hold_still(encoder.freeze or ())
        return built.channels_last()

    def freeze(
        self, encoder: Encoder, section: EncoderConfig, views: ViewMaker, examples: Sequence[View]
    ) -> StoredEncoder:
        """Return an encoder with the size and the normalisation of its images; own views normalise by themselves."""
        num_channels, height_px, width_px = _shape(examples)
        plain = Normalisation(num_channels, (height_px, width_px))
        normalisation = views.normalisation if isinstance(views, RandomViews) else plain
        mean, std = (tuple(part.flatten().tolist()) for part in (normalisation.mean, normalisation.std))
        size_px = as_size(height_px, width_px)
        spec = EncoderSpec(encoder=section, num_channels=num_channels, image_size_px=size_px, mean=mean, std=std)
        return StoredEncoder(encoder, spec)

    def rebuild(self, folder: Path) -> StoredEncoder:
        """Read a stored encoder, in evaluation mode."""
        return load_encoder(folder)


def _shape(examples: Sequence[View]) -> tuple[int, int, int]:
    """Return channels, height and width of the last, which is what is judged.

    Raises:
        ValueError: If the samples are no images.
    """
    first = examples[-1]
    if not isinstance(first, Tensor) or first.ndim != 4:
        form = tuple(first.shape[1:]) if isinstance(first, Tensor) else type(first).__name__
        raise ValueError(
            "the recipe's views and encoders are for images of shape (channels, height, width), got samples of "
            f"{form}; bring your own views and your own encoder"
        )
    _, num_channels, height_px, width_px = first.shape
    return num_channels, height_px, width_px


def _check_range(pixels: Tensor) -> None:
    if pixels.is_floating_point() and not (float(pixels.min()) >= 0.0 and float(pixels.max()) <= 1.0):
        raise ValueError(
            "images in floating point must lie in [0, 1] for the recipe's views, got "
            f"{float(pixels.min()):.4g} .. {float(pixels.max()):.4g}; scale them, or bring your own views"
        )


def _pixels(samples: Samples) -> Tensor:
    """Return images whose pixels stand for those of all."""
    if isinstance(samples, ImageSet):
        return samples.images
    stride = -(-len(samples) // _MAX_MEASURED)
    return cast(Tensor, samples.take(torch.arange(0, len(samples), stride)))
