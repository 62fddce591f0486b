"""`anchorwise doctor`: what is installed, and whether it computes what it should."""

import typer


def doctor() -> None:
    """Print versions, devices and backends, and check in ten seconds that what is computed is right.

    What it prints belongs into a report of an error. Nothing is written and nothing leaves the machine. The exit status
    is 1 if a check fails.
    """
    from anchorwise._terminal import printable
    from anchorwise.doctor import findings, installation

    for name, value in installation().items():
        typer.echo(printable(f"{name}: {value}"))
    typer.echo("")
    has_failed = False
    for finding in findings():
        has_failed |= bool(finding.trouble)
        typer.echo(printable(f"{finding.trouble or 'right'}: {finding.name} ({finding.time_s:.1f} s)"))
    if has_failed:
        raise typer.Exit(1)
