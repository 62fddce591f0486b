"""`anchorwise plan`: what a batch will cost."""

from typing import Annotated

import typer


def plan(
    num_rows: Annotated[int, typer.Argument(help="Rows that are compared: 2n for n images with two views.")],
    dim: Annotated[int, typer.Option(help="Width of the embeddings.")] = 128,
    dtype: Annotated[str, typer.Option(help="Of the arithmetic: float32 or float64.")] = "float32",
    device: Annotated[str, typer.Option(help="Where the loss is computed, as torch names it.")] = "cpu",
    world_size: Annotated[int, typer.Option(help="Ranks that share the batch.")] = 1,
) -> None:
    """Say what a batch will cost in memory and time, with every backend and with other libraries' formulas.

    Memory comes from formulas; times from 2,048 rows on this device, scaled with the square of the rows.
    """
    import torch
    from rich.console import Console
    from rich.table import Table

    from anchorwise import _checks, planning
    from anchorwise._device import as_device

    kinds = {"float32": torch.float32, "float64": torch.float64}
    costs = planning.plan(num_rows, dim, kinds[_checks.one_of("dtype", dtype, kinds)], as_device(device), world_size)
    table = Table("loss", "memory", "time", "fits", title=f"One step of {num_rows:,} x {dim} on {device}")
    for cost in costs:
        spent = "" if cost.time_s is None else f"{cost.time_s:.3g} s"
        table.add_row(cost.name, _bytes(cost.memory_bytes), spent, "yes" if cost.fits else "no")
    Console().print(table)


def _bytes(number: int) -> str:
    size, units = float(number), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    while size >= 1024.0 and len(units) > 1:
        size, units = size / 1024.0, units[1:]
    return f"{size:.3g} {units[0]}"
