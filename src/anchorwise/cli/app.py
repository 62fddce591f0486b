"""The `anchorwise` program: its commands, and errors as one line instead of a traceback."""

import inspect
import re
import sys
import warnings
from typing import Annotated, NoReturn

import typer

import anchorwise
from anchorwise._terminal import printable
from anchorwise.cli.compare import compare
from anchorwise.cli.demo import demo
from anchorwise.cli.diagnose import diagnose
from anchorwise.cli.doctor import doctor
from anchorwise.cli.embed import embed
from anchorwise.cli.evaluate import evaluate
from anchorwise.cli.export import export
from anchorwise.cli.mine import mine
from anchorwise.cli.objectives import objectives
from anchorwise.cli.plan import plan
from anchorwise.cli.pretrain import pretrain
from anchorwise.cli.runs import runs

_OUT_OF_MEMORY = re.compile("out of memory|(can't|not enough memory to|failed to) allocate", re.IGNORECASE)

app = typer.Typer(
    help="Contrastive representation learning that takes the tail of the hardest negatives seriously.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Every command, with what one would type first; its help ends with it.
COMMANDS = {
    demo: "",
    pretrain: "cifar10-small --data cifar10.tar.gz --out runs/first --set objective.name=weibit",
    embed: "runs/first --out features",
    evaluate: "runs/first --judge classification --judge few_shot",
    diagnose: "embeddings.npy --out diagnosis",
    compare: "compare-cifar10-small --data cifar10.tar.gz --only weibit",
    export: "runs/first --out for-torchvision",
    mine: "runs/captions-small --data pairs.tsv --out triples.jsonl --relative-margin 0.05",
    objectives: "weince",
    plan: "32768 --dim 256",
    runs: "runs --by kNN",
    doctor: "",
}


def _paragraphs(text: str) -> str:
    """Return a docstring without the line ends inside its paragraphs, which a terminal sets by its own width."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


for command, example in COMMANDS.items():
    words = f"Example: anchorwise {command.__name__} {example}".rstrip()
    app.command(help=_paragraphs(command.__doc__ or ""), epilog=words)(command)


def _print_version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(f"anchorwise {anchorwise.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = None,
) -> None:
    """Contrastive representation learning that takes the tail of the hardest negatives seriously."""


def _show_warning(message: Warning | str, *where: object, **more: object) -> None:
    """Print a warning as what it is to a user, without the line of code that gave it."""
    typer.secho(f"warning: {printable(str(message))}", fg=typer.colors.YELLOW, err=True)


def main() -> None:
    """Run the program; a user's mistake ends it with one line on standard error and status 2."""
    warnings.showwarning = _show_warning
    try:
        app()
    except (ValueError, OSError, MemoryError, RecursionError, OverflowError) as error:
        _end_with(_in_words(error))
    except RuntimeError as error:  # Torch has no kind of its own for memory that the processor lacks.
        if not _OUT_OF_MEMORY.search(str(error)):
            raise
        _end_with(f"not enough memory for these settings: {str(error).splitlines()[0]}")


def _in_words(error: Exception) -> str:
    """Return the message of an error; one of the system names the file first, as this library's own do."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _end_with(message: str) -> NoReturn:
    typer.secho(f"error: {printable(message)}", fg=typer.colors.RED, err=True)
    sys.exit(2)
