"""Random views of recordings, step by step, and the encoder that sees them."""

import math

import pytest
import torch

from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.sequences import LENGTHS, SIGNALS, steps_there
from anchorwise.modalities.speech.config import LogMelConfig, SpeechData, SpeechEncoderConfig, SpeechViewsConfig
from anchorwise.modalities.speech.encoders import build_encoder
from anchorwise.modalities.speech.views import noisy, shifted, stretch
from anchorwise.modalities.views import Masking, ViewPlan
from tests.modalities.speech.recordings import RATE, digits

SPEECH = modality_of("speech")
FEATURES = LogMelConfig(sample_rate=RATE, num_mels=12)
NONE = {"time_shift": 0.0, "noise_db": (), "gain_db": 0.0, "band_masks": 0, "time_masks": 0}
LENGTHS_4 = torch.tensor([8, 5, 3, 8])
WAVES = (torch.arange(32.0).view(4, 8) + 1.0) * steps_there(LENGTHS_4, 8)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = digits(tmp_path_factory.mktemp("views") / "digits")
    return SPEECH.load(SpeechData(source=str(folder), features=FEATURES)).train


def _views(samples, plan: ViewPlan | None = None, **settings):
    return SPEECH.view_maker(SpeechViewsConfig(**settings), plan or ViewPlan(), samples)


def test_a_sound_moves_by_a_share_of_its_length_and_silence_follows():
    found = shifted(WAVES, LENGTHS_4, torch.tensor([0.25, -0.4, 0.0, -0.125]))
    assert found.tolist() == [
        [0, 0, 1, 2, 3, 4, 5, 6],
        [11, 12, 13, 0, 0, 0, 0, 0],
        [17, 18, 19, 0, 0, 0, 0, 0],
        [26, 27, 28, 29, 30, 31, 32, 0],
    ]


def test_noise_is_as_far_below_the_sound_as_asked_for_and_silence_stays_silent():
    times, lengths = torch.arange(40_000.0), torch.tensor([40_000, 30_000, 40_000])
    there = steps_there(lengths, 40_000)
    waves = torch.stack([times.sin(), 0.1 * times.sin(), torch.zeros(40_000)]) * there
    white = torch.rand(3, 40_000, generator=torch.Generator().manual_seed(0)) * there
    found = noisy(waves, lengths, white, torch.tensor([10.0, 20.0, 0.0])) - waves
    below = 10 * (waves.square().sum(dim=1) / found.square().sum(dim=1)).log10()
    assert below[:2].tolist() == pytest.approx([10.0, 20.0], abs=0.1)
    assert not found[2].any()
    assert not found[1, 30_000:].any()


def test_stretches_lie_within_what_is_there_and_their_lengths_are_evenly_drawn():
    generator, num = torch.Generator().manual_seed(0), 6000
    sizes, most = torch.full((num,), 9), torch.full((num,), 3)
    drawn = (torch.rand(num, generator=generator), torch.rand(num, generator=generator))
    found = stretch(sizes, most, drawn, 11)
    assert not found[:, 9:].any()
    lengths = found.sum(dim=1)
    assert (torch.bincount(lengths, minlength=4) / num).tolist() == pytest.approx([0.25] * 4, abs=0.02)
    assert ((found[:, 1:] & ~found[:, :-1]).sum(dim=1) + found[:, 0] <= 1).all()
    assert found[:, :9].any(dim=0).all()


def test_views_depend_on_seed_recording_and_view_and_not_on_what_stands_beside_them(samples):
    views = _views(samples)
    one, many = samples.batch(torch.tensor([3])), samples.batch(torch.tensor([7, 3, 31]))
    alone, beside, again = views(one, seed=5), views(many, seed=5), views(many, seed=6)
    for first, second in zip(alone, beside, strict=True):
        num_frames = int(first[LENGTHS][0])
        assert int(second[LENGTHS][1]) == num_frames
        torch.testing.assert_close(first[SIGNALS][0], second[SIGNALS][1, :, :num_frames], rtol=1e-4, atol=1e-4)
        assert not second[SIGNALS][1, :, num_frames:].any()
    assert not torch.equal(beside[0][SIGNALS], beside[1][SIGNALS])
    assert not torch.equal(beside[0][SIGNALS], again[0][SIGNALS])


def test_every_step_alone_changes_something_and_without_any_views_are_plain(samples):
    batch = samples.batch(torch.arange(8))
    plain = _views(samples, **NONE)
    expected = plain.plain(batch.raw)
    assert all(torch.equal(view[SIGNALS], expected[SIGNALS]) for view in plain(batch, seed=0))
    defaults = SpeechViewsConfig()
    for step in NONE:
        only = _views(samples, **{**NONE, step: getattr(defaults, step)})
        first, second = only(batch, seed=0)
        assert not torch.equal(first[SIGNALS], second[SIGNALS]), step


def test_louder_is_the_same_picture_lifted(samples):
    louder = _views(samples, **{**NONE, "gain_db": 6.0})
    batch = samples.batch(torch.arange(8))
    drawn = louder.drawn(batch.ids, 0)[louder.numbers[1], 0]
    lifted = (2 * drawn - 1) * 6.0 / 10.0 * math.log(10.0)
    changed = louder(batch, seed=0)[0][SIGNALS] - louder.plain(batch.raw)[SIGNALS]
    loudest = louder.plain(batch.raw)[SIGNALS].flatten(1).argmax(dim=1)
    std = louder.frontend.std.repeat_interleave(changed.shape[2])
    found = changed.flatten(1).gather(1, loudest[:, None])[:, 0] * std[loudest]
    torch.testing.assert_close(found, lifted, rtol=1e-3, atol=1e-3)


def test_features_of_the_training_recordings_have_mean_0_and_deviation_1_in_every_band(samples):
    view = _views(samples).plain(samples.take(torch.arange(len(samples))))
    frames = view[SIGNALS].transpose(1, 2)[steps_there(view[LENGTHS], view[SIGNALS].shape[2])]
    torch.testing.assert_close(frames.mean(dim=0), torch.zeros(12), rtol=0, atol=1e-4)
    torch.testing.assert_close(frames.std(dim=0, correction=0), torch.ones(12), rtol=0, atol=1e-4)


def test_an_encoder_gives_a_recording_the_same_features_beside_longer_ones(samples):
    torch.manual_seed(0)
    encoder, views = build_encoder(SpeechEncoderConfig(width=8, features=FEATURES)), _views(samples)
    for ids in torch.arange(len(samples)).split(8):  # Running statistics that are not 0 and 1.
        encoder(views.plain(samples.take(ids)))
    encoder.eval()
    alone = encoder(views.plain(samples.take(torch.tensor([0]))))
    beside = encoder(views.plain(samples.take(torch.tensor([31, 0]))))
    assert alone.shape == (1, encoder.num_features) == (1, 64)
    torch.testing.assert_close(alone[0], beside[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "plan",
    [ViewPlan(num_small=1), ViewPlan(num_negatives=1), ViewPlan(with_places=True), ViewPlan(masking=Masking(2))],
)
def test_methods_that_want_what_recordings_do_not_have_are_refused(samples, plan: ViewPlan):
    with pytest.raises(ValueError, match=r"which recordings do not have; choose another method\.name"):
        _views(samples, plan)
