"""CoMix: its loss beside one put together by hand, its speeds, what it does not look at, and its runs."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from anchorwise import InfoNCE, SupCon
from anchorwise.methods.base import check_objective
from anchorwise.training import apply_overrides, pretrain, recipe
from tests.methods.training import clock_at, method_of, optimizer_of, outlook, train, views_of_step

OWN = SupCon(temperature=0.5, base_temperature=0.07, normalise=False)


def _evaluated(**settings):
    """A method that does the same to views one by one as to all of them, at the first step, with its views."""
    method = method_of("comix", **settings).eval()
    method.before_step(clock_at(0))
    return method, *views_of_step(method, 0)


def _probabilities(method, rows):
    return method.classifier(method.graph(rows)).softmax(dim=1)


def test_the_loss_is_that_of_the_source_and_both_contrasts():
    method, views, batch = _evaluated(contrast=0.3, pseudo=0.2, num_slow=(3,))
    # One clip of each of as many segments as there are clips: the slow video is the fast one.
    logits = [method.classifier(method.graph(method.encoder.clips(view))) for view in views]
    rows = [each.softmax(dim=1) for each in logits]
    expected = functional.cross_entropy(logits[0], batch.labels, label_smoothing=0.1)
    for raw, mixed in ((0, 1), (2, 3)):
        of_video = OWN(rows[raw], rows[raw], rows[mixed], rows[mixed], labels=batch.ids)
        expected = expected + 0.3 * of_video
    sureness, guesses = rows[2].max(dim=1)
    method.threshold = sureness.median().item() - 1e-4
    is_sure = sureness >= method.threshold
    assert is_sure.sum() == 4
    expected = expected + 0.2 * OWN(rows[2][is_sure], rows[2][is_sure], labels=guesses[is_sure])
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_slow_video_has_one_clip_of_each_segment_drawn_by_step_and_video():
    method, _, batch = _evaluated(num_clips=12, num_slow=(4,))
    clips = [torch.arange(12.0).expand(6, 12).unsqueeze(2)] * 4
    seen = set()
    for step in range(30):
        method.time.fill_(step)
        slow = torch.stack(method._slowed(clips, batch))
        assert slow.shape == (4, 6, 4, 1)
        assert torch.equal(slow.squeeze(3) // 3, torch.arange(4.0).expand(4, 6, 4))
        seen |= set(slow.flatten().tolist())
        alone = method._slowed([each[2:3] for each in clips], batch.taken(torch.tensor([2])))
        assert torch.equal(torch.stack(alone), slow[:, 2:3])
    assert len(seen) == 12


def test_how_slow_slow_videos_are_changes_with_the_step():
    method = method_of("comix", num_clips=12, num_slow=(4, 8, 12))
    slow = []
    for step in range(8):
        method.before_step(clock_at(step))
        slow.append(method.num_slow)
    assert set(slow) <= {4, 8, 12}
    assert len(set(slow)) > 1


@pytest.mark.parametrize("settings", [{"contrast": 0.0, "pseudo": 0.0}, {"warmup_share": 0.5}])
def test_the_source_alone_never_sees_the_target_or_another_background(settings):
    method, views, batch = _evaluated(**settings)
    expected = method(views, batch).outcome.loss
    alone = functional.cross_entropy(
        method.classifier(method.graph(method.encoder.clips(views[0]))), batch.labels, label_smoothing=0.1
    )
    assert expected.item() == pytest.approx(alone.item())
    others = [views[0], *(torch.full_like(view, torch.nan) for view in views[1:])]
    assert method(others, batch).outcome.loss == expected
    method.before_step(clock_at(5))
    assert method.is_adapting == ("warmup_share" in settings)


def test_without_a_sure_guess_nothing_is_added():
    method, views, batch = _evaluated(contrast=0.0, pseudo=0.5, threshold=1.0)
    outcome = method(views, batch).outcome
    assert outcome.stats["guesses_loss"] == 0.0
    assert outcome.stats["sure"].sum() == 0
    assert outcome.loss.item() == pytest.approx(outcome.stats["class_loss"].mean().item())


def test_it_learns_the_classes_of_the_source():
    method = method_of("comix")
    losses = train(method, optimizer_of(method), range(8))
    assert losses[-1] < losses[0]
    views, batch = views_of_step(method, 7)
    assert method.eval().classify(views[0]).shape == batch.labels.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: method_of("comix", num_slow=(4,)), "method.num_slow must be at most method.num_clips, 3, got 4"),
        (lambda: method_of("comix").check(outlook(num_classes=3)), "method.num_classes must be the 3 classes"),
        (lambda: method_of("comix").check(outlook(num_classes=0)), "CoMix needs labels in the source domain"),
        (
            lambda: check_objective(method_of("comix", InfoNCE()), has_labels=True),
            "one that CoMix can train, .* got InfoNCE, which takes 2 views",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        change()


def test_views_without_labels_are_refused():
    method, views, batch = _evaluated()
    with pytest.raises(ValueError, match="CoMix needs labels"):
        method(views, replace(batch, labels=None))


TINY = [
    "data.num_train=32",
    "data.num_test=16",
    "data.clips.num_frames=4",
    "method.num_clips=2",
    "method.num_slow=[1, 2]",
    "encoder.width=4",
    "train.num_epochs=2",
    "train.batch_size=8",
    "train.log_to=[]",
    "train.device=cpu",
]


def test_a_run_says_how_often_its_classifier_is_right_in_the_other_domain(tmp_path):
    run = pretrain(apply_overrides(recipe("moving-digits-comix"), TINY), tmp_path / "run", show_progress=False)
    summary = json.loads((run.path / "summary.json").read_text())
    assert 0.0 <= summary["classifier_accuracy"] <= 1.0
    assert 0.0 <= summary["classifier_train_accuracy"] <= 1.0
    steps = [line for line in run.log() if line["kind"] == "step"]
    assert {"class_loss", "source_loss", "target_loss", "guesses_loss", "sure"} <= steps[-1].keys()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.source=moving-digits-cluttered", "method.num_classes=5"], "method.num_classes must be the 8 classes"),
        (["method.name=comix", "modality=images"], "needs an encoder of the clips of a video"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_training(tmp_path, settings, message):
    start = apply_overrides(recipe("moving-digits-comix"), TINY) if len(settings[0]) > 20 else None
    config = apply_overrides(start or recipe("digits"), settings)
    with pytest.raises(ValueError, match=message):
        pretrain(config, tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()
