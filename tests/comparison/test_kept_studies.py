"""The studies that are kept in the repository are whole, and their tables come out of them again without weights."""

from pathlib import Path

import pytest

from anchorwise.comparison import Study, Workplace, compare, study_recipe
from anchorwise.comparison.summary import Summary
from anchorwise.training import apply_overrides

pytestmark = pytest.mark.whole

STUDIES = Path(__file__).parents[2] / "benchmarks" / "studies"


def _written(recipe: str, out: Path, results: Path, *, num_runs: int) -> Summary:
    """Write a study of which every run is there."""
    said: list[str] = []
    study = apply_overrides(study_recipe(recipe), ["version=1"])
    summary = compare(Workplace(study, out, results), num_workers=1, say=said.append)
    assert said == [f"{num_runs} runs, all done"]
    assert not [entry for entries in summary.standings.values() for entry in entries if entry.failures]
    return summary


@pytest.mark.usefixtures("unrendered")
def test_the_kept_study_of_digits_only_needs_to_be_written(tmp_path: Path):
    _written("compare-digits", tmp_path, STUDIES / "compare-digits", num_runs=42)


def _summary(name: str, results: str, tmp_path: Path, *changes: str) -> Summary:
    """Return what the kept results say of a study that is a file beside them."""
    study = apply_overrides(Study.model_validate_json((STUDIES / f"{name}.json").read_text()), changes)
    return Summary(study, Workplace(study, tmp_path, STUDIES / results).known())


@pytest.mark.parametrize(
    ("batch_size", "objective", "words"),
    [
        (64, "dcl", "better by 0.1 to 1.4 points"),
        (64, "weibit_hardest", "undecided; judge again in a new study with 7 fresh seeds"),
        (512, "weibit", "undecided; judge again in a new study with 8 fresh seeds"),
        (512, "weibit_hardest", "better by 0.8 to 2.0 points"),
        (512, "weince_published_reg", "undecided; judge again in a new study with 7 fresh seeds"),
    ],
)
def test_the_kept_study_of_cifar10_has_other_batch_sizes(tmp_path: Path, batch_size: int, objective: str, words: str):
    summary = _summary("cifar10-survivors", "cifar10", tmp_path, f"train.batch_size={batch_size}")
    # benchmarks/results/comparison_2-core-epyc_2026-11-24.md
    assert summary.verdict("cifar10", objective).words == words


@pytest.mark.parametrize(("metric", "points"), [("knn", -0.50), ("linear", -1.10)])
def test_on_digits_the_hardest_negatives_alone_do_not_suffice(tmp_path: Path, metric: str, points: float):
    summary = _summary("digits-survivors", "compare-digits", tmp_path)
    # benchmarks/results/comparison_2-core-epyc_2026-11-24.md
    difference = summary.difference("digits", "weibit_hardest", "info_nce", metric)
    assert difference is not None
    assert 100 * float(difference.mean) == pytest.approx(points, abs=0.006)


def test_the_kept_study_of_cifar10_is_whole_without_its_images(tmp_path: Path):
    summary = _written("compare-cifar10-small", tmp_path, STUDIES / "cifar10", num_runs=105)
    # benchmarks/results/comparison_2-core-epyc_2026-11-24.md
    difference = summary.difference("cifar10", "weibit", "info_nce", "knn")
    assert difference is not None
    assert 100 * float(difference.mean) == pytest.approx(-0.10, abs=0.005)
    verdicts = {name: summary.verdict("cifar10", name).words for name in ("arctanh", "kcl")}
    assert verdicts == {"arctanh": "worse by 5.4 to 6.5 points", "kcl": "worse by 2.2 to 4.4 points"}


def test_images_refute_it_on_one_set_and_decide_nothing_over_five(tmp_path: Path):
    # benchmarks/results/verdict-small_2-core-epyc_2026-11-29.md
    study = study_recipe("verdict-small").only(["weibit", "weibit_hardest"])
    images = study.on(["cifar100", "flowers", "digits", "gtsrb", "tiny-imagenet"])
    kept = Workplace(images, tmp_path, STUDIES / "verdict-small").known()
    across = Summary(images, kept).across("weibit")
    assert across is not None
    assert (across.num_ahead, across.num_seeds, across.decision) == (9, 25, "undecided")
    assert 100 * float(across.effects.interval.mean) == pytest.approx(-0.29, abs=0.006)
    signs = study.on(["gtsrb"])
    verdict = Summary(signs, Workplace(signs, tmp_path, STUDIES / "verdict-small").known()).verdict("gtsrb", "weibit")
    assert verdict.decision == "worse"
    assert 100 * float(verdict.interval.mean) == pytest.approx(-2.20, abs=0.006)
