"""The whole demo, from images to report."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch

from anchorwise import _outputs
from anchorwise.demo.contenders import PIXELS, UNTRAINED, judge_pixels, judge_runs
from anchorwise.demo.report import Measured, demo_report
from anchorwise.demo.runs import OBJECTIVES, DemoRun, pretrain_all, untrained_state
from anchorwise.modalities.base import Splits
from anchorwise.modalities.images.augment import RandomViews
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.image_set import ImageSet

REPORT_FILE = "report.html"


def run_demo(out: Path, *, seeds: Sequence[int] = (0, 1, 2), num_epochs: int | None = None) -> Path:
    """Pretrain with InfoNCE and WEINCE on digits, judge both, write the report, and return its path.

    Runs that are finished are reused, so that a second call only judges and writes.

    Args:
        out: Folder of the runs and the report.
        seeds: One training of each objective per seed.
        num_epochs: Of every training; the recipe's own if left out.

    Raises:
        ValueError: If there is no seed, or `out` holds runs of other settings, or what is not a demo's.
    """
    if not seeds:
        raise ValueError("seeds must name at least one, got none")
    _outputs.claim_folder(out, "demo", is_own=any(out.glob("*-seed*/config.json")))
    runs = pretrain_all(out, seeds=seeds, num_epochs=num_epochs)
    splits = load_splits(runs[0].directory.config().data)
    print("Judging the frozen encoders and fitting their tails", flush=True)
    path = out / REPORT_FILE
    with _one_thread():
        measured = measure(runs, splits)
    demo_report(measured).write(path)
    return path


def measure(runs: Sequence[DemoRun], splits: Splits[ImageSet]) -> Measured:
    """Return all that the report shows."""
    by_name = {name: [run for run in runs if run.name == name] for name in OBJECTIVES}
    first = next(iter(by_name.values()))
    untrained = [untrained_state(run.directory.config(), splits) for run in first]
    contenders = [judge_runs(name, [run.state(splits) for run in of], splits) for name, of in by_name.items()]
    contenders += [judge_runs(UNTRAINED, untrained, splits), judge_pixels(PIXELS, splits)]
    return Measured(
        splits=splits,
        augmentation=cast(RandomViews, untrained[0].views),
        contenders=contenders,
        logs={f"{run.name}/{run.seed}": run.directory.log() for run in runs},
        configurations={
            f"{name}, seed {of[0].seed}": of[0].directory.config_file.read_text(encoding="utf-8")
            for name, of in by_name.items()
        },
        commands="\n".join([run.command() for run in runs] + [run.judging_command() for run in runs]),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """So few rows are judged faster in one thread: on a busy machine several mostly wait for each other."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
