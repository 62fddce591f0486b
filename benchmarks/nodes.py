"""What MEOW learns of the nodes of ACM or IMDB, beside features that nothing was trained for.

    python -m benchmarks.nodes acm-meow --data acm --out nodes-acm.json

trains every row of the table, judges it, and prints a Markdown table of means over seeds with 95 % intervals (Student's
t). A seed decides first weights, dropout, clusters and masks. Runs are kept in the folder beside the JSON file, so that
the same call goes on after a stop; `--rows` names a few.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import torch

from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.nodes import BASELINES, Nodes
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.modalities.registry import modality_of
from anchorwise.training import apply_overrides, pretrain, recipe
from anchorwise.training.state import initial_state
from benchmarks.over_seeds import Kept, measured, table

CONFIG = EvaluationConfig(judges=(Nodes.Config(),))
# What is changed of the recipe, by the name of the row; None for what is not trained.
ROWS: Mapping[str, Sequence[str] | None] = {
    "untrained encoder": None,
    "MEOW": [],
    "MEOW with prototypes": ["method.prototype_weight=1.0"],
    "contrast without weights": [
        "method.name=simclr",
        "method.head.num_layers=1",
        "method.head.output_width=64",
        "method.head.tanh=true",
        "objective.name=cross_view",
        "objective.temperature=0.4",
        "objective.both_directions=false",
    ],
    "AdaMEOW": ["method.name=ada_meow", "encoder.dropout=0.3", "encoder.edge_mask=0.2"],
}
SHOWN = ("macro_f1@20", "macro_f1@40", "macro_f1@60", "micro_f1", "auc", "nmi", "ari")


def judged_row(name: str, start: str, data: str, seed: int, runs: Path) -> dict[str, float]:
    """Return the numbers of a row of the table for a seed, with those of the baselines."""
    base = apply_overrides(recipe(start), [f"data.source={json.dumps(data)}", f"train.seed={seed}", "train.log_to=[]"])
    splits, settings = modality_of("graphs").load(base.data), ROWS[name]
    if settings is None:
        frozen = initial_state(base, splits.pretrain, torch.device("cpu")).frozen()
        frozen.encoder.eval()
    else:
        frozen = pretrain(apply_overrides(base, settings), runs / f"{name}, seed {seed}").encoder()
    result = judged_samples(frozen, splits, CONFIG).judged["nodes"]
    return {metric: fmean(values) for metric, values in result.numbers.items()}


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=("acm-meow", "imdb-meow"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rows", nargs="+", choices=[*ROWS], default=[*ROWS])
    given = parser.parse_args()
    runs = given.out.parent / f"{given.out.stem}-runs"
    found = measured(
        given.rows, given.seeds, lambda row, seed: judged_row(row, given.recipe, given.data, seed, runs), given.out
    )
    head, rule, *rows = table(found, SHOWN)
    print("\n".join([head, rule, *untrained(found), *rows]))


def untrained(found: Kept) -> list[str]:
    """Return the rows of what needs no training, which are the same for all."""
    some = next(iter(next(iter(found.values())).values()))
    return [
        f"| {words} | {' | '.join(format(some[f'{prefix}_{metric}'], '.3f') for metric in SHOWN)} |"
        for prefix, words in BASELINES.items()
    ]


if __name__ == "__main__":
    main()
