import numpy as np
import pytest

from anchorwise.comparison.random_effects import random_effects

# Log relative risks of thirteen trials of a vaccine (Colditz et al. 1994) and their standard errors. What comes of them
# is statsmodels 0.14's combine_effects with method_re="iterated" and Hartung and Knapp's interval.
RISKS = (-0.88931133, -1.58538866, -1.34807315, -1.44155119, -0.21754732, -0.78611559, -1.62089822)
RISKS += (0.01195233, -0.46941765, -1.3713448, -0.33935883, 0.4459134, -0.01731395)
ERRORS = (0.57060035, 0.4411135, 0.64449047, 0.14145682, 0.22629665, 0.08310005, 0.47224702)
ERRORS += (0.06294108, 0.23755886, 0.270231, 0.11141011, 0.72972998, 0.26721650)


def test_trials_of_a_vaccine_have_the_published_mean():
    found = random_effects(RISKS, ERRORS, level=0.95)
    assert found.between**2 == pytest.approx(0.318068452, abs=1e-6)
    assert float(found.interval.mean) == pytest.approx(-0.714968153, abs=1e-6)
    assert (float(found.interval.low), float(found.interval.high)) == pytest.approx((-1.109098, -0.320838), abs=2e-6)


def test_data_sets_that_agree_have_nothing_between_them_and_the_error_of_all_seeds():
    found = random_effects([1.0, 1.0, 1.0, 1.0], [0.2, 0.2, 0.2, 0.2], level=0.95)
    assert (float(found.interval.mean), found.between) == (1.0, 0.0)
    assert float(found.interval.half_width) == pytest.approx(3.182446305 * 0.1)  # t(3) / sqrt(weights), 0.2 / sqrt(4).


def test_without_errors_it_is_students_interval_of_the_means():
    found = random_effects([1.0, 2.0, 4.0], [0.0, 0.0, 0.0], level=0.95)
    assert float(found.interval.mean) == pytest.approx(7 / 3)
    assert found.between == pytest.approx(np.std([1.0, 2.0, 4.0], ddof=1))
    assert float(found.interval.half_width) == pytest.approx(4.302652730 * found.between / 3**0.5)


def test_equal_means_without_errors_have_an_interval_of_no_width():
    found = random_effects([0.5, 0.5], [0.0, 0.0], level=0.95)
    assert (float(found.interval.mean), found.between) == (0.5, 0.0)
    assert float(found.interval.half_width) == pytest.approx(0.0, abs=1e-40)


@pytest.mark.whole
def test_a_mean_over_data_sets_is_covered_as_often_as_it_says():
    generator, hits, num_studies = np.random.default_rng(0), 0, 400
    errors = np.array([0.2, 0.3, 0.5, 0.3, 0.6])
    for _ in range(num_studies):
        truths = generator.normal(1.0, 0.5, size=5)
        found = random_effects(generator.normal(truths, errors).tolist(), errors.tolist(), level=0.9).interval
        hits += float(found.low) <= 1.0 <= float(found.high)
    assert 0.86 < hits / num_studies < 0.96


def test_means_that_hold_together_are_wider():
    one, five = (random_effects(RISKS, ERRORS, level=0.95, num_comparisons=n).interval for n in (1, 5))
    assert float(five.half_width) > 1.3 * float(one.half_width)


@pytest.mark.parametrize(
    ("means", "errors", "words"),
    [
        ([1.0], [0.1], "two data sets or more, got 1 and 1"),
        ([1.0, 2.0], [0.1], "got 2 and 1"),
        ([1.0, float("nan")], [0.1, 0.1], "means must be finite"),
        ([1.0, 2.0], [0.1, -0.1], "errors finite and at least 0"),
    ],
)
def test_what_has_no_mean_is_refused(means: list[float], errors: list[float], words: str):
    with pytest.raises(ValueError, match=words):
        random_effects(means, errors, level=0.95)
