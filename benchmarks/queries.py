"""What SIRL learns of generated queries, beside raw states, an untrained encoder, and trajectories with noise.

    python -m benchmarks.queries --out queries.json

trains every row of the table on the same queries, judges it, and prints a Markdown table of means over seeds with 95 %
intervals (Student's t). A seed decides the data and the training. Runs are kept in the folder beside the JSON file, so
that the same call goes on after a stop.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.registry import settings_of
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.modalities.own.modality import own_frozen
from anchorwise.modalities.registry import modality_of
from anchorwise.training import apply_overrides, pretrain, recipe
from anchorwise.training.state import initial_state
from benchmarks.over_seeds import measured, table

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
    runs = given.out.parent / "runs"
    found = measured(ROWS, given.seeds, lambda row, seed: judged_row(row, seed, runs), given.out)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
