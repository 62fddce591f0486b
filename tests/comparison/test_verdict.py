import pytest

from anchorwise.comparison.verdict import Decision, Rule, judge_differences
from anchorwise.evaluation.base import Metric

ACCURACY = Metric("knn", "kNN", "%")
RULE = Rule(level=0.95, num_comparisons=1, smallest_difference=0.01, metric=ACCURACY)


@pytest.mark.parametrize(
    ("differences", "decision", "words"),
    [
        # Mean 2.7 points, deviation 0.6 points, t(4) / sqrt(5) = 1.2417: 2.7 +- 0.745.
        ([0.021, 0.021, 0.027, 0.033, 0.033], Decision.BETTER, "better by 2.0 to 3.4 points"),
        ([-0.021, -0.021, -0.027, -0.033, -0.033], Decision.WORSE, "worse by 2.0 to 3.4 points"),
        # Mean 0.1 points, deviation 0.3 points: 0.1 +- 0.3725.
        ([-0.002, -0.002, 0.001, 0.004, 0.004], Decision.ALIKE, "no difference seen; could rule out more than 0.5"),
        # Mean 0, deviation 1 point, and 7 seeds would give t(6) / sqrt(7) = 0.925 points.
        (
            [-0.01, -0.01, 0.0, 0.01, 0.01],
            Decision.UNDECIDED,
            "undecided; judge again in a new study with 7 fresh seeds",
        ),
    ],
)
def test_words_match_cases_worked_by_hand(differences, decision, words):
    verdict = judge_differences(differences, RULE, failures=[])
    assert (verdict.decision, verdict.words) == (decision, words)


def test_the_sign_of_every_seed_is_shown():
    assert judge_differences([0.1, -0.2, 0.0], RULE, failures=[]).signs == "+ \N{MINUS SIGN} 0"


def test_more_objectives_need_more_evidence():
    differences = [0.004, 0.012, 0.008, 0.002, 0.011]
    assert judge_differences(differences, RULE, failures=[]).decision is Decision.BETTER
    many = Rule(level=0.95, num_comparisons=10, smallest_difference=0.01, metric=ACCURACY)
    assert judge_differences(differences, many, failures=[]).decision is Decision.UNDECIDED


def test_a_failed_seed_takes_the_verdict_away_and_keeps_the_numbers():
    verdict = judge_differences([0.05, 0.05], RULE, failures=["seed 3 diverged"])
    assert verdict.decision is Decision.FAILED
    assert verdict.words == "no verdict: seed 3 diverged"
    assert verdict.differences == (0.05, 0.05)


def test_one_seed_decides_nothing():
    verdict = judge_differences([0.5], RULE, failures=[])
    assert verdict.decision is Decision.UNDECIDED
    assert "one seed has no interval" in verdict.words


def test_of_what_is_better_when_less_the_smaller_number_is_better():
    perplexity = Metric("perplexity", "perplexity", higher_is_better=False)
    rule = Rule(level=0.95, num_comparisons=1, smallest_difference=0.01, metric=perplexity)
    verdict = judge_differences([-0.021, -0.021, -0.027, -0.033, -0.033], rule, failures=[])
    # Mean 0.027 less, t(4) / sqrt(5) * 0.006 = 0.00745 to either side: 0.02 to 0.03.
    assert (verdict.decision, verdict.words) == (Decision.BETTER, "better by 0.02 to 0.03")
    assert judge_differences([0.5, 0.6, 0.7], rule, failures=[]).decision is Decision.WORSE
