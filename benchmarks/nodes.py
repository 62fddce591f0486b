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
from statistics import fmean, stdev

import torch
from scipy.stats import t as student

from anchorwise import _files
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.nodes import BASELINES, Nodes
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.modalities.registry import modality_of
from anchorwise.training import apply_overrides, pretrain, recipe
from anchorwise.training.state import initial_state

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
    found = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for name in given.rows:
        for seed in given.seeds:
            of_row = found.setdefault(name, {})
            if str(seed) not in of_row:
                runs = given.out.parent / f"{given.out.stem}-runs"
                of_row[str(seed)] = judged_row(name, given.recipe, given.data, seed, runs)
                _files.write_text(given.out, json.dumps(found, indent=2) + "\n")
                print(name, seed, {metric: round(of_row[str(seed)][metric], 4) for metric in SHOWN}, flush=True)
    print("\n".join(table(found)))


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return a Markdown table of means over seeds with their intervals; rows without training are the same for all."""
    lines = [f"| | {' | '.join(SHOWN)} |", f"|---|{'---|' * len(SHOWN)}"]
    some = next(iter(next(iter(found.values())).values()))
    for prefix, words in BASELINES.items():
        cells = [format(some[f"{prefix}_{metric}"], ".3f") for metric in SHOWN]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    for row, seeds in found.items():
        cells = [_interval([numbers[metric] for numbers in seeds.values()]) for metric in SHOWN]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def _interval(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f} (one seed)"
    half = student.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
