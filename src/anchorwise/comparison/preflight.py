"""What is refused before a study starts: samples that a fair comparison cannot use, and a disk that is too small."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from anchorwise.comparison.fingerprint import leaked_share, loaded
from anchorwise.comparison.results import RunResult
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.training import RunConfig
from anchorwise.training.order import num_batches

MAX_LEAKED_SHARE = 0.01


def checked_samples(data_set: str, config: RunConfig, known: Iterable[RunResult]) -> Splits[Samples]:
    """Load the samples of a data set.

    Args:
        data_set: Name in the study.
        config: Of any of its runs.
        known: Results that are there.

    Raises:
        FileNotFoundError: If they are not there.
        ValueError: If they have neither labels nor partners or make no batch, if test samples are among the training
            samples, or if results are of other samples, or the study is of another version of the code.
    """
    config.of_this_version()
    splits, fingerprint = loaded(config)
    if not (splits.are_judgeable or (splits.test is not None and splits.test.partners() is not None)):
        raise ValueError(
            f"data_sets.{data_set} must have labelled training and test samples of two classes or more to be judged "
            "on, or pairs"
        )
    leaked = leaked_share(splits)
    if leaked > MAX_LEAKED_SHARE:
        raise ValueError(
            f"data_sets.{data_set}: {leaked:.1%} of the test samples are training samples too, so every "
            "choice would touch test data; give it a test part of its own"
        )
    others = {result.data for result in known if result.data} - {fingerprint}
    if others:
        raise ValueError(
            f"data_sets.{data_set}: the samples here have fingerprint {fingerprint}, and results that are there are of "
            f"{', '.join(sorted(others))}; use the same samples, or give these another name"
        )
    num_batches(len(splits.pretrain.in_epoch), batch_size=config.train.batch_size, drop_last=config.train.drop_last)
    return splits


def check_disk(num_bytes: int, out: Path) -> None:
    """Refuse a study that needs more bytes than are free where `out` is or will be.

    Raises:
        ValueError: If so.
    """
    folder = next(parent for parent in (out.absolute(), *out.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise ValueError(
            f"the study needs about {num_bytes / 1e9:.2g} GB for its run directories, and {folder} has "
            f"{free / 1e9:.2g} GB free; choose another --out, or fewer seeds or points"
        )
