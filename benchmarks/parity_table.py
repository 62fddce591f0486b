"""The table of objectives against other libraries in the page of adapters, from the newest result of `parity_measure`.

python -m benchmarks.parity_table    # writes it into docs/adapters.md
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- parity table: begin -->\n", "<!-- parity table: end -->\n"
OURS = "anchorwise"


def main() -> None:
    """Write the table between its two marks in the page of adapters."""
    page = ROOT / "docs" / "adapters.md"
    before, _, after = split(page.read_text(encoding="utf-8"))
    page.write_text(before + table(newest()) + after, encoding="utf-8")


def split(page: str) -> tuple[str, str, str]:
    """Return what is before, between and after the marks; the marks stay outside."""
    before, _, rest = page.partition(BEGIN)
    between, _, after = rest.partition(END)
    return before + BEGIN, between, END + after


def newest() -> dict[str, Any]:
    """Return the newest result; their names end in their dates."""
    path = sorted((ROOT / "benchmarks" / "results").glob("parity_*.json"))[-1]
    return json.loads(path.read_text(encoding="utf-8"))


def table(result: dict[str, Any]) -> str:
    """Return the table in Markdown, with versions in its header."""
    rows, versions = result["rows"], result["environment"]
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    titles = dict.fromkeys(row["objective"] for row in rows)
    lines = [["objective", *(f"{name} {versions[name]}" for name in libraries)], ["---"] * (len(libraries) + 1)]
    for title in titles:
        cells = {row["library"]: cell(row) for row in rows if row["objective"] == title}
        lines.append([title, *(cells.get(name, "") for name in libraries)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(row: dict[str, Any]) -> str:
    """Return one implementation in few words: how its memory grows, and what is wrong with it."""
    power = round(row["memory_exponent"])
    remarks = [] if row["relative_error"] <= row["tolerance"] else ["**wrong**"]
    remarks.append("n" if power <= 1 else f"n^{power}")
    remarks += [] if row["finite_at_extreme"] else ["overflows"]
    remarks += [] if row["one_image"] in ("finite", "refused") else [f"{row['one_image']} for one image"]
    return ", ".join(remarks)


if __name__ == "__main__":
    main()
