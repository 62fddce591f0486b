"""Clips: which frames they have, how much two have in common, and what is drawn once for all of their frames."""

from dataclasses import replace

import pytest
import torch

from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.video.clips import Clips, overlaps, random_clips, spread_clips
from anchorwise.modalities.video.config import CLUTTERED, ClipConfig, VideoData, VideoViewsConfig
from anchorwise.modalities.video.samples import VideoSamples
from anchorwise.modalities.views import AcrossDomains, ViewPlan

PLAIN = {"crop_scale": (1.0, 1.0), "jitter_probability": 0.0}


def videos(lengths: list[int], *, target: VideoSamples | None = None, first: int = 0) -> VideoSamples:
    """Videos of 8 x 8 px, in which the brightness of every frame is its number."""
    steps = torch.tensor(lengths)
    numbers = torch.arange(first, first + int(steps.sum()), dtype=torch.uint8)
    return VideoSamples(
        numbers[:, None, None, None].expand(-1, 1, 8, 8).contiguous(),
        steps.cumsum(0) - steps,
        steps,
        ClipConfig(num_frames=3, num_clips=2),
        tuple(map(str, range(len(lengths)))),
        target=target,
    )


def test_spread_clips_begin_and_end_where_the_video_does():
    places = spread_clips(torch.tensor([7, 3]), num_clips=3, num_frames=3).places
    assert places.tolist() == [[[0, 1, 2], [2, 3, 4], [4, 5, 6]], [[0, 1, 2]] * 3]
    assert spread_clips(torch.tensor([7]), num_clips=1, num_frames=3).places.tolist() == [[[2, 3, 4]]]


def test_a_random_clip_stays_in_its_video_at_any_rate():
    lengths = torch.tensor([5, 9])
    for share in (0.0, 0.5, 1.0 - 2.0**-24):
        drawn = torch.full((2, 2, 4), share)
        clips = random_clips(lengths, drawn, rates=(1, 2), num_frames=3)
        assert clips.rates.unique().tolist() == [1 if share < 0.5 else 2]
        assert clips.places.min() >= 0
        assert (clips.places.amax(dim=(1, 2)) < lengths).all()
    assert clips.places[:, 0].tolist() == [[0, 2, 4], [4, 6, 8]]


def test_what_clips_have_in_common_is_a_share_of_the_shorter_one():
    starts = torch.tensor([[0, 0], [0, 2], [0, 3], [4, 1]])
    rates = torch.tensor([[1, 1], [1, 1], [1, 1], [1, 2]])
    # Frames 4 to 6 lie within 1 to 5 but for one.
    assert overlaps(Clips(starts, rates, 3)).tolist() == pytest.approx([1.0, 1 / 3, 0.0, 2 / 3])


def test_samples_are_taken_as_clips_of_their_own_frames():
    there = videos([4, 5])
    assert there.take(torch.tensor([1, 0]))[:, :, :, 0, 0, 0].tolist() == [
        [[4, 5, 6], [6, 7, 8]],
        [[0, 1, 2], [1, 2, 3]],
    ]
    part = there.subset(torch.tensor([1]))
    assert [frames[:, 0, 0, 0].tolist() for frames in part.content()] == [[4, 5, 6, 7, 8]]
    assert next(part.digests()) == [*there.digests()][1]
    assert part.what == "1 videos of 5 frames of 1 x 8 x 8"
    assert there.picture(0)[0, 0].tolist() == [0] * 8 + [1] * 8 + [2] * 8


def test_the_background_is_the_median_over_time():
    there = videos([5])
    moving = there.frames.clone()
    moving[:] = 40
    for place in range(5):  # Something bright crosses, one column a frame.
        moving[place, :, :, place] = 255
    assert (replace(there, frames=moving).backgrounds(torch.tensor([0])) == 40).all()


