"""Images to frozen features, once."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from rich.progress import track
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.rows import check_finite
from anchorwise.modalities.images import EncoderSpec
from anchorwise.modalities.images.augment import AugmentConfig, RandomViews
from anchorwise.modalities.images.image_set import ImageSet, Splits


def embed(
    encoder: nn.Module,
    image_set: ImageSet,
    *,
    transform: Callable[[Tensor], Tensor],
    batch_size: int = 512,
    device: torch.device | str = "cpu",
    split: str = "",
    show_progress: bool = False,
) -> Embeddings:
    """Return one feature row per image, in the order of the set; no image is dropped and nothing is random.

    Args:
        encoder: Maps a batch of transformed images to rows; it is used in evaluation mode and left as it was. On
            another device than `device` a copy of it is used.
        image_set: The images.
        transform: Makes the encoder's input of uint8 images of shape (batch, channels, size, size), without
            augmentation.
        batch_size: Images at a time; the features do not depend on it beyond rounding.
        device: Where it runs; the features come back to the CPU.
        split: Kept with the features.
        show_progress: Draw a progress bar on the terminal.

    Raises:
        ValueError: If `batch_size` is below 1, or the encoder gives rows that are not finite.
    """
    _checks.count("batch_size", batch_size)
    starts = range(0, len(image_set), batch_size)
    rows = []
    with _frozen(_on(encoder, torch.device(device))) as frozen:
        for start in track(starts, description=f"Embedding {split}".rstrip(), disable=not show_progress):
            images = image_set.images[start : start + batch_size].to(device)
            rows.append(frozen(transform(images)).float().cpu())
    return _of_images(torch.cat(rows), image_set, split)


def pixels(image_set: ImageSet, *, split: str = "") -> Embeddings:
    """Return the pixels themselves, scaled to [0, 1], as features: a baseline that has learnt nothing."""
    rows = image_set.images.flatten(start_dim=1).float() / 255.0
    return _of_images(rows, image_set, split)


def embed_splits(
    encoder: nn.Module,
    spec: EncoderSpec,
    splits: Splits,
    *,
    device: torch.device | str = "cpu",
    show_progress: bool = False,
) -> tuple[Embeddings, Embeddings]:
    """Return the features of the training and the test images by an encoder that expects images as `spec` says.

    Raises:
        ValueError: As `embed`, if there are no test images, or the images are not of the encoder's size.
    """
    train, test = (
        embed_images(encoder, spec, part, split=name, device=device, show_progress=show_progress)
        for name, part in (("train", splits.train), ("test", test_of(splits)))
    )
    return train, test


def embed_images(
    encoder: nn.Module,
    spec: EncoderSpec,
    images: ImageSet,
    *,
    split: str = "",
    device: torch.device | str = "cpu",
    show_progress: bool = False,
) -> Embeddings:
    """Return the features of images by an encoder that expects them as `spec` says.

    Raises:
        ValueError: As `embed`, or if the images are not of the encoder's size.
    """
    plain = RandomViews(AugmentConfig(), spec.num_channels, spec.image_size_px, mean=spec.mean, std=spec.std).plain
    return embed(encoder, images, transform=plain, device=device, split=split, show_progress=show_progress)


def as_device(name: str, argument: str = "device") -> torch.device:
    """Return the device of that name; "auto" is CUDA where there is one.

    Args:
        name: As torch has it, or "auto".
        argument: What an error calls it.

    Raises:
        ValueError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        probe = torch.zeros(1, device=name)
        probe.item()  # Some devices, such as "meta", take tensors and compute nothing.
    except (RuntimeError, AssertionError) as error:  # An AssertionError is how torch built without CUDA says so.
        raise ValueError(f"{argument} must be 'auto' or a torch device of this machine, got {name!r}") from error
    return probe.device


def test_of(splits: Splits) -> ImageSet:
    """Return the test images.

    Raises:
        ValueError: If there are none.
    """
    if splits.test is None:
        raise ValueError("the data must have a test part to be judged on, got none; add a folder `test` of images")
    return splits.test


def _of_images(rows: Tensor, image_set: ImageSet, split: str) -> Embeddings:
    check_finite(rows)
    labels = None if image_set.labels is None else image_set.labels.numpy()
    return Embeddings(
        (rows.numpy(),), labels=labels, names=image_set.names, class_names=image_set.class_names, split=split
    )


def _on(encoder: nn.Module, device: torch.device) -> nn.Module:
    tensors = (*encoder.parameters(), *encoder.buffers())
    is_there = all(torch.empty(0, device=device).device == tensor.device for tensor in tensors)
    return encoder if is_there else copy.deepcopy(encoder).to(device)


@contextmanager
def _frozen(encoder: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode without gradients; every module gets its own mode back."""
    modes = {module: module.training for module in encoder.modules()}
    encoder.eval()
    try:
        with torch.no_grad():
            yield encoder
    finally:
        for module, mode in modes.items():
            module.training = mode
