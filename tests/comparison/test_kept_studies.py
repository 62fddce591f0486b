"""The studies that are kept in the repository are whole, and their tables come out of them again without weights."""

from pathlib import Path

from anchorwise.comparison import Workplace, compare, study_recipe

STUDIES = Path(__file__).parents[2] / "benchmarks" / "studies"


def test_the_kept_study_of_digits_only_needs_to_be_written(tmp_path: Path):
    said: list[str] = []
    workplace = Workplace(study_recipe("compare-digits"), tmp_path, STUDIES / "compare-digits")
    summary = compare(workplace, num_workers=1, say=said.append)
    assert said == ["42 runs, all done"]
    assert all(not entry.failures for entry in summary.entries["digits"])
