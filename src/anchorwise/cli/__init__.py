"""The command line: one file per command."""

import sys


def main() -> None:
    """Run the program, or say what to install where the library alone is there."""
    try:
        from anchorwise.cli.app import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("anchorwise"):
            raise
        sys.exit(f"error: the command line needs {error.name}; install anchorwise with its extra: '.[vision]'")
    run()
