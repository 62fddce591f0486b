"""SepCLR: which samples are the background, and which of its two encoders is kept."""

from pathlib import Path

import pytest
import torch

import anchorwise
from anchorwise import SepCLR
from anchorwise.modalities.registry import rebuild
from anchorwise.training import pretrain
from anchorwise.training.checkpoint import load_checkpoint
from tests.methods.training import method_of, outlook, views_of_step
from tests.training.conftest import tiny_run


def test_the_loss_has_common_and_salient_rows_and_knows_the_background():
    method = method_of("sepclr", background=(1,))
    views, batch = views_of_step(method, 0)
    commons, salients = method.common(torch.cat(views)).chunk(2), method.online(torch.cat(views)).chunk(2)
    expected = method.objective(*commons, salients=salients, targets=batch.labels == 0)
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    turned = method_of("sepclr", background=(0,))
    assert turned(views, batch).outcome.loss.item() != pytest.approx(expected.item(), rel=1e-6)


def test_either_encoder_may_be_kept():
    salient, common = method_of("sepclr"), method_of("sepclr", kept="common")
    assert salient.encoder is salient.online.encoder
    assert common.encoder is common.common.encoder
    assert (salient.beside, common.beside) == ({"common": salient.common.encoder}, {"salient": common.online.encoder})


def test_a_run_keeps_both_encoders(tmp_path: Path):
    config = tiny_run(["method.name=sepclr", "train.num_epochs=1", "train.knn_every_epochs=0"])
    run = pretrain(config, tmp_path / "run", show_progress=False)
    weights, kept = load_checkpoint(run.checkpoint_file)["model"], rebuild(run.path)
    for name, encoder in (("online", kept), ("common", kept.beside["common"])):
        for part, tensor in encoder.encoder.state_dict().items():
            assert torch.equal(tensor, weights[f"{name}.encoder.{part}"]), part


def test_in_python_too_both_encoders_are_there_also_of_a_run_that_was_done_before(tmp_path: Path):
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = {"train.device": "cpu", "train.knn_every_epochs": 0, "encoder.width": 8, "method.head.hidden_width": 8}
    parts = {"samples": images, "labels": torch.arange(12) % 2, "method": "sepclr", "set": settings}
    for _ in range(2):  # The second time nothing is trained.
        run = anchorwise.pretrain(out=tmp_path / "run", **parts, epochs=1, batch_size=6, show_progress=False)
        kept = rebuild(tmp_path / "run")
        for ours, theirs in ((run.frozen, kept), (run.frozen.beside["common"], kept.beside["common"])):
            state = theirs.encoder.state_dict()
            assert all(torch.equal(tensor, state[name]) for name, tensor in ours.encoder.state_dict().items())


@pytest.mark.parametrize("background", [(), (7,), (0, 1)])
def test_background_that_is_all_or_nothing_is_refused_before_the_first_step(background: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"method\.background must name some but not all of the 2 classes"):
        method_of("sepclr", background=background).check(outlook())


@pytest.mark.whole
def test_held_background_rows_are_pulled_to_zero():
    method = method_of("sepclr", SepCLR(salient_weight=0.0, background_weight=1.0, joint_entropy_weight=0.0))
    optimizer = torch.optim.Adam(method.parameters(), lr=0.01)
    views, batch = views_of_step(method, 0)
    lengths = []
    for _ in range(30):
        optimizer.zero_grad()
        outcome = method(views, batch).outcome
        outcome.loss.backward()
        optimizer.step()
        lengths.append(outcome.stats["background"].item())
    assert lengths[-1] < 0.2 * lengths[0]
