"""A linear probe beside the method: it learns, and the method does not notice."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.samples import Splits
from anchorwise.training import RunDirectory, pretrain
from anchorwise.training.loop import train_run
from anchorwise.training.online_probe import LEARNING_RATE, OnlineProbe
from tests.training.conftest import tiny_run


def weights(directory: RunDirectory) -> dict[str, torch.Tensor]:
    return load_file(directory.path / "encoder.safetensors")


def logged(directory: RunDirectory) -> list[float]:
    return [line["online_probe"] for line in directory.log() if "online_probe" in line]


@pytest.mark.whole
def test_the_method_does_not_notice_and_the_log_has_the_accuracy(finished: RunDirectory, tmp_path: Path):
    directory = pretrain(tiny_run(["train.online_probe=true"]), tmp_path / "run", show_progress=False)
    expected = weights(finished)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(directory).items())
    assert len(logged(directory)) == 6
    assert all(0.0 <= value <= 1.0 for value in logged(directory))
    assert logged(finished) == []


@pytest.mark.whole
def test_a_resumed_probe_goes_on_and_one_asked_for_later_begins(finished: RunDirectory, tmp_path: Path, monkeypatch):
    config = tiny_run(["train.online_probe=true"])
    whole = logged(pretrain(config, tmp_path / "whole", show_progress=False))

    def stopped(self, state, num_epochs, log, progress):
        original(self, state, num_epochs, log, progress)
        raise InterruptedError

    from anchorwise.training.loop import _Run

    original = _Run._after_epoch
    monkeypatch.setattr(_Run, "_after_epoch", stopped)
    for name, first in (("half", config), ("later", tiny_run())):
        with pytest.raises(InterruptedError):
            pretrain(first, tmp_path / name, show_progress=False)
    monkeypatch.undo()
    assert logged(pretrain(config, tmp_path / "half", show_progress=False)) == whole
    assert len(logged(pretrain(config, tmp_path / "later", show_progress=False))) == 4


def test_a_probe_of_a_gpu_goes_on_on_a_cpu():
    probe, again = OnlineProbe(2, 2), OnlineProbe(2, 2)
    saved = probe.saved()
    saved["optimizer"]["param_groups"][0]["capturable"] = True  # As on a GPU.
    again.restore(saved)
    for each in (probe, again):
        each._rows = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
        each.learn(torch.tensor([0, 1]))
    assert torch.equal(probe.classifier.weight, again.classifier.weight)


def test_unlabelled_samples_are_refused_before_the_first_step(tmp_path: Path):
    digits = load_splits(DataConfig(source="digits", num_train_images=60))
    bare = type(digits.train)(digits.train.images, None, (), digits.train.names)
    with pytest.raises(ValueError, match=r"train\.online_probe needs labels of the samples that are trained on"):
        train_run(tiny_run(["train.online_probe=true"]), tmp_path / "run", splits=Splits(bare, bare, None))
    assert not (tmp_path / "run").exists()


def test_a_step_is_that_of_a_slow_twin_with_autograd():
    torch.manual_seed(0)
    # A class of a third would give its bias a first gradient of rounding errors, which Adam takes for large.
    backbone, labels = nn.Linear(5, 4), torch.tensor([0] * 7 + [1] * 3 + [2] * 2)
    encoder, probe = Encoder(backbone, num_features=4), OnlineProbe(4, 3)
    probe.attach(encoder)
    twin = nn.Linear(4, 3)
    twin.load_state_dict(probe.classifier.state_dict())
    optimizer = torch.optim.Adam(twin.parameters(), lr=LEARNING_RATE)
    right = 0
    for _ in range(5):
        view = torch.randn(12, 5)
        encoder.train()(torch.cat([view, torch.randn(12, 5)]))  # The second view is not looked at.
        probe.learn(labels)
        rows = backbone(view).detach()
        rows = (rows - rows.mean(dim=0)) / (rows.var(dim=0, correction=0) + 1e-5).sqrt()
        right += int((twin(rows).argmax(dim=1) == labels).sum())
        optimizer.zero_grad()
        nn.functional.cross_entropy(twin(rows), labels).backward()
        optimizer.step()
    torch.testing.assert_close(probe.classifier.weight, twin.weight)
    torch.testing.assert_close(probe.classifier.bias, twin.bias)
    assert probe.read() == {"online_probe": right / 60}
    assert probe.read() == {}


def test_features_that_tell_classes_apart_are_learnt():
    torch.manual_seed(0)
    encoder, probe, labels = Encoder(nn.Identity(), num_features=3), OnlineProbe(3, 3), torch.arange(30) % 3
    probe.attach(encoder)
    for _ in range(40):
        encoder.train()(nn.functional.one_hot(labels, 3) + 0.1 * torch.randn(30, 3))
        probe.learn(labels)
    probe.read()
    encoder.train()(nn.functional.one_hot(labels, 3).float())
    probe.learn(labels)
    assert probe.read() == {"online_probe": 1.0}
    encoder.eval()(torch.zeros(30, 3))
    probe.learn(labels)  # Nothing was looked at.
    assert probe.read() == {}


def test_a_method_that_asks_for_no_rows_is_told_once():
    probe = OnlineProbe(4, 2)
    with pytest.warns(UserWarning, match=r"train\.online_probe learns nothing here"):
        probe.learn(torch.tensor([0, 1]))
    probe.learn(torch.tensor([0, 1]))
    assert probe.read() == {}
