"""How long a training is: in epochs or in steps, of images that come once or more often."""

import signal
from pathlib import Path

import pytest
import torch

import anchorwise
from anchorwise._config import identity
from anchorwise.comparison import study_recipe
from anchorwise.methods import SimCLR
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch
from anchorwise.objectives import InfoNCE
from anchorwise.training import RunConfig, RunDirectory, TrainConfig, apply_overrides, load_config, pretrain, recipe
from anchorwise.training.checkpoint import load_checkpoint
from tests.training.stopping import send_at_step

SHORT = ["train.num_steps=7", "train.checkpoint_every_epochs=1", "data.num_train_images=20", "data.repeat=3"]


def _weights(directory: RunDirectory) -> list[torch.Tensor]:
    return list(load_checkpoint(directory.checkpoint_file)["model"].values())


def test_steps_stand_in_the_place_of_epochs_and_the_other_way_round(tmp_path: Path):
    assert (TrainConfig().num_epochs, TrainConfig().num_steps) == (100, None)
    assert TrainConfig(num_steps=5).num_epochs is None
    steps = apply_overrides(recipe("digits"), ["train.num_steps=5"])
    assert (steps.train.num_steps, steps.train.num_epochs) == (5, None)
    epochs = apply_overrides(steps, ["train.num_epochs=2"])
    assert (epochs.train.num_steps, epochs.train.num_epochs) == (None, 2)
    (tmp_path / "own.json").write_text(steps.model_dump_json())
    assert load_config(tmp_path / "own.json") == steps
    assert "num_steps" not in identity(epochs.train)


def test_both_lengths_or_none_are_refused_in_words():
    with pytest.raises(
        ValueError, match=r"train\.num_steps=5 and train\.num_epochs=2 both say how long to train; give"
    ):
        apply_overrides(recipe("digits"), ["train.num_steps=5", "train.num_epochs=2"])
    with pytest.raises(ValueError, match="give one of them"):
        TrainConfig(num_epochs=None)


def test_a_study_counts_in_epochs():
    study = study_recipe("compare-digits")
    with pytest.raises(ValueError, match=r"train\.num_epochs must be given here, got train\.num_steps=5"):
        apply_overrides(study, ["train.num_steps=5"])


def test_a_sample_that_stands_twice_in_a_batch_is_no_negative_of_itself():
    method = SimCLR(Encoder(torch.nn.Identity(), num_features=3), InfoNCE(), SimCLR.Config())
    rows, ids = (torch.randn(4, 3), torch.randn(4, 3)), torch.tensor([0, 1, 1, 2])
    repeated = Batch(rows[0], ids, draws=torch.arange(4))
    assert torch.equal(method.loss(*rows, batch=repeated).loss, InfoNCE()(*rows, ids=ids))
    assert torch.equal(method.loss(*rows, batch=Batch(rows[0], ids)).loss, InfoNCE()(*rows))


def test_repeated_samples_need_views_of_batches(tmp_path: Path):
    config = apply_overrides(recipe("digits"), ["data.repeat=2"])
    with pytest.raises(ValueError, match=r"data\.repeat needs views that are made of a batch"):
        anchorwise.pretrain(config, tmp_path / "run", views=lambda image: (image, -image), show_progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.whole
def test_a_training_in_steps_ends_within_an_epoch_and_is_saved_there(tiny: RunConfig, tmp_path: Path):
    run = pretrain(apply_overrides(tiny, SHORT), tmp_path / "run", show_progress=False)
    assert run.summary()["num_steps"] == 7
    assert run.summary()["num_samples"] == 20
    watched = [line["epoch"] for line in run.log() if line["kind"] == "watch"]
    assert watched == [1.75]  # An epoch has 60 images: batches of 16, 16, 16 and 12.
    assert load_checkpoint(run.checkpoint_file)["step"] == 7


@pytest.mark.whole
def test_inflated_data_go_on_within_an_epoch_where_they_stopped(tiny: RunConfig, tmp_path: Path, monkeypatch):
    config = apply_overrides(tiny, SHORT)
    whole = pretrain(config, tmp_path / "whole", show_progress=False)
    send_at_step(5, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 6 of 7"):
        pretrain(config, tmp_path / "stopped", show_progress=False)
    resumed = pretrain(config, tmp_path / "stopped", show_progress=False)
    assert all(map(torch.equal, _weights(whole), _weights(resumed)))
