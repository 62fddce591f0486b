"""Images damaged on the fly: noise, blur and JPEG, at the five severities of CIFAR-10-C.

Each is a function of the image, the strength and a seed for every image, so a damaged test set is the same every time.

Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
section 4, https://arxiv.org/abs/1903.12261, and the released script that made CIFAR-10-C, whose strengths these are.
Deviations: noise is drawn by torch, and the blur is that of torchvision, with borders reflected.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from anchorwise.modalities.samples import Samples
from anchorwise.modalities.seeds import mixed_seed

# n = images, m = chosen images, c = channels, h = height, w = width (pixels)


@dataclass(frozen=True)
class Corruption:
    """A way to damage images.

    Attributes:
        words: What tables call it.
        strengths: From the mildest to the most severe.
        unit: What a strength is.
        damage: Maps uint8 images of shape (images, channels, height, width), a strength and a seed for each image to
            such images.
    """

    words: str
    strengths: tuple[float, ...]
    unit: str
    damage: Callable[[Tensor, float, Sequence[int]], Tensor]


def noisy(images: UInt8[Tensor, "n c h w"], deviation: float, seeds: Sequence[int]) -> UInt8[Tensor, "n c h w"]:
    """Return images with Gaussian noise.

    Args:
        images: Pixels 0..255.
        deviation: Standard deviation on the scale of [0, 1].
        seeds: Decide the noise of every image.
    """
    generator, noise = torch.Generator(), torch.empty(images.shape)
    for row, seed in zip(noise, seeds, strict=True):
        row.normal_(std=255.0 * deviation, generator=generator.manual_seed(seed))
    return _as_bytes(images.float() + noise)


def blurred(images: UInt8[Tensor, "n c h w"], sigma_px: float, seeds: Sequence[int]) -> UInt8[Tensor, "n c h w"]:
    """Return images blurred by a Gaussian that reaches four standard deviations, or the image's own size.

    Args:
        images: Pixels 0..255.
        sigma_px: Standard deviation in pixels.
        seeds: Unused: nothing is random.
    """
    from torchvision.transforms.v2.functional import gaussian_blur

    reach_px = [min(math.ceil(4 * sigma_px), side - 1) for side in images.shape[-2:]]
    width_then_height = [2 * reach_px[1] + 1, 2 * reach_px[0] + 1]
    return _as_bytes(gaussian_blur(images.float(), width_then_height, [sigma_px, sigma_px]))


def compressed(images: UInt8[Tensor, "n c h w"], quality: float, seeds: Sequence[int]) -> UInt8[Tensor, "n c h w"]:
    """Return images as JPEG keeps them.

    Args:
        images: Pixels 0..255, grey or red-green-blue.
        quality: Of Pillow's encoder, 1 to 95.
        seeds: Unused: nothing is random.
    """
    kept = [_decoded(image, round(quality)) for image in images.permute(0, 2, 3, 1).numpy()]
    return torch.from_numpy(np.stack(kept)).view(len(images), *images.shape[2:], -1).permute(0, 3, 1, 2).contiguous()


CORRUPTIONS: dict[str, Corruption] = {
    "noise": Corruption("noise", (0.04, 0.06, 0.08, 0.09, 0.10), "standard deviation on [0, 1]", noisy),
    "blur": Corruption("blur", (0.4, 0.6, 0.7, 0.8, 1.0), "standard deviation in px", blurred),
    "jpeg": Corruption("JPEG", (80, 65, 58, 50, 40), "quality", compressed),
}


class Damaged(Samples):
    """Images of another set, damaged when they are taken.

    Args:
        samples: The set.
        corruption: How.
        strength: How much.
        seed: Decides what is random, with the number of each image.

    Raises:
        ValueError: If they are no images of bytes, or JPEG cannot keep their channels.
    """

    def __init__(self, samples: Samples, corruption: Corruption, strength: float, *, seed: int) -> None:
        self._samples, self._corruption, self._strength, self._seed = samples, corruption, strength, seed
        self.labels, self.class_names, self.names = samples.labels, samples.class_names, samples.names
        self.groups, self.skipped = samples.groups, samples.skipped
        first = samples.take(torch.arange(1))
        if not isinstance(first, Tensor) or first.dtype != torch.uint8 or first.ndim != 4:
            form = f"{first.dtype} {tuple(first.shape[1:])}" if isinstance(first, Tensor) else type(first).__name__
            raise ValueError(f"only images of bytes, of shape (channels, height, width), can be damaged, got {form}")
        if corruption.damage is compressed and first.shape[1] not in (1, 3):
            raise ValueError(
                f"JPEG keeps images of 1 or 3 channels, got {first.shape[1]}; leave it out: "
                "judges.robustness.corruptions=['noise', 'blur']"
            )

    @property
    def what(self) -> str:
        """What the images are, and how they were damaged."""
        return f"{self._samples.what}, {self._corruption.words} {self._strength:g}"

    def __len__(self) -> int:
        return len(self._samples)

    def take(self, ids: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        """Return damaged images, each the same whatever is taken beside it."""
        images = cast(Tensor, self._samples.take(ids))
        return self._corruption.damage(images, self._strength, [mixed_seed(self._seed, one) for one in ids.tolist()])

    def subset(self, ids: Int64[Tensor, " m"]) -> "Damaged":
        """Return a set of these images, whose noise is another one: it goes by their numbers."""
        return Damaged(self._samples.subset(ids), self._corruption, self._strength, seed=self._seed)


def _as_bytes(pixels: Tensor) -> Tensor:
    return pixels.round().clamp(0, 255).to(torch.uint8)


def _decoded(image: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
