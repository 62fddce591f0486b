"""Tables in files: a text on every line, or columns of CSV, TSV, JSON lines and Parquet."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anchorwise import _checks, _extras, _files

Columns = Mapping[str, Sequence[str]]
WITH_HEADERS = (".csv", ".tsv")  # Whose first row may name the columns.
LINES = ".txt"  # The suffix of a text on every line; those that are blank are cells like the others.


def read_table(path: Path) -> Columns:
    """Read a file of one of `SUFFIXES` as columns by name, all of one length and not empty.

    Raises:
        UnusableFileError: If it is damaged.
        ValueError: If it is of another kind, or holds nothing.
    """
    read = _READERS[_checks.one_of("the suffix of data.source", path.suffix, _READERS)]
    with _files.reading(path):
        table = read(path)
    if not table:
        raise ValueError(f"{path} must have rows, got none")
    return table


def columns_there(source: str, columns: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return columns that were chosen of one source, where the tables of another have them all; None otherwise."""
    path = Path(source).expanduser()
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else []
    tables = [read_table(file) for file in files if columns and file.suffix in SUFFIXES and file.name[0] != "."]
    return tuple(columns or ()) if tables and all(set(columns or ()) <= table.keys() for table in tables) else None


def csv_rows(lines: Iterable[str], **dialect: Any) -> list[list[str]]:
    """Return the rows of CSV, in a dialect as Python's `csv.reader` takes it.

    Raises:
        ValueError: If a cell is longer than the reader takes: often a quotation mark is not closed.
    """
    reader, rows = csv.reader(lines, **dialect), list[list[str]]()
    try:
        rows.extend(reader)
    except csv.Error as error:
        if "field limit" not in str(error):
            raise
        raise ValueError(
            f"a cell must have at most {csv.field_size_limit():,} characters, got more after {len(rows):,} rows; "
            "close the quotation mark where one is open, cut the text, or save the table as .jsonl or .parquet"
        ) from error
    return rows


def are_numbers(cells: Sequence[str]) -> bool:
    """Return whether cells are numbers, those of them that hold anything, and one does."""
    try:
        return [float(cell) for cell in cells if cell.strip()] != []
    except ValueError:
        return False


def _lines(path: Path) -> Columns:
    lines = _files.read_lines(path)
    return {"text": lines} if any(line.strip() for line in lines) else {}


def _csv(path: Path) -> Columns:
    with path.open(encoding=_files.ANY_UTF_8, newline="") as file:
        rows = csv_rows(file)
    if rows and len(rows[0]) == 1 and "\t" in rows[0][0]:
        raise ValueError(
            f"columns of a .csv must be parted by commas, got tabs in the first row, {rows[0][0][:60]!r}; call it "
            f"{path.stem}.tsv"
        )
    if rows and all(len(row) == 1 and ";" in row[0] for row in rows):  # As spreadsheets write where commas are decimal.
        raise ValueError(
            f"columns of a .csv must be parted by commas, got semicolons in every row, {rows[0][0][:60]!r}; save it "
            f"with commas, or call it {path.stem}.txt where each row is one text"
        )
    return _of_rows(rows)


def _tsv(path: Path) -> Columns:
    with path.open(encoding=_files.ANY_UTF_8, newline="") as file:
        return _of_rows(csv_rows(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _of_rows(rows: Sequence[Sequence[str]]) -> Columns:
    """Return columns by name; by number, from 0, where the first row has a number or a gap, as no header has.

    Row numbers in front, which pandas writes under an empty name, are left out.
    """
    rows = _without_index([row for row in rows if any(cell.strip() for cell in row)])
    first = rows[0] if rows else []
    is_header = _are_names(first)
    names = [cell.strip() for cell in first] if is_header else [str(place) for place in range(len(first))]
    if len(set(names)) < len(names):
        raise ValueError(f"columns must have different names, got {', '.join(names)} in the first row; rename one")
    body = rows[1:] if is_header else rows
    for number, row in enumerate(body, start=1):
        if len(row) != len(names):
            raise ValueError(f"every row must have {len(names)} columns, got {len(row)} in row {number}")
    return dict(zip(names, zip(*body, strict=True), strict=True)) if body else {}


def _are_names(cells: Sequence[str]) -> bool:
    return all(cell.strip() and not are_numbers([cell]) for cell in cells)


def _without_index(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    if len(rows) < 2 or rows[0][0] or not rows[0][1:] or not _are_names(rows[0][1:]):
        return rows
    are_numbered = [row[0] for row in rows[1:]] == [str(number) for number in range(len(rows) - 1)]
    return [row[1:] for row in rows] if are_numbered else rows


def _jsonl(path: Path) -> Columns:
    rows = [json.loads(line) for line in _files.read_lines(path) if line.strip()]
    names = list(rows[0]) if rows else []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or list(row) != names:
            raise ValueError(f"every line must be an object of {', '.join(names)}, got another in line {number}")
    return _Cells({name: [row[name] for row in rows] for name in names})


class _Cells(Mapping[str, Sequence[str]]):
    """Columns of values as text; one that holds lists is refused where it is asked for, and no harm beside others."""

    def __init__(self, values: Mapping[str, Sequence[Any]]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Sequence[str]:
        return [_cell(value, name) for value in self._values[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _cell(value: Any, name: str) -> str:
    """Return a value as text, nothing where there is none."""
    if isinstance(value, list | dict):
        raise ValueError(
            f"every cell must be one text or number, got {str(value)[:60]} in column {name!r}; give each of "
            "several its own column, or name other columns"
        )
    return "" if value is None else str(value)


def _parquet(path: Path) -> Columns:
    _extras.needed("pyarrow")
    from pyarrow import parquet  # pyright: ignore[reportMissingImports]

    return cells_of(parquet.read_table(path))


def cells_of(table: Any) -> Columns:
    """Return the cells of an Arrow table as text, those without a value as nothing."""
    return _Cells({name: table.column(name).to_pylist() for name in table.column_names if len(table)})


_READERS: Mapping[str, Callable[[Path], Columns]] = {
    LINES: _lines,
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
SUFFIXES = tuple(_READERS)
