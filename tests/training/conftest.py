from collections.abc import Sequence

import pytest

from anchorwise.training import RunConfig, RunDirectory, apply_overrides, pretrain, recipe

TINY = [
    "data.num_train_images=60",
    "encoder.width=8",
    "method.head.output_width=8",
    "train.num_epochs=3",
    "train.batch_size=16",
    "train.drop_last=false",
    "train.log_every_steps=2",
    "train.knn_every_epochs=2",
    "train.checkpoint_every_epochs=1",
    "train.device=cpu",
]


def tiny_run(settings: Sequence[str] = ()) -> RunConfig:
    """Three epochs of four steps, the last of 12 images: done in about a second."""
    return apply_overrides(recipe("digits"), [*TINY, *settings])


def shortest_run() -> RunConfig:
    """One step."""
    return tiny_run(["train.num_epochs=1", "train.batch_size=60", "train.knn_every_epochs=0"])


@pytest.fixture(scope="session")
def tiny() -> RunConfig:
    return tiny_run()


@pytest.fixture(scope="session")
def finished(tiny: RunConfig, tmp_path_factory) -> RunDirectory:
    """The run of `tiny` that nobody stopped; all tests read the same one, so none may change it."""
    return pretrain(tiny, tmp_path_factory.mktemp("finished") / "run", show_progress=False)
