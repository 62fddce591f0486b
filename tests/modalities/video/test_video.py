"""Video through the trainer: contrast of clips, judging, resuming, the run's folder and what is refused."""

import json
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.modalities.registry import modality_of, rebuild
from anchorwise.modalities.video.config import ClipConfig, VideoData, VideoEncoderConfig
from anchorwise.modalities.video.encoders import build_encoder
from anchorwise.training import RunConfig, apply_overrides, pretrain, recipe
from tests.training.stopping import send_at_step

VIDEO = modality_of("video")
SMALL = [
    "data.num_train=32",
    "data.num_test=16",
    "data.clips.num_frames=4",
    "data.clips.num_clips=2",
    "encoder.width=4",
    "method.head.output_width=8",
    "train.num_epochs=2",
    "train.batch_size=8",
    "train.knn_every_epochs=1",
    "train.log_to=[]",
    "train.device=cpu",
]


def small(*settings: str) -> RunConfig:
    return apply_overrides(recipe("moving-digits"), [*SMALL, *settings])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return pretrain(small(), tmp_path_factory.mktemp("run") / "run", show_progress=False)


@pytest.mark.whole
def test_a_run_is_judged_and_comes_back_from_its_folder(finished):
    judges = ["--set", "judges.classification.split_seeds=[0]", "--set", "judges.classification.knn_max_neighbors=5"]
    called = CliRunner().invoke(app, ["evaluate", str(finished.path), "--device", "cpu", *judges])
    assert called.exit_code == 0, called.output
    assert json.loads((finished.path / "evaluation.json").read_text())["judged"]["classification"]["numbers"]
    frozen, samples = rebuild(finished.path), VIDEO.load(finished.config().data).test
    state = load_file(finished.path / "encoder.safetensors")
    assert all(torch.equal(value, state[name]) for name, value in frozen.encoder.state_dict().items())
    view = frozen.plain(frozen.adapted(samples).take(torch.arange(4)))
    assert frozen.encoder(view).shape == (4, 16)
    other = VIDEO.load(VideoData(clips=ClipConfig(num_frames=6), num_train=8, num_test=8)).test
    assert frozen.adapted(other).take(torch.arange(2)).shape == (2, 2, 4, 1, 24, 24)


def test_features_of_a_video_are_the_mean_of_those_of_its_clips(finished):
    frozen = rebuild(finished.path)
    view = frozen.plain(VIDEO.load(finished.config().data).test.take(torch.arange(3)))
    clips = frozen.encoder.clips(view)
    assert clips.shape == (3, 2, 16)
    torch.testing.assert_close(frozen.encoder(view), clips.mean(dim=1))
    torch.testing.assert_close(frozen.encoder(view[:, 1:]), clips[:, 1])


def test_features_know_in_which_order_frames_come():
    torch.manual_seed(0)
    encoder = build_encoder(VideoEncoderConfig(width=4, num_channels=1)).eval()
    view = torch.randn(2, 1, 4, 1, 8, 8)
    assert not torch.allclose(encoder(view), encoder(view.flip(2)))


def test_a_stopped_run_goes_on_to_the_same_bits(finished, tmp_path, monkeypatch):
    send_at_step(5, signal.SIGTERM, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(small(), tmp_path / "run", show_progress=False)
    pretrain(small(), tmp_path / "run", show_progress=False)
    left, right = (load_file(path / "encoder.safetensors") for path in (finished.path, tmp_path / "run"))
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.whole
@pytest.mark.parametrize("settings", [["method.name=moco", "method.num_queued=16"], ["objective.name=sup_con"]])
def test_other_methods_and_objectives_train_on_clips(settings, tmp_path):
    assert pretrain(small(*settings), tmp_path / "run", show_progress=False).is_done


@pytest.mark.whole
def test_the_command_line_reads_a_folder_and_says_how_clips_overlap(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORWISE_CACHE", str(tmp_path / "cache"))
    draws = np.random.default_rng(0)
    for kind in ("run", "walk"):
        for number in range(5):
            folder = tmp_path / "videos" / kind / f"v{number}"
            folder.mkdir(parents=True)
            for frame in range(9):
                pixels = draws.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{frame}.png")
    settings = [part for setting in [*SMALL[2:], "train.num_epochs=1"] for part in ("--set", setting)]
    arguments = ["pretrain", "moving-digits", "--data", str(tmp_path / "videos"), "--out", str(tmp_path / "run")]
    called = CliRunner().invoke(app, [*arguments, *settings])
    assert called.exit_code == 0, called.output
    assert "8 videos of 9 frames of 3 x 8 x 8" in called.output
    assert "of the shorter one's time in common, on average" in " ".join(called.output.split())
    judged = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run"), "--out", str(tmp_path / "found.json")])
    assert judged.exit_code == 0, judged.output
    elsewhere = ["evaluate", str(tmp_path / "run"), "--data", "moving-digits"]
    refused = CliRunner().invoke(app, elsewhere)
    assert "takes videos of frames of 3 x 8 x 8, got" in str(refused.exception)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["method.name=dino", "method.num_small=2"], "needs small views, which videos do not have"),
        (["method.name=pixpro"], "needs places in a view, which videos do not have|needs an encoder with feature maps"),
        (["views.rates=[40]"], "views.rates must leave a clip of 4 frames in the shortest video, which has 32 frames"),
        (
            ["views.rates=[1]", "data.clips.num_frames=32", "views.crop_scale=[1.0,1.0]", "views.jitter_probability=0"],
            "views of a sample are equal",
        ),
    ],
)
def test_what_videos_cannot_give_is_refused_before_training(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        pretrain(small(*settings), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()
