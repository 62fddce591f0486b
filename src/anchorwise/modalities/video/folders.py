"""Videos as folders of frames, parted and labelled as images are (`anchorwise.modalities.images.folders`).

    CLASS/VIDEO/FRAME.png           a fifth of every class is drawn to test on
    train/CLASS/VIDEO/FRAME.png     beside test/CLASS/VIDEO/FRAME.png
    VIDEO/FRAME.png                 without labels, also in train/ and test/

A folder that holds frames is a video. They come in the order of their names, numbers in these by their value: `frame2`
before `frame10`. A video of fewer frames than a clip is left out and named.
"""

import re
from dataclasses import replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import cast

import torch
from torch import Tensor

from anchorwise.modalities.images.cache import Decoded
from anchorwise.modalities.images.folders import arrange
from anchorwise.modalities.images.reading import read_images
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.modalities.video.config import VideoData
from anchorwise.modalities.video.samples import VideoSamples

_NO_FOLDER = "."  # What pathlib calls the folder of a file that lies in none.


def load_videos(path: Path, data: VideoData, on_progress: OnProgress | None = None) -> Splits[VideoSamples]:
    """Read a folder, or an archive, of frame folders.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        UnusableFileError: If it cannot be read.
        ValueError: If no video can be used, or frames are not of one size.
    """
    limits = {"image_size_px": data.image_size_px, "max_decoded_gib": data.max_decoded_gib}
    decoded = read_images(path, **limits, on_progress=on_progress)
    videos, skipped = _videos(decoded, data.clips.num_frames)
    if not videos:
        raise ValueError(
            f"{path} holds no folder with the {data.clips.num_frames} frames of a clip; the first of {len(skipped)} is "
            f"{skipped[0][0]!r}: {skipped[0][1]}; lower data.clips.num_frames, or give the folder around frame folders"
        )
    # What names say of images they say of videos, of which the first frames stand here.
    firsts = decoded.images[[places[0] for places in videos.values()]]
    shown = Decoded(images=firsts, names=tuple(videos), skipped=decoded.skipped + skipped)
    splits = arrange(shown, seed=data.seed)
    places = torch.tensor([place for of_video in videos.values() for place in of_video])
    lengths = torch.tensor([len(of_video) for of_video in videos.values()])
    whole = VideoSamples(_at(decoded, places), lengths.cumsum(0) - lengths, lengths, data.clips, tuple(videos))
    number = {name: place for place, name in enumerate(videos)}

    def of(part: Samples) -> Samples:
        chosen = whole.subset(torch.tensor([number[name] for name in part.names]))
        return replace(chosen, labels=part.labels, class_names=part.class_names, skipped=part.skipped)

    return cast(Splits[VideoSamples], cast(Splits[Samples], splits).changed(of))


def _videos(decoded: Decoded, num_frames: int) -> tuple[dict[str, list[int]], tuple[tuple[str, str], ...]]:
    """Return by its folder the places of the frames of every video, and what is none with the reason."""
    videos, skipped = dict[str, list[int]](), list[tuple[str, str]]()
    order = sorted(range(len(decoded.names)), key=lambda place: _in_order(decoded.names[place]))
    for folder, frames in groupby(order, key=lambda place: str(PurePosixPath(decoded.names[place]).parent)):
        places = list(frames)
        if folder == _NO_FOLDER:
            skipped += [(decoded.names[place], "lies in no folder of frames") for place in places]
        elif len(places) < num_frames:
            skipped.append((folder, f"has {len(places)} frames, fewer than a clip (data.clips.num_frames)"))
        else:
            videos[folder] = places
    return videos, tuple(skipped)


def _in_order(name: str) -> tuple[str, list[tuple[int, str]]]:
    path = PurePosixPath(name)
    parts = re.split(r"(\d+)", path.name)
    return str(path.parent), [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _at(decoded: Decoded, places: Tensor) -> Tensor:
    """Return frames in an order; those that are in it already stay where they are, be it on a disk."""
    return decoded.images if torch.equal(places, torch.arange(len(decoded.images))) else decoded.images[places]
