"""The studies that are kept in the repository are whole, and their tables come out of them again without weights."""

from pathlib import Path

import pytest

from anchorwise.comparison import Workplace, compare, study_recipe
from anchorwise.comparison.summary import Summary
from anchorwise.training import apply_overrides

STUDIES = Path(__file__).parents[2] / "benchmarks" / "studies"


def _written(recipe: str, out: Path, results: Path, *, num_runs: int) -> Summary:
    """Write a study of which every run is there."""
    said: list[str] = []
    summary = compare(Workplace(study_recipe(recipe), out, results), num_workers=1, say=said.append)
    assert said == [f"{num_runs} runs, all done"]
    assert not [entry for entries in summary.entries.values() for entry in entries if entry.failures]
    return summary


def test_the_kept_study_of_digits_only_needs_to_be_written(tmp_path: Path):
    _written("compare-digits", tmp_path, STUDIES / "compare-digits", num_runs=42)


@pytest.mark.parametrize(
    ("batch_size", "words"), [(64, "undecided, 2 more seeds needed"), (512, "better by 0.0 to 1.6 points")]
)
def test_the_kept_study_of_cifar10_has_other_batch_sizes(tmp_path: Path, batch_size: int, words: str):
    study = apply_overrides(study_recipe("compare-cifar10-small").only(["weibit"]), [f"train.batch_size={batch_size}"])
    summary = Summary(study, Workplace(study, tmp_path, STUDIES / "cifar10").known())
    # benchmarks/results/comparison_2-core-epyc_2026-11-24.md
    assert summary.verdict("cifar10", "weibit").words == words


def test_the_kept_study_of_cifar10_is_whole_without_its_images(tmp_path: Path):
    summary = _written("compare-cifar10-small", tmp_path, STUDIES / "cifar10", num_runs=105)
    # benchmarks/results/comparison_2-core-epyc_2026-11-24.md
    difference = summary.difference("cifar10", "weibit", "info_nce", "knn")
    assert difference is not None
    assert 100 * float(difference.mean) == pytest.approx(-0.10, abs=0.005)
    verdicts = {name: summary.verdict("cifar10", name).words for name in ("arctanh", "kcl")}
    assert verdicts == {"arctanh": "worse by 5.4 to 6.5 points", "kcl": "worse by 2.2 to 4.4 points"}
