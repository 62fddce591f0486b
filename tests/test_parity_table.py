"""The table of peers in the page of adapters says what was measured, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import parity_table

PAGE = Path(__file__).parents[1] / "docs" / "adapters.md"
MEASURED: dict[str, Any] = {
    "memory_exponent": 1.98,
    "relative_error": 1e-12,
    "tolerance": 1e-9,
    "finite_at_extreme": True,
    "one_image": "finite",
}


def test_the_page_of_adapters_has_the_table_of_the_newest_result():
    _, between, _ = parity_table.split(PAGE.read_text(encoding="utf-8"))
    assert between == parity_table.table(parity_table.newest()), "run: python -m benchmarks.parity_table"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "n^2"),
        ({"memory_exponent": 0.2}, "n"),
        ({"memory_exponent": 2.9}, "n^3"),
        ({"one_image": "refused"}, "n^2"),
        ({"one_image": "-inf"}, "n^2, -inf for one image"),
        ({"finite_at_extreme": False}, "n^2, overflows"),
        ({"relative_error": 0.1}, "**wrong**, n^2"),
    ],
)
def test_a_cell_tells_what_is_wrong(changes: dict[str, Any], expected: str):
    assert parity_table.cell({**MEASURED, **changes}) == expected


def test_a_result_says_where_it_is_from():
    result = parity_table.newest()
    assert {"command", "date", "processor", "torch", "lightly", "LibAUC"} <= set(result["environment"])
    assert all(row["peak_bytes"] for row in result["rows"])
