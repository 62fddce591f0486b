"""Files of texts: a text on every line, or columns (`anchorwise.modalities.tables`).

Columns are read by position, as sentence-transformers reads them: the first is the anchor, the second its positive, the
others are hard negatives; only `score` and `label` columns are told by their names. Where two columns are called
`sentence1` and `sentence2`, or `sentence_A` and `sentence_B` as in SICK, these are the texts. A `label` is the class of
a text that stands alone; beside several it says how they go together, and is not read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from anchorwise import _checks, _files
from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.tables import LINES, WITH_HEADERS, Columns, are_numbers, read_table

SCORES, LABELS = ("score", "scores", "relatedness_score"), ("label", "labels")
# Of well-known sets, whose files have other columns beside them.
_PAIRS = (("sentence1", "sentence2"), ("sentence_a", "sentence_b"))


@dataclass(frozen=True)
class Texts:
    """Rows of texts that belong together.

    Attributes:
        rows: Texts of every sample: anchor, positive, hard negatives; or several that all say the same.
        are_alike: Whether they do, so that any two are a positive pair.
        scores: How alike anchor and positive are; None where nothing says.
        labels: The class of every sample; None where nothing says.
        names: Of every sample.
        parts: The part of the set that each is of, where numbers are given part by part; None for one part.
        skipped: What was left out.
    """

    rows: tuple[tuple[str, ...], ...]
    are_alike: bool = False
    scores: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    parts: tuple[str, ...] | None = None
    skipped: tuple[Skipped, ...] = ()

    def some(self, numbers: Sequence[int]) -> "Texts":
        """Return some of the rows, in this order."""
        chosen = {
            name: None if values is None else tuple(values[number] for number in numbers)
            for name, values in (
                ("rows", self.rows),
                ("scores", self.scores),
                ("labels", self.labels),
                ("names", self.names),
                ("parts", self.parts),
            )
        }
        return replace(self, **chosen)


def read_texts(path: Path, columns: Sequence[str] | None = None) -> Texts:
    """Read a file of texts.

    Args:
        path: Of one of `SUFFIXES`.
        columns: Names of the columns of text, anchor first; all that are no numbers by their names if left out.

    Raises:
        FileNotFoundError: If it is not there.
        UnusableFileError: If it is damaged.
        ValueError: If a column is not there, a text is empty, a score is no number, or a label is no class.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"data.source must be 'docstrings' or the path of a file or a folder of texts, got {path}, which is none; "
            "name it with --data"
        )
    return texts_of(path, read_table(path), columns)


def texts_of(path: Path, table: Columns, columns: Sequence[str] | None = None) -> Texts:
    """Return the texts of a table.

    Args:
        path: Where it comes from.
        table: Columns by name.
        columns: As `read_texts` takes them.

    Raises:
        ValueError: If a column is not there, a text is empty, a score is no number, or a label is no class.
    """
    score = next((name for name in table if name.lower() in SCORES), None)
    if score is None and all(name.isdecimal() for name in table):
        score = next((name for name, cells in table.items() if are_numbers(cells)), None)
    names = tuple(columns or _text_columns(table, score))
    for name in names:
        if name not in table or name == score:
            there = ", ".join(each for each in table if each != score)
            hint = _checks.hint(name, tuple(table)) if name not in table else ", which has the scores"
            raise ValueError(f"data.columns must name columns of text of {path} ({there}), got {name!r}{hint}")
    label = _label_column(table, names)
    with _files.reading(path):
        parts = [table[name] for name in names]
        scores, labels = (None if name is None else table[name] for name in (score, label))
    texts = _texts(path, parts, names, scores, labels)
    is_guessed = path.suffix in WITH_HEADERS and not (columns or score or label)
    guessed = _perhaps_a_sample(path, table) if is_guessed else ()
    return replace(texts, skipped=(*guessed, *texts.skipped))


def _perhaps_a_sample(path: Path, table: Columns) -> tuple[Skipped, ...]:
    """Return the first row where it was taken for a header and reads like a sample: phrases, or what stands below."""
    if not any(" " in name or name in cells for name, cells in table.items() if not name.isdecimal()):
        return ()
    names = ", ".join(repr(name[:40]) for name in table)
    reason = (
        f"was taken for the names of columns, {names}; if it is a sample, write a row of names above it, else name "
        "them in data.columns"
    )
    return (Skipped(f"{path.name}, first row", reason),)


def _text_columns(table: Columns, score: str | None) -> Sequence[str]:
    by_name = {name.lower(): name for name in table}
    for pair in _PAIRS:
        if by_name.keys() >= set(pair):
            return [by_name[name] for name in pair]
    return [name for name in table if name != score and name.lower() not in LABELS]


def _label_column(table: Columns, names: Sequence[str]) -> str | None:
    """Return the column of the classes of texts that stand alone."""
    return next((name for name in table if name.lower() in LABELS and name not in names and len(names) == 1), None)


def _texts(
    path: Path,
    parts: Sequence[Sequence[str]],
    names: Sequence[str],
    cells: Sequence[str] | None,
    labels: Sequence[str] | None,
) -> Texts:
    rows, scores, kept, skipped = list[tuple[str, ...]](), list[float](), list[int](), list[Skipped]()
    for number, row in enumerate(zip(*parts, strict=True), start=1):
        place = f"{path.name}:{number}"
        if cells is not None and not cells[number - 1].strip():
            skipped.append(Skipped(place, "it has no score"))
            continue
        if path.suffix == LINES and not row[0].strip():
            skipped.append(Skipped(place, "the line is blank"))
            continue
        for name, text in zip(names, row, strict=True):
            if not text.strip():
                raise ValueError(f"texts must not be empty, got nothing in column {name!r} of row {number} of {path}")
        if cells is not None:
            scores.append(_score(cells[number - 1], path, number))
        rows.append(tuple(text.strip() for text in row))
        kept.append(number)
    return Texts(
        tuple(rows),
        scores=None if cells is None else tuple(scores),
        labels=None if labels is None else tuple(_label(labels[number - 1], path, number) for number in kept),
        names=tuple(f"{path.name}:{number}" for number in kept),
        skipped=tuple(skipped),
    )


def _score(cell: str, path: Path, number: int) -> float:
    try:
        return _checks.number("score", float(cell))
    except ValueError as error:
        raise ValueError(f"scores must be numbers, got {cell!r} in row {number} of {path}") from error


def _label(cell: str, path: Path, number: int) -> str:
    """Return a class by its name; a fraction is what spreadsheets make of a whole number beside an empty cell."""
    name = cell.strip()
    is_number = are_numbers([name]) and isfinite(float(name))
    if not name or (is_number and not name.removeprefix("-").isdecimal()):
        raise ValueError(
            f"labels must be words or whole numbers, got {repr(cell) if name else 'nothing'} in row {number} of "
            f"{path}; leave such rows out, or the column"
        )
    return name
