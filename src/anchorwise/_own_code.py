"""Classes of one's own, named by where they are imported from: `module:Class`, as web servers name applications."""

import hashlib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from anchorwise import _checks

FORM = "module:Class"  # What lists of names say beside them.

_Kind = TypeVar("_Kind")


def is_own(name: object) -> bool:
    """Return whether a name says where a class is imported from."""
    return isinstance(name, str) and ":" in name


def has_own(tree: Any) -> bool:
    """Return whether such a name may stand anywhere in a tree, as JSON has it."""
    if isinstance(tree, Mapping | list | tuple):
        return any(map(has_own, tree.values() if isinstance(tree, Mapping) else tree))
    return is_own(tree)


def imported(part: str, name: str, kind: type[_Kind]) -> type[_Kind]:
    """Return the class of that name, a subclass of `kind`; the current folder counts, as with `python -m`.

    Raises:
        ValueError: If it cannot be imported, or is no such class; the message says which are there.
    """
    module_name, _, class_name = name.partition(":")
    if module_name == "__main__":
        raise ValueError(
            f"{part} must be in a module that worker processes and later runs can import, got {name!r}: move the class "
            f"from the script into a file of its own, such as mine.py, and name mine:{class_name}"
        )
    if module_name.endswith(".py") or not all(map(str.isidentifier, (*module_name.split("."), class_name))):
        raise ValueError(
            f"{part} must be {FORM} as an import would say it, such as margin:MarginInfoNCE for one in margin.py of "
            f"this folder, got {name!r}"
        )
    module = _module(part, name, module_name)
    found = getattr(module, class_name, None)
    if isinstance(found, type) and issubclass(found, kind):
        if missing := getattr(found, "__abstractmethods__", None):
            raise ValueError(f"{part} must be a whole class, got {name!r}, which does not define {', '.join(missing)}")
        _digest_at_import(found)
        return found
    classes = {each: value for each, value in vars(module).items() if isinstance(value, type)}
    there = [each for each, value in classes.items() if issubclass(value, kind) and value is not kind]
    other = "another class" if isinstance(found, type) else f"of type {_checks.kind_of(found)}"
    raise ValueError(
        f"{part} must be a subclass of {kind.__module__.rpartition('.')[0]}.{kind.__name__}, got {name!r}, which is "
        f"{'not there' if found is None else other}; {module.__file__} has {', '.join(there) or 'none'}"
        f"{_checks.hint(class_name, there)}"
    )


def digest_of(kind: type, expected: str | None = None) -> str:
    """Return what tells the source of a class from another: a digest of the file that it was imported from.

    Args:
        kind: The class.
        expected: What it must be, where the work was begun before.

    Raises:
        ValueError: If it is another one, or the file was edited after the import, so that another source would run.
    """
    file, name = Path(inspect.getfile(kind)), f"{kind.__module__}:{kind.__qualname__}"
    at_import = _digest_at_import(kind)
    if expected is not None and at_import != expected:
        raise ValueError(
            f"the source of {name} is not that of the run that was begun ({file} has digest {at_import}, not "
            f"{expected}); restore the file, or leave out `code` (--set code=null) for another run"
        )
    if expected is None and _digest(kind) != at_import:
        raise ValueError(
            f"{file} was edited after {name} was imported from it, so what would run is not what stands there; start "
            "Python anew (in a notebook: its kernel)"
        )
    return at_import


def _digest(kind: type) -> str:
    return hashlib.sha256(Path(inspect.getfile(kind)).read_bytes()).hexdigest()[:16]


_digest_at_import = cache(_digest)


def _module(part: str, name: str, module: str) -> ModuleType:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()  # The file may have been written a moment ago.
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            near = _checks.hint(module, [file.stem for file in Path(folder).glob("*.py")])
            raise ValueError(
                f"{part} is {name!r}, and there is no module {error.name!r} in {folder} or among what is installed; "
                f"start from the folder that holds it{near}"
            ) from None
        *_, last = traceback.format_exception_only(error)
        raise ValueError(f"{part} is {name!r}, and importing {module} fails{_place(error)}: {last.strip()}") from error


def _place(error: BaseException) -> str:
    """Return the line of a file that an import failed in."""
    if isinstance(error, SyntaxError):
        return f" in {error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    last = [frame for frame in frames if not frame.filename.startswith("<")][-1]
    return f" in {last.filename}, line {last.lineno}"
