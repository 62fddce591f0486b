"""`anchorwise objectives`."""

from typing import Annotated

import typer


def objectives(
    name: Annotated[
        str | None, typer.Argument(help="Only this one, or module:Class of your own; by default all.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write the page of the documentation.")] = False,
) -> None:
    """List the objectives: what each computes, where it is from, its hyperparameters and what it is called with."""
    from anchorwise._own_code import is_own
    from anchorwise.objectives.catalogue import catalogue, describe
    from anchorwise.objectives.catalogue import markdown as as_markdown

    if markdown:
        typer.echo(as_markdown(), nl=False)
        return
    for entry in catalogue() if name is None else [describe(name)]:
        typer.secho(f"{entry.name}  {entry.python_name}{entry.call}", bold=True)
        typer.echo(f"    {entry.summary}")
        typer.echo(f"    hyperparameters: {', '.join(entry.hyperparameters) or 'none'}")
        typer.echo(f"    source: {entry.source or ('not said' if is_own(entry.name) else 'this library')}\n")
