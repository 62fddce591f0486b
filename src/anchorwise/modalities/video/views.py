"""Views of videos: clips drawn at random, or the clips of a whole video beside itself before another background.

A clip starts anywhere and has one of several rates. Where it is cropped and how bright it is are drawn once for all of
its frames: drawn frame by frame they would destroy the motion. So `RandomViews` makes them, for which the frames of a
clip are images of one number.

Source of clips as views: Qian et al. 2021, "Spatiotemporal Contrastive Video Representation Learning" (CVRL),
https://arxiv.org/abs/2008.03800. Source of backgrounds: Sahoo et al. 2021, "Contrast and Mix: Temporal Contrastive
Video Domain Adaptation with Background Mixing" (CoMix), https://arxiv.org/abs/2110.15128, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import cast, final

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from anchorwise.modalities.draws import HostDraws, noise
from anchorwise.modalities.images.normalise import Normalisation, pixel_statistics, unit_pixels
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import NoViews
from anchorwise.modalities.images.views.strengths import Strengths
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Batch, Samples, View
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.video.clips import Clips, overlaps, random_clips, span
from anchorwise.modalities.video.config import CLUTTERED, VideoViewsConfig
from anchorwise.modalities.video.samples import VideoSamples
from anchorwise.modalities.views import ViewMaker, ViewPlan

# b = videos, k = clips of each, t = frames of a clip, c = channels, h = height, w = width (pixels), r = frames of all

_RATE, _START = range(2)  # Purposes of draws.
_SHIFT, _SHARE = 1000, 1001  # Beyond the numbers of views: what is drawn once for a step.
_CLIPS, _GROUND, _OTHERS, _OTHER_GROUND = "clips", "background", "other clips", "other background"
_MAX_MEASURED = 16_384  # Frames that mean and deviation are taken of.


@final
class VideoViews(ViewMaker):
    """Views of shape (videos, clips, frames, channels, height, width): of one random clip each, or of whole videos.

    Where the method asks for two domains, views are clips that are spread over a whole video: of a video of the source,
    of the same one mixed with the background of a video of the target, of that video of the target, and of it mixed
    with the background of the source's. How much background is drawn once for a step, as in the source; a video and its
    mixture are cropped alike. Which videos meet is decided by the step: no video of the target is there twice unless
    there are fewer of them.

    Args:
        config: How clips differ.
        plan: What the method takes.
        num_frames: Of a clip.
        frame_shape: Channels, height and width of a frame.
        mean: Of every channel, on the scale of [0, 1].
        std: Likewise.
    """

    def __init__(
        self,
        config: VideoViewsConfig,
        plan: ViewPlan,
        *,
        num_frames: int,
        frame_shape: tuple[int, int, int],
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        plan.check_whole("videos", with_domains=True)
        self.plan, self.rates, self.num_frames = plan, config.rates, num_frames
        policy = NoViews(**{name: getattr(config, name) for name in Strengths.model_fields})
        num_channels, *size_px = frame_shape
        self.frames = RandomViews(policy, num_channels, (size_px[0], size_px[1]), mean=mean, std=std, plan=ViewPlan(1))
        self.drawn = HostDraws(range(plan.num_views), (_RATE, _START))

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Height and width of a frame."""
        return self.frames.sizes_px

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return clips of videos, of two domains with their backgrounds, on the CPU."""
        there = cast(VideoSamples, samples)
        if self.plan.domains is None:
            return there.batch(ids, there.clips_at(ids, self._clips(there, ids, seed)))
        target, num_clips = cast(VideoSamples, there.target), self.plan.domains.num_clips
        others = (ids + int(_of_step(mixed_seed(seed, _SHIFT), ids) * len(target))) % len(target)
        raw = {_CLIPS: there.spread(ids, num_clips), _GROUND: there.backgrounds(ids)}
        raw |= {_OTHERS: target.spread(others, num_clips), _OTHER_GROUND: target.backgrounds(others)}
        return there.batch(ids, raw)

    @torch.no_grad()
    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views."""
        ids, seed = batch.drawn_by, cast(int, seed)
        if self.plan.domains is None:
            clips = cast(Tensor, batch.raw).split(1, dim=1)
            return tuple(self._changed(each, ids, mixed_seed(seed, number)) for number, each in enumerate(clips))
        raw = {name: unit_pixels(part) for name, part in cast(Mapping[str, Tensor], batch.raw).items()}
        share = self.plan.domains.most_mixed * _of_step(mixed_seed(seed, _SHARE), ids)
        views = list[Tensor]()
        for number, (clips, ground) in enumerate(((_CLIPS, _OTHER_GROUND), (_OTHERS, _GROUND))):
            mixed = torch.lerp(raw[clips], raw[ground][:, None, None].expand_as(raw[clips]), share)
            views += [self._changed(each, ids, mixed_seed(seed, number)) for each in (raw[clips], mixed)]
        return tuple(views)

    @torch.no_grad()
    def plain(self, raw: View) -> Float[Tensor, "b k t c h w"]:
        """Return clips as they are, normalised."""
        return normalised(self.frames.normalisation, cast(Tensor, raw))

    def pixel_range(self) -> PixelRange:
        """Return where normalised pixels lie."""
        return self.frames.pixel_range()

    def mean_overlap(self, samples: VideoSamples) -> float:
        """Return which share of the shorter one's time the first two clips of a video have in common, on average.

        What they have in common tells that they belong together: where that is much, there is little to learn.
        """
        return float(overlaps(self._clips(samples, torch.arange(len(samples)), 0)).mean())

    def _clips(self, samples: VideoSamples, ids: Int64[Tensor, " b"], seed: int) -> Clips:
        drawn = self.drawn(ids, seed).transpose(1, 2)
        return random_clips(samples.lengths[ids], drawn, rates=self.rates, num_frames=self.num_frames)

    def _changed(
        self, clips: Float[Tensor, "b k t c h w"] | UInt8[Tensor, "b k t c h w"], ids: Int64[Tensor, " b"], seed: int
    ) -> Float[Tensor, "b k t c _h _w"]:
        """Return clips in which all frames of a video are changed alike."""
        of_frames = ids.repeat_interleave(clips.shape[1] * clips.shape[2])
        (frames,) = self.frames(Batch(clips.flatten(0, 2), of_frames), seed=seed)
        return cast(Tensor, frames).unflatten(0, clips.shape[:3])


