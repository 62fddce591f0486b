"""Kolmogorov-Smirnov tests of fully known laws: no parameter is estimated, so the plain table holds."""

import pytest
import torch
from scipy import stats

from anchorwise import synthetic

SHAPE = (20, 500)
# With fixed seeds a test either passes for ever or shows a wrong law, whose p-value would be far below this.
LEAST_PVALUE = 1e-3


def generator():
    return torch.Generator().manual_seed(0)


def agrees(scores, cdf):
    assert scores.shape == SHAPE
    assert scores.dtype == torch.float64
    return stats.kstest(scores.flatten().numpy(), cdf).pvalue > LEAST_PVALUE


def inside(law, low=-1.0, high=1.0):
    """Distribution function of a law given that it lies in [low, high]."""
    return lambda x: (law.cdf(x) - law.cdf(low)) / (law.cdf(high) - law.cdf(low))


def test_exponential_scores():
    scores = synthetic.exponential_scores(SHAPE, generator=generator(), mean=0.2, start=-0.4, cap=0.8)
    assert agrees(scores, inside(stats.expon(-0.4, 0.2), -0.4, 0.8))
    assert scores.max() < 0.8


def test_gaussian_scores():
    scores = synthetic.gaussian_scores(SHAPE, generator=generator(), deviation=0.5, mean=0.1)
    assert agrees(scores, inside(stats.norm(0.1, 0.5)))


@pytest.mark.parametrize("degrees", [1.0, 4.0, 30.0])
def test_student_scores(degrees):
    scores = synthetic.student_scores(SHAPE, generator=generator(), degrees=degrees, scale=0.3, mean=-0.1)
    assert agrees(scores, inside(stats.t(degrees, -0.1, 0.3)))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 4.0, 16.0])
def test_shortfall_scores(exponent):
    scores = synthetic.shortfall_scores(SHAPE, generator=generator(), exponent=exponent, endpoint=0.7, width=1.2)
    assert agrees(1.0 - (0.7 - scores) / 1.2, lambda x: 1.0 - (1.0 - x) ** exponent)


@pytest.mark.parametrize("dimension", [3, 4, 8, 128, 512])
def test_sphere_scores(dimension):
    scores = synthetic.sphere_scores(SHAPE, generator=generator(), dimension=dimension)
    law = stats.beta((dimension - 1) / 2, (dimension - 1) / 2, loc=-1, scale=2)
    assert agrees(scores, law.cdf)


@pytest.mark.parametrize("dimension", [3, 16])
def test_points_and_members_of_clusters_have_the_cosines_of_a_uniform_point(dimension):
    law = stats.beta((dimension - 1) / 2, (dimension - 1) / 2, loc=-1, scale=2)
    points = synthetic.sphere_points(4000, dimension=dimension, generator=generator())
    clusters = synthetic.clustered_points(4000, 2, dimension=dimension, spread=0.5, generator=generator())
    for rows in (points, clusters.points[::2], clusters.points[1::2]):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(4000, dtype=torch.float64))
        assert stats.kstest(rows[:, 0].numpy(), law.cdf).pvalue > LEAST_PVALUE


def test_members_of_a_cluster_are_near_each_other_and_clusters_are_not():
    clusters = synthetic.clustered_points(500, 2, dimension=256, spread=0.5, generator=generator())
    assert clusters.cluster_ids.tolist()[:4] == [0, 0, 1, 1]
    pairs = (clusters.points[::2] * clusters.points[1::2]).sum(dim=1)
    # 1 / (1 + spread^2), up to terms of the order 1 / dimension.
    assert float(pairs.mean()) == pytest.approx(0.8, abs=0.01)
    assert float((clusters.points[:-2] * clusters.points[2:]).sum(dim=1).mean()) == pytest.approx(0.0, abs=0.02)


def test_the_same_generator_gives_the_same_scores():
    first, second = (synthetic.student_scores(SHAPE, generator=generator()) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: synthetic.exponential_scores(SHAPE, mean=0.0, generator=g), "mean must be above 0"),
        (lambda g: synthetic.exponential_scores(SHAPE, start=1.5, generator=g), "start must lie"),
        (lambda g: synthetic.gaussian_scores(SHAPE, deviation=-1.0, generator=g), "deviation must be above 0"),
        (lambda g: synthetic.gaussian_scores(SHAPE, mean=3.0, generator=g), "mean must lie"),
        (lambda g: synthetic.student_scores(SHAPE, cap=1.5, generator=g), "cap must lie"),
        (lambda g: synthetic.shortfall_scores(SHAPE, exponent=0.0, generator=g), "exponent must be above 0"),
        (lambda g: synthetic.sphere_scores(SHAPE, dimension=2, generator=g), "dimension must be a whole number"),
        (lambda g: synthetic.clustered_points(2, 2, dimension=4, spread=0.0, generator=g), "spread must be above 0"),
    ],
)
def test_impossible_laws_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(generator())
