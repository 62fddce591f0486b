"""`anchorwise mine`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from anchorwise.cli.embed import DataOption, DeviceOption, samples_of_run


def mine(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run on texts.")],
    out: Annotated[Path, typer.Option(help="JSON lines: anchor, positive, and a column for each hard negative.")],
    data: DataOption = None,
    num_negatives: Annotated[int, typer.Option(help="Hard negatives of every pair.")] = 1,
    range_min: Annotated[int, typer.Option(help="Nearest others that are passed over.")] = 0,
    range_max: Annotated[int | None, typer.Option(help="Nearest others that are looked at.")] = None,
    max_score: Annotated[float | None, typer.Option(help="Highest cosine of a hard negative.")] = None,
    absolute_margin: Annotated[float | None, typer.Option(help="How far it is below that of the positive.")] = None,
    relative_margin: Annotated[
        float | None, typer.Option(help="Likewise, as a share of the positive's, such as 0.05.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Find hard negatives of training pairs by a trained encoder, for a training with method.num_negatives.

    Of every anchor the nearest positives of other samples are taken that share no text with it. Pairs for which too few
    are found are left out and counted.
    """
    import torch

    from anchorwise import _files
    from anchorwise._device import as_device
    from anchorwise._outputs import claim_file
    from anchorwise._terminal import printable
    from anchorwise.evaluation.embed import embed_samples
    from anchorwise.evaluation.mining import Mining
    from anchorwise.evaluation.mining import mine as mined_by
    from anchorwise.evaluation.partners import pairs_of

    settings = Mining(num_negatives, range_min, range_max, max_score, absolute_margin, relative_margin)
    claim_file(out, _is_mined)
    place, (frozen, splits) = as_device(device), samples_of_run(run, data, None, download=False)
    samples, partners = splits.train, splits.train.partners()
    if partners is None or samples.text(0) is None:
        raise ValueError(f"--data must be pairs of texts, such as two columns, got {samples.what}")
    rows = embed_samples(frozen, samples, split="train", device=place, show_progress=True)
    known: dict[str, int] = {}
    same = torch.tensor([known.setdefault(partners.text(each) or "", len(known)) for each in range(len(partners))])
    found = mined_by(pairs_of(rows, "mine", place), samples.groups, settings, same=same)
    names = ["negative"] if num_negatives == 1 else [f"negative_{number}" for number in range(1, num_negatives + 1)]
    lines = [
        {"anchor": samples.text(number), "positive": partners.text(number)}
        | {name: partners.text(other) for name, other in zip(names, others, strict=True)}
        for number, others in enumerate(found.negatives.tolist())
        if min(others) >= 0
    ]
    _files.write_text(out, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    missing = len(samples) - len(lines)
    typer.echo(
        printable(
            f"{out}: {len(lines):,} pairs with hard negatives; {missing:,} had too few, and {found.num_refused:,} near "
            "texts fell to a margin or a highest score"
        )
    )


def _is_mined(path: Path) -> bool:
    from anchorwise import _files

    lines = _files.read_lines(path)
    return all({"anchor", "positive"} <= json.loads(line).keys() for line in lines[:1])
