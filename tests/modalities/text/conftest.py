import pytest

from anchorwise.training import RunConfig, RunDirectory, apply_overrides, pretrain
from tests.modalities.text.test_tables import flickr

WHOLE = [
    pytest.mark.whole,  # Trainings, and transformers, which takes seconds to import.
    pytest.mark.usefixtures("as_users_call"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
TINY = [
    "modality=text",
    "encoder.num_layers=1",
    "encoder.width=16",
    "encoder.num_heads=2",
    "method.head.num_layers=0",
    "objective.name=cross_view",
    "data.vocab_size=120",
    "data.max_tokens=12",
    "train.num_epochs=2",
    "train.batch_size=4",
    "train.log_every_steps=1",
    "train.log_to=[]",
    "train.device=cpu",
]


def tiny(folder, *settings) -> RunConfig:
    return apply_overrides(RunConfig(), [*TINY, f"data.source={folder}", *settings])


@pytest.fixture(scope="session")
def captions(tmp_path_factory):
    return flickr(tmp_path_factory.mktemp("captions"))


@pytest.fixture(scope="session")
def finished(captions, tmp_path_factory) -> RunDirectory:
    """A run on captions; all tests read the same one, so none may change it."""
    return pretrain(tiny(captions), tmp_path_factory.mktemp("run") / "run", show_progress=False)
