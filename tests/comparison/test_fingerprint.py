from dataclasses import replace

import torch

from anchorwise.comparison.fingerprint import fingerprint, leaked_share
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.samples import Splits


def _splits() -> Splits:
    return load_splits(DataConfig(source="digits", num_train_images=60, num_test_images=40))


def test_the_fingerprint_is_that_of_pixels_and_labels():
    splits = _splits()
    assert fingerprint(splits) == fingerprint(_splits())
    assert splits.test is not None
    pixels = splits.test.images.clone()
    pixels[3, 0, 4, 4] ^= 1
    assert fingerprint(replace(splits, test=replace(splits.test, images=pixels))) != fingerprint(splits)
    labels = torch.roll(splits.test.labels, 1)
    assert fingerprint(replace(splits, test=replace(splits.test, labels=labels))) != fingerprint(splits)


def test_test_images_among_the_training_images_are_counted():
    splits = _splits()
    assert leaked_share(splits) == 0.0
    assert splits.test is not None
    mixed = torch.cat([splits.test.images[:30], splits.train.images[:10]])
    assert leaked_share(replace(splits, test=replace(splits.test, images=mixed))) == 0.25
