"""Rows of a table, each measured with several seeds and kept as it comes: the same call goes on after a stop."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from anchorwise import _files
from anchorwise.evaluation.statistics import t_interval

# By row and by seed: numbers by name.
Kept = dict[str, dict[str, dict[str, float]]]
Measure = Callable[[str, int], dict[str, float]]


def measured(rows: Iterable[str], seeds: Sequence[int], measure: Measure, file: Path) -> Kept:
    """Measure what is not there yet, seed by seed, and write it down at once."""
    found: Kept = json.loads(file.read_text()) if file.is_file() else {}
    rows = list(rows)
    for seed in seeds:
        for row in rows:
            of_row = found.setdefault(row, {})
            if str(seed) not in of_row:
                of_row[str(seed)] = measure(row, seed)
                _files.write_text(file, json.dumps(found, indent=2) + "\n")
                print(row, seed, {name: round(value, 4) for name, value in of_row[str(seed)].items()}, flush=True)
    return found


def table(found: Kept, names: Sequence[str] = (), *, corner: str = "") -> list[str]:
    """Return a Markdown table of means over seeds with 95 % intervals (Student's t).

    Args:
        found: What was measured.
        names: Of the numbers to show; all if none.
        corner: Above the names of the rows.
    """
    shown = names or list(next(iter(next(iter(found.values())).values())))
    lines = [f"| {corner} | {' | '.join(shown)} |", f"|---|{'---|' * len(shown)}"]
    for row, seeds in found.items():
        cells = [interval([numbers[name] for numbers in seeds.values()]) for name in shown]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def interval(values: Sequence[float], *, digits: int = 3, sign: str = "") -> str:
    """Return mean and half width, or the value of a single seed."""
    found = t_interval(values)
    if found.half_width is None:
        return f"{found.mean:{sign}.{digits}f} (one seed)"
    return f"{found.mean:{sign}.{digits}f} ± {found.half_width:.{digits}f}"