def _of_step(seed: int, like: Tensor) -> Float[Tensor, ""]:
    """Return a number in [0, 1) that is the same for all videos of a step."""
    return noise(torch.zeros(1, dtype=torch.int64, device=like.device), seed, (1,)).squeeze()


def normalised(normalisation: Normalisation, clips: UInt8[Tensor, "b k t c h w"]) -> Float[Tensor, "b k t c h w"]:
    """Return clips as an encoder takes them."""
    return normalisation(normalisation.unit(clips.flatten(0, 2))).unflatten(0, clips.shape[:3])


def views_of(config: VideoViewsConfig, plan: ViewPlan, samples: VideoSamples) -> VideoViews:
    """Return what makes views of such videos, normalised by their pixels.

    Raises:
        ValueError: If they have no such views.
    """
    mean, std = pixel_statistics(samples.frames[:: -(-len(samples.frames) // _MAX_MEASURED)])
    facts = {"num_frames": samples.clips.num_frames, "frame_shape": samples.frame_shape}
    views = VideoViews(config, plan, **facts, mean=mean, std=std)
    if plan.domains is not None:
        if samples.target is None:
            raise ValueError(
                "the method adapts to another domain, got videos of one; name the other one with data.target, such as "
                f"{CLUTTERED!r} or a folder"
            )
        return views
    longest, shortest = span(samples.clips.num_frames, max(config.rates)), int(samples.lengths.min())
    if longest > shortest:
        raise ValueError(
            f"views.rates must leave a clip of {samples.clips.num_frames} frames in the shortest video, which has "
            f"{shortest} frames, got {max(config.rates)}, at which it goes over {longest}; take lower rates, or lower "
            "data.clips.num_frames"
        )
    if plan.num_views > 1:
        views.note = (
            f"the first two clips of a video have {views.mean_overlap(samples):.0%} of the shorter one's time in "
            "common, on average"
        )
    return views
