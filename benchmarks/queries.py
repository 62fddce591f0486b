"""What SIRL learns of generated queries, beside raw states, an untrained encoder, and trajectories with noise.

    python -m benchmarks.queries --out queries.json

trains every row of the table on the same queries, judges it, and prints a Markdown table of means over seeds with 95 %
intervals (Student's t). A seed decides the data and the training. Runs are kept in the folder beside the JSON file, so
that the same call goes on after a stop.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

import torch
from scipy.stats import t as student
from torch import nn

from anchorwise import _files
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.registry import settings_of
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.modalities.own.modality import own_frozen
from anchorwise.modalities.registry import modality_of
from anchorwise.training import apply_overrides, pretrain, recipe
from anchorwise.training.state import initial_state

CONFIG = EvaluationConfig(judges=settings_of(["queries", "reward_learning"]))
NOISE = ["data.answers=false", "method.name=simclr", "method.head.num_layers=0", "objective.name=info_nce"]
# What is trained, by its name in the table; None for what is not.
ROWS: Mapping[str, Sequence[str] | None] = {
    "raw states": None,
    "untrained encoder": None,
    "InfoNCE, noise of 0.3": [*NOISE, "views.noise=0.3"],
    "InfoNCE, noise of 1": [*NOISE, "views.noise=1.0"],
    "SIRL": [],
    "SIRL, shuffled answers": ["data.wrong_share=0.6666667"],
    "SIRL, 2,000 queries": ["data.num_train=2000"],
}


def judged_row(name: str, seed: int, runs: Path) -> dict[str, float]:
    """Return the numbers of a row of the table for a seed."""
    seeds = [f"data.seed={seed}", f"train.seed={seed}"]
    base = apply_overrides(recipe("queries-sirl"), seeds)
    splits = modality_of("queries").load(base.data)
    settings = ROWS[name]
    if name == "raw states":
        frozen = own_frozen(nn.Flatten(), splits.train)
    elif settings is None:
        frozen = initial_state(base, splits.pretrain, torch.device("cpu")).frozen()
    else:
        config = apply_overrides(base, settings)
        frozen = pretrain(config, runs / f"{name}, seed {seed}", show_progress=False).encoder()
    return dict(judged_samples(frozen, splits, CONFIG).numbers)


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = parser.parse_args()
    found = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for seed in given.seeds:
        for name in ROWS:
            of_row = found.setdefault(name, {})
            if str(seed) not in of_row:
                of_row[str(seed)] = judged_row(name, seed, given.out.parent / "runs")
                _files.write_text(given.out, json.dumps(found, indent=2) + "\n")
                print(name, seed, of_row[str(seed)], flush=True)
    print("\n".join(table(found)))


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return a Markdown table of means over seeds with their intervals."""
    names = list(next(iter(next(iter(found.values())).values())))
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for row, seeds in found.items():
        cells = [_interval([numbers[name] for numbers in seeds.values()]) for name in names]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def _interval(values: Sequence[float]) -> str:
    half = student.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
