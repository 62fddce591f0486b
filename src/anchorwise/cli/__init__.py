"""The command line: one file per command.

Nothing here imports torch before a command does its work, so that help, the version and typing errors come at once.
"""

import sys

from anchorwise import _extras, _threads


def main() -> None:
    """Run the program, or say what to install where the library alone is there."""
    _threads.share_the_machine()
    try:
        from anchorwise.cli.app import main as run

        run()
    except ModuleNotFoundError as error:
        if (error.name or "anchorwise").startswith("anchorwise"):
            raise
        sys.exit(f"error: {_extras.missing(str(error.name))}")
