"""Samples to frozen features, once."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, cast

import torch
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.rows import check_finite
from anchorwise.evaluation.work import Work
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.samples import AnySamples, Samples, Splits, View, moved


@dataclass(frozen=True, eq=False)
class EmbeddedSamples(Embeddings):
    """Embeddings that know what they were made of and by what, for judges that ask more than rows can answer.

    Attributes:
        samples: One for each row.
        frozen: The encoder.
    """

    samples: Samples | None = None
    frozen: FrozenEncoder | None = None


def origin_of(rows: Embeddings, judge: str) -> tuple[Samples, FrozenEncoder]:
    """Return samples and encoder of rows.

    Raises:
        ValueError: If nobody knows them, as of a file; the message names the judge that asks.
    """
    if not isinstance(rows, EmbeddedSamples) or rows.samples is None or rows.frozen is None:
        raise ValueError(
            f"judge {judge!r} needs the encoder and its samples, got rows of features alone; judge the folder of a "
            "run, or in Python give encoder= and samples"
        )
    return rows.samples, rows.frozen


def embed(
    encoder: nn.Module,
    samples: Samples,
    *,
    transform: Callable[[Any], View],
    batch_size: int = 512,
    device: torch.device | str = "cpu",
    split: str = "",
    show_progress: bool = False,
) -> Embeddings:
    """Return one feature row per sample, in the order of the set; no sample is dropped and nothing is random.

    Args:
        encoder: Maps a batch of transformed samples to rows; it is used in evaluation mode and left as it was. On
            another device than `device` a copy of it is used.
        samples: What to embed.
        transform: Makes the encoder's input of what `samples.take` gives, on `device`, without anything random.
        batch_size: Samples at a time; the features do not depend on it beyond rounding.
        device: Where it runs; the features come back to the CPU.
        split: Kept with the features.
        show_progress: Show how far it is.

    Raises:
        ValueError: If `batch_size` is below 1, or the encoder gives rows that are not finite.
    """
    _checks.count("batch_size", batch_size)
    parts = torch.arange(len(samples)).split(batch_size)
    rows = []
    with evaluation_mode(on_device(encoder, torch.device(device))) as frozen:
        for ids in Work(show=show_progress).through(parts, f"Embedding {split}".rstrip()):
            rows.append(frozen(transform(moved(samples.take(ids), device))).float().cpu())
    return _of_samples(torch.cat(rows), samples, split)


def pixels(samples: Samples, *, split: str = "") -> Embeddings:
    """Return the pixels of images themselves, scaled to [0, 1], as features: a baseline that has learnt nothing."""
    images = cast(Tensor, samples.take(torch.arange(len(samples))))
    return _of_samples(images.flatten(start_dim=1).float() / 255.0, samples, split)


def embed_splits(
    frozen: FrozenEncoder,
    splits: Splits[Samples],
    *,
    device: torch.device | str = "cpu",
    show_progress: bool = False,
) -> tuple[EmbeddedSamples, EmbeddedSamples]:
    """Return the features of the training and the test samples.

    Raises:
        ValueError: As `embed`, if there are no test samples, or the encoder does not take such samples.
    """
    parts = (("train", splits.train), ("test", test_of(splits)))
    train, test = (
        embed_samples(frozen, part, split=name, device=device, show_progress=show_progress) for name, part in parts
    )
    return train, test


def embed_samples(
    frozen: FrozenEncoder,
    samples: Samples,
    *,
    split: str = "",
    device: torch.device | str = "cpu",
    show_progress: bool = False,
) -> EmbeddedSamples:
    """Return the features of samples by an encoder that says what it expects.

    Raises:
        ValueError: As `embed`, or if the encoder does not take such samples.
    """
    rows = embed(
        frozen.encoder, samples, transform=frozen.plain, device=device, split=split, show_progress=show_progress
    )
    return with_origin(rows, samples, frozen)


def with_origin(rows: Embeddings, samples: Samples, frozen: FrozenEncoder) -> EmbeddedSamples:
    """Return rows that know of which samples they are and by which encoder."""
    known = {field.name: getattr(rows, field.name) for field in fields(Embeddings)}
    return EmbeddedSamples(**known, samples=samples, frozen=frozen)


def test_of(splits: Splits[AnySamples]) -> AnySamples:
    """Return the test samples.

    Raises:
        ValueError: If there are none.
    """
    if splits.test is None:
        raise ValueError("the data must have a test part to be judged on, got none; add a folder `test`")
    return splits.test


def _of_samples(rows: Tensor, samples: Samples, split: str) -> Embeddings:
    check_finite(rows, split)
    labels, groups = (None if each is None else each.numpy() for each in (samples.labels, samples.groups))
    known = {"labels": labels, "groups": groups, "names": samples.names, "class_names": samples.class_names}
    known["image"] = samples.picture
    return Embeddings((rows.numpy(),), **known, split=split)


def on_device(encoder: nn.Module, device: torch.device) -> nn.Module:
    """Return an encoder on a device: itself if it is there, else a copy."""
    tensors = (*encoder.parameters(), *encoder.buffers())
    is_there = all(torch.empty(0, device=device).device == tensor.device for tensor in tensors)
    return encoder if is_there else copy.deepcopy(encoder).to(device)


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode without gradients; every module gets its own mode back."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            yield network
    finally:
        for module, mode in modes.items():
            module.training = mode
