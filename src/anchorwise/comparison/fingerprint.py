"""Which images: a fingerprint that tells whether two machines have the same, and whether a test part leaks."""

import hashlib
from functools import lru_cache

from torch import Tensor

from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.fingerprint import digest
from anchorwise.modalities.images.image_set import ImageSet, Splits
from anchorwise.training.reading_progress import reading_progress


@lru_cache(maxsize=1)
def loaded(config_json: str) -> tuple[Splits, str]:
    """Return the images of a data configuration, given as JSON, and their fingerprint; the last are kept in memory."""
    with reading_progress() as show:
        splits = load_splits(DataConfig.model_validate_json(config_json), on_progress=show)
    return splits, fingerprint(splits)


def fingerprint(splits: Splits) -> str:
    """Return the digest of all pixels and labels of all parts."""
    parts = [part for part in (splits.pretrain, splits.train, splits.test) if part is not None]
    return digest(*(tensor for part in parts for tensor in (part.images, part.labels)))


def leaked_share(splits: Splits) -> float:
    """Return the share of test images that are, byte for byte, among the images to pretrain or to fit on."""
    if splits.test is None:
        return 0.0
    known = set(_digests(splits.pretrain))
    if splits.train is not splits.pretrain:
        known |= set(_digests(splits.train))
    found = [digest in known for digest in _digests(splits.test)]
    return sum(found) / len(found)


def _digests(part: ImageSet) -> list[bytes]:
    return [hashlib.blake2b(_bytes(image), digest_size=16).digest() for image in part.images]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.numpy().tobytes()
