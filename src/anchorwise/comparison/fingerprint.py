"""Which samples: a fingerprint that tells whether two machines have the same, and whether a test part leaks."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from anchorwise.modalities.fingerprint import digest
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.training import RunConfig
from anchorwise.training.reading_progress import reading_progress

_BLOCK = 4096  # Samples in memory at once.


def loaded(config: RunConfig) -> tuple[Splits[Samples], str]:
    """Return the samples of a run and their fingerprint; the last are kept in memory."""
    return _loaded(config.modality, config.data.model_dump_json())


@lru_cache(maxsize=1)
def _loaded(modality: str, data_json: str) -> tuple[Splits[Samples], str]:
    kind = modality_of(modality)
    with reading_progress() as show:
        splits = kind.load(kind.data.model_validate_json(data_json), on_progress=show)
    return splits, fingerprint(splits)


def fingerprint(splits: Splits[Samples]) -> str:
    """Return the digest of all samples and labels of all parts."""
    parts = [part for part in (splits.pretrain, splits.train, splits.test) if part is not None]
    return digest(*(tensor for part in parts for tensor in (*part.content(), part.labels)))


def leaked_share(splits: Splits[Samples]) -> float:
    """Return the share of test samples that are, byte for byte, among those to pretrain or to fit on."""
    if splits.test is None:
        return 0.0
    known = set(_digests(splits.pretrain))
    if splits.train is not splits.pretrain:
        known |= set(_digests(splits.train))
    found = [digest in known for digest in _digests(splits.test)]
    return sum(found) / len(found)


def _digests(part: Samples) -> Iterator[bytes]:
    for ids in torch.arange(len(part)).split(_BLOCK):
        view = part.take(ids)
        tensors = (view,) if isinstance(view, Tensor) else tuple(view.values())
        for row in zip(*tensors, strict=True):
            yield hashlib.blake2b(b"".join(map(_bytes, row)), digest_size=16).digest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.numpy().tobytes()
