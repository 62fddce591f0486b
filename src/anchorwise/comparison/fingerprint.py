"""Which samples: whether two machines have the same, whether a test part leaks, and which are left out to choose on."""

from functools import lru_cache

import torch

from anchorwise.modalities.fingerprint import digest
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.modalities.selection import held_out
from anchorwise.training import RunConfig
from anchorwise.training.reading_progress import reading_progress


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
    """Return the share of test samples of which an equal one is among those to pretrain or to fit on."""
    if splits.test is None:
        return 0.0
    known = set(splits.pretrain.digests())
    if splits.train is not splits.pretrain:
        known |= set(splits.train.digests())
    found = [digest in known for digest in splits.test.digests()]
    return sum(found) / len(found)


def without_held_out(splits: Splits[Samples], fraction: float) -> Splits[Samples]:
    """Return the training samples without a part, the same for every run, and that part in the place of the test one.

    Samples of one group are all in one part, and of every class there is the same share.
    """
    samples = splits.pretrain
    labels = torch.zeros(len(samples), dtype=torch.int64) if samples.labels is None else samples.labels
    is_left_out = held_out(labels, fraction, seed=0, groups=samples.groups)
    rest = samples.subset((~is_left_out).nonzero().flatten())
    return Splits(rest, rest, samples.subset(is_left_out.nonzero().flatten()))
