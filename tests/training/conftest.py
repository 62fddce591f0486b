import pytest

from anchorwise.training import RunConfig, apply_overrides, recipe

TINY = [
    "data.num_train_images=60",
    "encoder.width=8",
    "head.output_width=8",
    "train.num_epochs=3",
    "train.batch_size=16",
    "train.drop_last=false",
    "train.log_every_steps=2",
    "train.knn_every_epochs=2",
    "train.checkpoint_every_epochs=1",
    "train.device=cpu",
]


@pytest.fixture
def tiny() -> RunConfig:
    """Three epochs of four steps, the last of 12 images: done in about a second."""
    return apply_overrides(recipe("digits"), TINY)
