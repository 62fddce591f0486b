"""Folders of frame folders: order, labels, parts, domains, and what is refused in words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.video.config import ClipConfig, VideoData
from anchorwise.modalities.video.samples import VideoSamples

VIDEO = modality_of("video")
CLIPS = ClipConfig(num_frames=3, num_clips=2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCHORWISE_CACHE", str(tmp_path / "cache"))


def write(folder: Path, video: str, num_frames: int = 4, *, first: int = 0, size: tuple[int, ...] = (6, 6)) -> None:
    """Frames whose brightness is their number; they are called so that 10 stands before 9 in the alphabet."""
    (folder / video).mkdir(parents=True)
    for number in range(num_frames):
        pixels = np.full(size, first + number, np.uint8)
        Image.fromarray(pixels).save(folder / video / f"frame{7 + number}.png")


def load(folder: Path, **settings):
    return VIDEO.load(VideoData(source=str(folder), clips=CLIPS, **settings))


def frames_of(videos: VideoSamples) -> dict[str, list[int]]:
    return {name: videos.of(number)[:, 0, 0, 0].tolist() for number, name in enumerate(videos.names)}


def test_frames_come_in_the_order_of_their_numbers_and_folders_give_classes(tmp_path):
    for label, kind in enumerate(("run", "walk")):
        for number in range(5):
            write(tmp_path / "videos", f"{kind}/v{number}", 4 + number, first=50 * label + 10 * number)
    splits = load(tmp_path / "videos")
    both = frames_of(splits.train) | frames_of(splits.test)
    assert both["walk/v1"] == [60, 61, 62, 63, 64]
    assert len(both) == 10
    assert (len(splits.train), len(splits.test)) == (8, 2)
    assert splits.train.class_names == ("run", "walk")
    assert splits.test.labels.tolist() == [0, 1]
    assert [name.split("/")[0] for name in splits.train.names] == ["run"] * 4 + ["walk"] * 4


def test_splits_are_folders_too_and_videos_without_classes_have_no_labels(tmp_path):
    write(tmp_path / "a", "train/v1")
    write(tmp_path / "a", "train/v2")
    write(tmp_path / "a", "test/v3")
    splits = load(tmp_path / "a")
    assert splits.train.labels is None
    assert (splits.train.names, splits.test.names) == (("train/v1", "train/v2"), ("test/v3",))
    write(tmp_path / "b", "v1")
    write(tmp_path / "b", "v2", 3)
    alone = load(tmp_path / "b")
    assert alone.test is None
    assert frames_of(alone.pretrain) == {"v1": [0, 1, 2, 3], "v2": [0, 1, 2]}


def test_what_is_no_video_is_left_out_and_named(tmp_path):
    write(tmp_path / "videos", "long")
    write(tmp_path / "videos", "short", 2)
    Image.new("L", (6, 6)).save(tmp_path / "videos" / "alone.png")
    splits = load(tmp_path / "videos")
    assert splits.pretrain.names == ("long",)
    assert [(each.name, each.reason) for each in splits.skipped] == [
        ("alone.png", "lies in no folder of frames"),
        ("short", "has 2 frames, fewer than a clip (data.clips.num_frames)"),
    ]


def test_a_folder_without_a_video_is_refused_with_the_first_reason(tmp_path):
    write(tmp_path / "videos", "short", 2)
    with pytest.raises(ValueError, match="no folder with the 3 frames of a clip; the first of 1 is 'short': has 2 fra"):
        load(tmp_path / "videos")
    with pytest.raises(FileNotFoundError, match="no folder or archive of"):
        load(tmp_path / "nowhere")


def test_frames_of_two_sizes_are_refused(tmp_path):
    write(tmp_path / "videos", "v1")
    write(tmp_path / "videos", "v2", size=(9, 9))
    with pytest.raises(ValueError, match="must share one size"):
        load(tmp_path / "videos")
    assert load(tmp_path / "videos", image_size_px=6).pretrain.frame_shape == (1, 6, 6)


def _domain(folder: Path, first: int, *, kinds: tuple[str, ...] = ("run", "walk"), **how) -> Path:
    for kind in kinds:
        for number in range(4):
            write(folder, f"{kind}/v{number}", first=first + 10 * number, **how)
    return folder


def test_a_target_is_trained_on_without_labels_and_judged_with_them(tmp_path):
    source, target = _domain(tmp_path / "source", 0), _domain(tmp_path / "target", 100)
    splits = load(source, target=str(target), held_out=0.4)
    assert (len(splits.pretrain), len(splits.train), len(splits.test)) == (4, 2, 2)
    assert not set(splits.pretrain.names) & set(splits.train.names)
    assert min(frames_of(splits.test).values())[0] >= 100
    unlabelled = splits.pretrain.target
    assert unlabelled.labels is None
    assert len(unlabelled) == 6
    assert splits.pretrain.what.endswith("and 6 of another domain without labels")
    assert splits.train.labels is not None
    seen = splits.pretrain.fingerprint()
    assert seen != load(source, held_out=0.4).pretrain.fingerprint()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"kinds": ("run", "swim")}, "must have the classes of data.source, run, walk, got run, swim"),
        ({"size": (6, 6, 3)}, "must have frames of 1 x 6 x 6 as data.source has, got 3 x 6 x 6"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(tmp_path, how, message):
    source, target = _domain(tmp_path / "source", 0), _domain(tmp_path / "target", 100, **how)
    with pytest.raises(ValueError, match=message):
        load(source, target=str(target))


def test_what_needs_labels_says_so(tmp_path):
    write(tmp_path / "videos", "v1")
    with pytest.raises(ValueError, match=r"data.held_out needs labelled videos"):
        load(tmp_path / "videos", held_out=0.2)
    with pytest.raises(ValueError, match=r"data.target needs labels in the source"):
        load(tmp_path / "videos", target="moving-digits")


def test_shuffled_videos_have_the_same_frames_in_another_order(tmp_path):
    write(tmp_path / "videos", "v1", 12)
    write(tmp_path / "videos", "v2", 9, first=50)
    plain, mixed = (frames_of(load(tmp_path / "videos", shuffled=shuffled).pretrain) for shuffled in (False, True))
    for name, frames in plain.items():
        assert sorted(mixed[name]) == frames
        assert mixed[name] != frames


def test_subsets_have_as_many_of_every_class():
    splits = VIDEO.load(VideoData(num_train=16, num_test=8))
    assert torch.bincount(splits.train.labels).tolist() == [2] * 8
    assert len(splits.test) == 8
