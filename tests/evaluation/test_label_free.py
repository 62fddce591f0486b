"""Numbers without labels, against slow twins and spectra that are known."""

import numpy as np
import pytest
import scipy.linalg
import torch

from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.geometry import effective_rank
from anchorwise.evaluation.spectra import alpha_req, lidar
from anchorwise.modalities.images.encoders import EncoderConfig, build_encoder
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.storage import EncoderSpec, StoredEncoder


def with_spectrum(values: np.ndarray, num_rows: int = 400, seed: int = 0) -> torch.Tensor:
    """Return centred rows whose covariance has these eigenvalues exactly."""
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((num_rows, len(values)))
    left, _ = np.linalg.qr(raw - raw.mean(axis=0))
    right, _ = np.linalg.qr(rng.standard_normal((len(values), len(values))))
    return torch.from_numpy(left * np.sqrt(values) @ right.T)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.5])
def test_a_power_law_gives_its_exponent_at_any_scale_and_place(alpha: float):
    rows = with_spectrum(np.arange(1, 121.0) ** -alpha)
    assert alpha_req(rows) == pytest.approx(alpha, abs=1e-9)
    assert alpha_req(1e-6 * rows + 3.0) == pytest.approx(alpha, abs=1e-4)


def test_the_fit_is_the_weighted_one_of_a_slow_twin():
    values = np.sort(np.random.default_rng(1).exponential(size=64))[::-1]
    rows = with_spectrum(values)
    ranks = np.arange(11, 65.0)
    slope, _ = np.polyfit(np.log(ranks), np.log(values[10:]), 1, w=np.sqrt(1 / ranks))
    assert alpha_req(rows) == pytest.approx(-slope, rel=1e-6)


def test_too_few_directions_have_no_exponent():
    assert alpha_req(with_spectrum(np.arange(1, 13.0) ** -1)) is None
    assert alpha_req(with_spectrum(np.arange(1, 13.0) ** -1), first_rank=1) == pytest.approx(1.0)
    collapsed = torch.randn(100, 1, generator=torch.Generator().manual_seed(0)).expand(100, 64).clone()
    assert alpha_req(collapsed) is None


def test_lidar_is_that_of_scipys_discriminant_analysis():
    generator = torch.Generator().manual_seed(0)
    views = torch.randn(30, 1, 6, generator=generator) * torch.tensor([5, 3, 1, 1, 0.1, 0.1])
    views = views + torch.randn(30, 4, 6, generator=generator)
    rows = views.numpy().astype(np.float64)
    means = rows.mean(axis=1)
    between = np.cov(means.T)
    within = sum(np.cov(one.T) for one in rows) / len(rows)
    within = within + 1e-4 * np.trace(within) / 6 * np.eye(6)
    shares = scipy.linalg.eigh(between, within, eigvals_only=True)
    shares = shares / shares.sum()
    assert lidar(views) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-6)
    assert lidar(1e3 * views) == pytest.approx(lidar(views), rel=1e-6)


def test_lidar_counts_the_directions_that_tell_samples_apart_and_not_those_of_the_views():
    generator = torch.Generator().manual_seed(0)
    samples = torch.zeros(2000, 1, 8)
    samples[:, 0, :3] = torch.randn(2000, 3, generator=generator)
    noise = torch.randn(2000, 10, 8, generator=generator)
    told = lidar(10 * samples + 0.1 * noise)
    assert told == pytest.approx(3.0, abs=0.01)
    assert lidar(noise) == pytest.approx(8.0, abs=0.1)  # Nothing but noise looks like all directions alike.
    assert lidar(torch.ones(5, 3, 4)) == 1.0


def test_lidar_needs_two_of_each():
    with pytest.raises(ValueError, match="two samples at least, two of each, got 5 and 1"):
        lidar(torch.ones(5, 1, 4))


def test_features_alone_have_rank_and_decay_and_say_why_there_is_no_lidar():
    rows = with_spectrum(np.arange(1, 41.0) ** -1).float()
    result = evaluate(rows, rows, "label_free")
    assert result.numbers == {"rankme": effective_rank(rows), "alpha_req": alpha_req(rows)}
    assert result.notes[0].startswith("LiDAR is left out: it needs random views")


def test_an_encoder_of_images_is_seen_by_views_which_the_seed_decides():
    torch.manual_seed(0)
    config = EncoderConfig(width=8)
    encoder = build_encoder(config, num_channels=3, image_size_px=16).eval()
    spec = EncoderSpec(encoder=config, num_channels=3, image_size_px=16, mean=(0.5,) * 3, std=(0.2,) * 3)
    pixels = torch.randint(0, 256, (24, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    images = ImageSet(pixels, None, (), tuple(map(str, range(24))))
    first, again, other = (
        evaluate(
            images, images, {"name": "label_free", "num_views": 3, "seed": seed}, encoder=StoredEncoder(encoder, spec)
        )
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first.numbers["lidar"] != other.numbers["lidar"]
    assert first.numbers["rankme"] == other.numbers["rankme"]