def test_all_frames_of_a_clip_are_changed_alike_and_two_clips_are_not():
    frames = torch.randint(0, 256, (1, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    there = replace(videos([6, 6]), frames=frames.expand(12, -1, -1, -1).contiguous())
    views = modality_of("video").view_maker(VideoViewsConfig(crop_scale=(0.3, 0.6)), ViewPlan(2), there)
    ids = torch.arange(2)
    first, second = views(views.collect(there, ids, seed=3), seed=3)
    assert first.shape == (2, 1, 3, 1, 8, 8)
    for view in (first, second):
        torch.testing.assert_close(view, view[:, :, :1].expand_as(view), rtol=0, atol=0)
    assert not torch.allclose(first, second)
    assert not torch.allclose(first[0], first[1])


def test_a_view_depends_on_seed_video_and_view_alone():
    there = videos([20] * 6)
    views = modality_of("video").view_maker(VideoViewsConfig(), ViewPlan(2), there)
    whole = views(views.collect(there, torch.arange(6), seed=5), seed=5)
    part = views(views.collect(there, torch.tensor([4, 1]), seed=5), seed=5)
    for one, some in zip(whole, part, strict=True):
        torch.testing.assert_close(one[[4, 1]], some, rtol=0, atol=0)
    other = views(views.collect(there, torch.arange(6), seed=6), seed=6)
    assert not torch.allclose(whole[0], other[0])


def test_how_much_two_clips_have_in_common_is_said_and_is_less_in_longer_videos():
    overlap = {}
    for length in (3, 6, 60):
        there = videos([length] * 200)
        views = modality_of("video").view_maker(VideoViewsConfig(rates=(1,)), ViewPlan(2), there)
        overlap[length] = views.mean_overlap(there)
        assert f"have {overlap[length]:.0%} of the shorter one's time in common" in views.note
    assert overlap[3] == 1.0
    assert 0.35 < overlap[6] < 0.65  # Of starts 0 to 3: 4 pairs share 3 frames, 6 share 2, 4 share 1, 2 none.
    assert overlap[60] < 0.1


def test_whole_videos_of_two_domains_meet_before_each_others_backgrounds():
    there = videos([5] * 4, target=videos([4] * 6, first=100))
    views = modality_of("video").view_maker(
        VideoViewsConfig(**PLAIN), ViewPlan(domains=AcrossDomains(num_clips=2, most_mixed=0.5)), there
    )
    ids, pairs = torch.arange(4), set()
    for seed in range(20):
        batch = views.collect(there, ids, seed=seed)
        raw = {name: part.float()[..., 0, 0, 0] for name, part in batch.raw.items()}
        source, mixed, target, target_mixed = (
            views.frames.normalisation.inverse(view.flatten(0, 2)).unflatten(0, view.shape[:3])[..., 0, 0, 0] * 255.0
            for view in views(batch, seed=seed)
        )
        torch.testing.assert_close(source, raw["clips"], rtol=0, atol=1e-3)
        torch.testing.assert_close(target, raw["other clips"], rtol=0, atol=1e-3)
        assert source.tolist()[0] == pytest.approx([0, 1, 2, 2, 3, 4], abs=1e-3) or source.shape == (4, 2, 3)
        share = (mixed - source) / (raw["other background"][:, None, None] - source)
        assert share.std() < 1e-3
        assert 0.0 <= share.mean() < 0.5
        back = (1.0 - share) * target + share * raw["background"][:, None, None]
        torch.testing.assert_close(target_mixed, back, rtol=0, atol=1e-2)
        others = (raw["other clips"][:, 0, 0] - 100) // 4
        assert len(others.unique()) == 4
        pairs.add(int(others[0]))
    assert len(pairs) > 3


def test_the_generated_motions_are_those_that_they_are_called():
    train = modality_of("video").load(VideoData(num_train=64, num_test=8)).train
    assert train.class_names[:2] == ("right", "left")
    columns = torch.arange(24.0)
    for label, sign in ((0, 1), (1, -1), (2, 1), (3, -1)):
        for number in (train.labels == label).nonzero().flatten().tolist():
            video = train.of(number).float()[:, 0]
            ink = (video - video.median(dim=0).values).clamp_min(0).sum(dim=2 if label > 1 else 1)
            middles = (ink * columns).sum(dim=1) / ink.sum(dim=1).clamp_min(1)
            steps = middles.diff()
            assert sign * steps[(steps.abs() < 3)].median() > 0.15, (label, number)
    for label, sign in ((6, 1), (7, -1)):
        for number in (train.labels == label).nonzero().flatten().tolist():
            video = train.of(number).float()[:, 0]
            sizes = (video > 140).sum(dim=(1, 2)).float().diff()
            assert sign * sizes[sizes.abs() < 25].median() > 0, (label, number)


def test_generated_domains_differ_in_their_backgrounds_and_what_is_known_comes_with_videos():
    plain, cluttered = (
        modality_of("video").load(VideoData(source=source, num_train=16, num_test=8)).train
        for source in ("moving-digits", CLUTTERED)
    )
    ids = torch.arange(16)
    assert plain.backgrounds(ids).float().std() < cluttered.backgrounds(ids).float().std() / 2
    assert set(plain.number("digit").tolist()) <= set(range(10))
    assert plain.number("speed").min() >= 0
    assert plain.number("colour") is None
    again = modality_of("video").load(VideoData(num_train=16, num_test=8)).train
    assert torch.equal(again.frames, plain.frames)
    assert plain.subset(ids[:4]).number("speed").tolist() == plain.number("speed")[:4].tolist()


@pytest.mark.parametrize(
    ("config", "plan", "message"),
    [
        (VideoViewsConfig(rates=(1, 3)), ViewPlan(2), r"shortest video, which has 5 frames, got 3, at which .* over 7"),
        (VideoViewsConfig(), ViewPlan(domains=AcrossDomains(2)), "adapts to another domain, got videos of one; name"),
        (VideoViewsConfig(), ViewPlan(num_small=2), "needs small views, which videos do not have"),
        (VideoViewsConfig(), ViewPlan(num_negatives=1), "needs hard negatives, which videos do not have"),
    ],
)
def test_views_that_videos_do_not_have_are_refused(config, plan, message):
    with pytest.raises(ValueError, match=message):
        modality_of("video").view_maker(config, plan, videos([5, 9]))
