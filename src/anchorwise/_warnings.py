"""Warnings to the caller of the package, in words that do not look like a fault of the package itself."""

import sys
import warnings
from pathlib import Path
from traceback import walk_stack

_PACKAGE = str(Path(__file__).parent)


def warn(message: str) -> None:
    """Warn with the line outside of this package that the call came from, however deep below it this is."""
    frames = list(walk_stack(sys._getframe()))
    last = max(i for i, (frame, _) in enumerate(frames) if frame.f_code.co_filename.startswith(_PACKAGE))
    warnings.warn(message, stacklevel=last + 2)
