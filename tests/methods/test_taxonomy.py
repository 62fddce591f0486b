"""The page that says which method is which kind of contrast leaves out none, and names none that is not there."""

import re
from pathlib import Path

from anchorwise.methods import METHODS
from anchorwise.objectives import OBJECTIVES

PAGE = (Path(__file__).parents[2] / "docs" / "taxonomy.md").read_text(encoding="utf-8")
OF_METHODS, OF_OBJECTIVES = PAGE.split("\n## Objectives\n")
LINES = [line for line in OF_METHODS.splitlines() if line.startswith("| `")]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES]


def test_every_method_has_its_row_once():
    assert sorted(row[0].strip("`") for row in ROWS) == sorted(METHODS)


def test_every_row_says_what_is_contrasted_and_where_positives_come_from():
    for row in ROWS:
        assert len(row) == 7
        assert row[1] in ("input, input", "input, label", "input, input and input, label"), row
        assert row[2] in ("self-supervised", "supervised", "either"), row
        assert all(row), row


def test_every_objective_stands_in_one_list():
    assert sorted(re.findall(r"`(\w+)`", OF_OBJECTIVES)) == sorted(OBJECTIVES)
