"""The epoch that is kept, chosen by a watched number."""

import math
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.embed import embed_samples
from anchorwise.training import RunConfig, apply_overrides, pretrain
from anchorwise.training.best import BestEpoch
from tests.training.stopping import send_at_step

SETTINGS = ["train.keep_best=knn_accuracy", "train.knn_every_epochs=1"]


@pytest.fixture
def seen(monkeypatch) -> list:
    """Let the second of three epochs look best, and keep what was looked at."""
    looked, values = [], [0.1, 0.9, 0.5]

    def watch(judge: Classification, train) -> dict[str, float]:
        looked.append(train)
        return {"knn_accuracy": values[len(looked) - 1]}

    monkeypatch.setattr(Classification, "watch", watch)
    return looked


@pytest.mark.whole
def test_the_encoder_of_the_best_epoch_is_kept_over_a_stop_too(tiny: RunConfig, tmp_path: Path, seen, monkeypatch):
    config = apply_overrides(tiny, SETTINGS)
    send_at_step(9, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path, show_progress=False)
    run = pretrain(config, tmp_path, show_progress=False)
    assert len(seen) == 3
    assert run.summary()["kept_step"] == 8
    assert run.summary()["kept_knn_accuracy"] == 0.9
    kept = embed_samples(run.encoder(), seen[1].samples).views[0]
    torch.testing.assert_close(torch.from_numpy(kept), torch.from_numpy(seen[1].views[0]))
    assert abs(kept - seen[2].views[0]).max() > 1e-3


def test_of_equal_moments_the_first_counts_and_low_numbers_may_be_better():
    encoder, best = nn.Linear(1, 1), BestEpoch(Metric("error", "error", higher_is_better=False))
    for step, value in ((1, 0.5), (2, 0.2), (3, 0.2), (4, 0.3)):
        nn.init.constant_(encoder.weight, step)
        best.look({"error": value, "other": step}, encoder, step=step)
    best.look({"other": 1.0}, encoder, step=5)
    best.look({"error": math.nan}, encoder, step=6)
    best.put_back(encoder)
    assert (best.step, encoder.weight.item()) == (2, 2.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["train.keep_best=accuracy"], "train.keep_best must be one of 'knn_accuracy'"),
        (["train.keep_best=spread"], "of which one end is better, got 'spread'"),
        (["train.keep_best=knn_accuracy", "train.knn_every_epochs=0"], "set train.knn_every_epochs above 0"),
    ],
)
def test_what_cannot_choose_is_refused_before_anything_is_written(tiny, tmp_path: Path, settings, words: str):
    with pytest.raises(ValueError, match=words):
        pretrain(apply_overrides(tiny, settings), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()
