"""Where videos come from: generated ones or folders of frames, of one domain or of two."""

from dataclasses import replace
from pathlib import Path

import torch

from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Splits
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.selection import complement, held_out
from anchorwise.modalities.video.config import VideoData
from anchorwise.modalities.video.folders import load_videos
from anchorwise.modalities.video.generated import DOMAINS, generated
from anchorwise.modalities.video.samples import VideoSamples

_HELD_OUT, _SHUFFLED = range(2)  # What is drawn.


def load_domains(data: VideoData, on_progress: OnProgress | None = None) -> Splits[VideoSamples]:
    """Return the videos of a run: those of the source, and where there is a target, those of it to adapt to.

    Raises:
        FileNotFoundError: If they are not there.
        UnusableFileError: If a folder or an archive cannot be read.
        ValueError: If they cannot be used, or source and target do not fit each other.
    """
    source = _read(data.source, data, on_progress)
    train, fitted = _held_out(source.train, data)
    if data.target is None:
        return Splits(train, fitted, source.test)
    target = _read(data.target, data, on_progress)
    _check_alike(source.train, target)
    unlabelled = replace(target.train, labels=None, class_names=(), numbers={})
    return Splits(replace(train, target=unlabelled), fitted, target.test)


def _read(source: str, data: VideoData, on_progress: OnProgress | None) -> Splits[VideoSamples]:
    """Return the videos of one domain."""
    splits = generated(source, data) if source in DOMAINS else load_videos(Path(source), data, on_progress)
    parts = [_subset(splits.train, data.num_train, data.seed)]
    if splits.test is not None:
        parts.append(_subset(splits.test, data.num_test, data.seed))
    if data.shuffled:
        parts = [_shuffled(part, mixed_seed(data.seed, _SHUFFLED, place)) for place, part in enumerate(parts)]
    train, test = parts[0], parts[1] if len(parts) > 1 else None
    return Splits(train, train, test)


def _subset(part: VideoSamples, number: int | None, seed: int) -> VideoSamples:
    return part if number is None or number >= len(part) else part.balanced_subset(number, seed)


def _shuffled(part: VideoSamples, seed: int) -> VideoSamples:
    """Return videos whose frames stand in random order."""
    draws = torch.Generator().manual_seed(seed)
    places = [
        first + torch.randperm(length, generator=draws)
        for first, length in zip(part.starts.tolist(), part.lengths.tolist(), strict=True)
    ]
    return replace(part, frames=part.frames[torch.cat(places)], starts=part.lengths.cumsum(0) - part.lengths)


def _held_out(train: VideoSamples, data: VideoData) -> tuple[VideoSamples, VideoSamples]:
    """Return the videos to train on, and those that probes are fitted on: the same where none are held out."""
    if not data.held_out:
        return train, train
    if train.labels is None:
        raise ValueError("data.held_out needs labelled videos, which class folders give; leave it out, or sort them")
    chosen = held_out(train.labels, data.held_out, seed=mixed_seed(data.seed, _HELD_OUT)).nonzero().flatten()
    return train.subset(complement(chosen, len(train))), train.subset(chosen)


def _check_alike(source: VideoSamples, target: Splits[VideoSamples]) -> None:
    if source.labels is None or target.test is None or target.test.labels is None:
        raise ValueError(
            "data.target needs labels in the source, to learn from, and in the target's test part, to be judged on; "
            "sort videos into class folders"
        )
    if target.test.class_names != source.class_names:
        raise ValueError(
            f"data.target must have the classes of data.source, {', '.join(source.class_names)}, got "
            f"{', '.join(target.test.class_names)}"
        )
    if target.train.frame_shape != source.frame_shape:
        raise ValueError(
            f"data.target must have frames of {_size(source)} as data.source has, got {_size(target.train)}; set "
            "data.image_size_px, or save frames of one kind of colour"
        )


def _size(videos: VideoSamples) -> str:
    return " x ".join(map(str, videos.frame_shape))
