"""Images to frozen features, once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from rich.progress import track
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.data.augment import AugmentConfig, TwoViewAugmentation
from anchorwise.data.images import ImageSet, Splits
from anchorwise.evaluation.features import Features
from anchorwise.models import EncoderSpec


def embed(
    encoder: nn.Module,
    image_set: ImageSet,
    *,
    transform: Callable[[Tensor], Tensor],
    batch_size: int = 512,
    device: torch.device | str = "cpu",
    split: str = "",
    show_progress: bool = False,
) -> Features:
    """Return one feature row per image, in the order of the set; no image is dropped and nothing is random.

    Args:
        encoder: Maps a batch of transformed images to rows; it is used in evaluation mode and left as it was.
        image_set: The images.
        transform: Makes the encoder's input of uint8 images of shape (batch, channels, size, size), without
            augmentation.
        batch_size: Images at a time; the features do not depend on it beyond rounding.
        device: Where the encoder is moved and runs; the features come back to the CPU.
        split: Kept with the features.
        show_progress: Draw a progress bar on the terminal.

    Raises:
        ValueError: If `batch_size` is below 1, or the encoder gives rows that are not finite.
    """
    _checks.count("batch_size", batch_size)
    starts = range(0, len(image_set), batch_size)
    rows = []
    with _frozen(encoder.to(device)):
        for start in track(starts, description=f"Embedding {split}".rstrip(), disable=not show_progress):
            images = image_set.images[start : start + batch_size].to(device)
            rows.append(encoder(transform(images)).float().cpu())
    return Features(torch.cat(rows), image_set.labels, image_set.names, image_set.class_names, split)


def pixels(image_set: ImageSet, *, split: str = "") -> Features:
    """Return the pixels themselves, scaled to [0, 1], as features: a baseline that has learnt nothing."""
    rows = image_set.images.flatten(start_dim=1).float() / 255.0
    return Features(rows, image_set.labels, image_set.names, image_set.class_names, split)


def embed_splits(
    encoder: nn.Module,
    spec: EncoderSpec,
    splits: Splits,
    *,
    device: torch.device | str = "cpu",
    show_progress: bool = False,
) -> tuple[Features, Features]:
    """Return the features of the training and the test images by an encoder that expects images as `spec` says.

    Raises:
        ValueError: As `embed`, if there are no test images, or the images are not of the encoder's size.
    """
    plain = TwoViewAugmentation(
        AugmentConfig(), spec.num_channels, spec.image_size_px, mean=spec.mean, std=spec.std
    ).plain
    train, test = (
        embed(encoder, part, transform=plain, device=device, split=name, show_progress=show_progress)
        for name, part in (("train", splits.train), ("test", test_of(splits)))
    )
    return train, test


def as_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is CUDA where there is one.

    Raises:
        ValueError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # An AssertionError is how torch built without CUDA says so.
        raise ValueError(f"device must be 'auto' or a torch device of this machine, got {name!r}") from error


def test_of(splits: Splits) -> ImageSet:
    """Return the test images.

    Raises:
        ValueError: If there are none.
    """
    if splits.test is None:
        raise ValueError("the data must have a test part to be judged on, got none; add a folder `test` of images")
    return splits.test


@contextmanager
def _frozen(encoder: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every module gets its own mode back."""
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
