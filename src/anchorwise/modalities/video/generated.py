"""Generated videos: scikit-learn's scans of digits, moving in one of eight ways over backgrounds of two domains.

Motions come in pairs of which each is the other one backwards, so no single frame, and no set of frames without their
order, says which of the two it is. Which digit it is, where and how it begins and how fast it goes are drawn evenly;
what leaves a frame comes back at the other side. Backgrounds stand still: faint clouds in the first domain, bright
stripes in the second. So all of it is known; it is this library's own, and nothing is fetched.
"""

from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.digits import load_digits
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.samples import Splits
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.video.config import CLUTTERED, MOVING, ClipConfig, VideoData
from anchorwise.modalities.video.samples import VideoSamples

# n = videos, f = frames of each, r = frames of all, h = w = height and width of a frame (pixels)

MOTIONS = ("right", "left", "down", "up", "clockwise", "anticlockwise", "growing", "shrinking")
DOMAINS = (MOVING, CLUTTERED)
NUM_FRAMES, SIZE_PX = 32, 24
_NUM_TRAIN, _NUM_TEST = 800, 400
_DIGIT_PX = 12
# In a frame, slowest and fastest: pixels, radians, and how much of its way from smallest to largest a digit goes.
_PATH, _TURN, _GROWTH = (0.6, 1.4), (0.1, 0.25), (0.04, 0.08)
_SMALLEST, _LARGEST = 0.5, 1.5


def generated(source: str, data: VideoData) -> Splits[VideoSamples]:
    """Return the videos of a domain; those to test on show other scans."""
    scans, domain = load_digits(Path(), DataConfig(), None), DOMAINS.index(source)
    wanted = ((scans.train, data.num_train or _NUM_TRAIN), (cast(ImageSet, scans.test), data.num_test or _NUM_TEST))
    train, test = (
        moving_digits(of_part, number, domain=domain, seed=mixed_seed(data.seed, domain, place), clips=data.clips)
        for place, (of_part, number) in enumerate(wanted)
    )
    return Splits(train, train, test)


def moving_digits(scans: ImageSet, num_videos: int, *, domain: int, seed: int, clips: ClipConfig) -> VideoSamples:
    """Return videos, as many of every motion, with the `digit` and the `speed` (from 0 to 1) of each.

    Args:
        scans: Of digits, labelled.
        num_videos: How many.
        domain: Number of the kind of backgrounds.
        seed: Decides all that is drawn.
        clips: What an encoder sees of one.
    """
    assert scans.labels is not None
    draws = torch.Generator().manual_seed(seed)
    motions = torch.arange(num_videos) % len(MOTIONS)
    which = torch.randint(len(scans), (num_videos,), generator=draws)
    speeds = torch.rand(num_videos, generator=draws)
    maps = _maps(motions, speeds, draws).flatten(0, 1)
    sheets = scans.images[which].repeat_interleave(NUM_FRAMES, dim=0).float() / 255.0
    digits = grid_sample(
        sheets, affine_grid(maps, [len(maps), 1, SIZE_PX, SIZE_PX], align_corners=False), align_corners=False
    )
    grounds = (_clouds, _stripes)[domain](num_videos, draws).repeat_interleave(NUM_FRAMES, dim=0)
    frames = (digits + (1.0 - digits) * grounds).clamp(0.0, 1.0)
    starts = NUM_FRAMES * torch.arange(num_videos)
    return VideoSamples(
        (255.0 * frames).round().to(torch.uint8),
        starts,
        torch.full_like(starts, NUM_FRAMES),
        clips,
        tuple(f"{MOTIONS[motion]} {number}" for number, motion in enumerate(motions.tolist())),
        motions,
        MOTIONS,
        {"digit": scans.labels[which].float(), "speed": speeds},
    )


def _maps(
    motions: Int64[Tensor, " n"], speeds: Float[Tensor, " n"], draws: torch.Generator
) -> Float[Tensor, "n f 2 3"]:
    """Return the maps from places in every frame to places in the scan, both from -1 to 1."""
    begin_x, begin_y, begin_angle, begin_size = torch.rand(4, len(motions), 1, generator=draws)
    kind, way = (motions // 2).unsqueeze(1), 1.0 - 2.0 * (motions % 2).unsqueeze(1)
    time = way * torch.arange(NUM_FRAMES)

    def passed(slow: float, fast: float) -> Float[Tensor, "n f"]:
        return (slow + (fast - slow) * speeds).unsqueeze(1) * time

    room = SIZE_PX + _DIGIT_PX
    places = []
    for axis, begin in enumerate((begin_x, begin_y)):
        moving = (room * begin + passed(*_PATH)) % room - _DIGIT_PX / 2
        resting = _DIGIT_PX / 2 + (SIZE_PX - _DIGIT_PX) * begin
        places.append(torch.where(kind == axis, moving, resting) * 2.0 / SIZE_PX - 1.0)
    angle = torch.where(kind == 2, 2.0 * torch.pi * begin_angle + passed(*_TURN), 0.0)
    grown = _SMALLEST + (_LARGEST - _SMALLEST) * ((begin_size + passed(*_GROWTH)) % 1.0)
    size = _DIGIT_PX / SIZE_PX * torch.where(kind == 3, grown, 1.0)
    turned = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], dim=2).unflatten(2, (2, 2))
    linear = turned / size[:, :, None, None]
    return torch.cat([linear, -linear @ torch.stack(places, dim=2).unsqueeze(3)], dim=3)


def _clouds(num_videos: int, draws: torch.Generator) -> Float[Tensor, "n 1 h w"]:
    """Return smooth backgrounds of at most a third of the brightness."""
    coarse = torch.rand(num_videos, 1, 4, 4, generator=draws) / 3.0
    return interpolate(coarse, size=(SIZE_PX, SIZE_PX), mode="bilinear", align_corners=True)


def _stripes(num_videos: int, draws: torch.Generator) -> Float[Tensor, "n 1 h w"]:
    """Return stripes of three to eight pixels in any direction, bright and dark."""
    angle, pixels, phase, bright = torch.rand(4, num_videos, 1, 1, generator=draws)
    across = (
        torch.arange(SIZE_PX) * (torch.pi * angle).cos() + torch.arange(SIZE_PX).unsqueeze(1) * (torch.pi * angle).sin()
    )
    waves = (2.0 * torch.pi * (across / (6.0 + 10.0 * pixels) + phase)).sin()
    return (0.1 + (0.4 + 0.3 * bright) * (waves > 0.0)).unsqueeze(1)
