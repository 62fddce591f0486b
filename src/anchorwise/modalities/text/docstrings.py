"""What a function says it does, and what it does: pairs of docstring and code from Python's standard library.

They are read from the running Python's own files, without importing any, so they need no download and differ between
versions of Python: 3.11 gives 5,123 pairs.
"""

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from anchorwise.modalities.text.tables import Texts

_WORDS = (3, 60)  # Of a docstring's first paragraph.
_LEFT_OUT = ("test", "tests", "idlelib", "site-packages", "dist-packages", "lib2to3", "__pycache__")
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\sA-Za-z\d_]")


def read_docstrings(folder: Path | None = None) -> Texts:
    """Return one pair for every function and class with a docstring, each docstring once; in the order of the files.

    Code is given as words: names are parted where case changes and at underscores.

    Args:
        folder: Of the Python files; the standard library's if left out.
    """
    root = folder or Path(sysconfig.get_paths()["stdlib"])
    pairs, names = dict[str, str](), list[str]()
    for path in sorted(root.rglob("*.py")):
        if not set(path.relative_to(root).parts) & set(_LEFT_OUT):
            for name, said, code in _pairs(path):
                if said not in pairs:
                    pairs[said] = code
                    names.append(f"{path.relative_to(root)}:{name}")
    return Texts(tuple(pairs.items()), names=tuple(names))


def _pairs(path: Path) -> Iterator[tuple[str, str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of old syntax in files that are not ours.
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (SyntaxError, ValueError, OSError):
            return
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        said = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
        if not _WORDS[0] <= len(said.split()) <= _WORDS[1] or len(node.body) < 2:
            continue
        lines = source.split("\n")[node.body[1].lineno - 1 : node.end_lineno]
        words = _SPLIT.findall(" ".join([node.name, *lines]))
        yield node.name, said, " ".join(words).lower()
