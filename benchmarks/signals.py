"""Pairs of segments against pairs of participants on generated pulses, over seeds, beside what nothing learnt gives.

    python -m benchmarks.signals runs/signals --seeds 5 --out signals.json

trains `pulses-participants` as it is and with `views.pairs=segment` for every seed, which decides the people, who of
them is the test part, and the training; runs that are there are gone on with. Every run, its encoder before the
training and the standardised signal itself are judged by the same judges. Prints a Markdown table of means over seeds
with 95 % t-intervals, and of the differences seed by seed.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from anchorwise import _files
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.registry import settings_of
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.evaluation.statistics import t_interval
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.series.storage import FrozenSeries
from anchorwise.training import apply_overrides, pretrain, recipe
from anchorwise.training.run_directory import RunDirectory

NUMBERS = {
    "group_recall_at_1": ("own participant nearest %", 100.0, 1),
    "group_recall_at_10": ("among 10 nearest %", 100.0, 1),
    "r2_reflection_height": ("R2 of the height", 1.0, 3),
    "r2_reflection_delay": ("R2 of the delay", 1.0, 3),
    "r2": ("R2, mean", 1.0, 3),
}
PAIRS = ("participant", "segment")


def judged_run(folder: Path, seed: int, pairs: str) -> dict[str, dict[str, float]]:
    """Return by name the numbers of a run, and those of its encoder before it and of the signals themselves."""
    settings = [f"views.pairs={pairs}", f"train.seed={seed}", f"data.seed={seed}", "train.log_to=[]"]
    config = apply_overrides(recipe("pulses-participants"), [*settings, "train.device=cpu", "train.knn_every_epochs=0"])
    run = pretrain(config, folder / f"{pairs}-{seed}", show_progress=False)
    found = {f"{pairs} pairs": _numbers(run, None)}
    found[f"{pairs} pairs"]["train_time_s"] = run.summary()["train_time_s"]
    if pairs == PAIRS[0]:
        found["untrained"], found["raw signal"] = _numbers(run, "untrained"), _numbers(run, "raw")
    return found


def _numbers(run: RunDirectory, instead: str | None) -> dict[str, float]:
    config, frozen = run.config(), run.encoder()
    if not isinstance(frozen, FrozenSeries):
        raise TypeError(f"{run.path} is no run on signals")
    modality = modality_of("series")
    splits = modality.load(config.data)
    if instead == "raw":
        frozen = FrozenSeries(Encoder(nn.Flatten(), num_features=128), frozen.spec)
    elif instead == "untrained":
        torch.manual_seed(config.train.seed)
        frozen = FrozenSeries(modality.new_encoder(config.encoder, modality.examples(splits.train)), frozen.spec)
    judges = settings_of(modality.judges_of(splits))
    return judged_samples(frozen, splits, EvaluationConfig(judges=judges)).numbers


def table(found: list[dict[str, dict[str, float]]]) -> str:
    """Return means over seeds with their intervals, and the differences of the two kinds of pairs."""
    names = ["raw signal", "untrained", "segment pairs", "participant pairs"]
    lines = [f"| | {' | '.join(label for label, _, _ in NUMBERS.values())} |", f"|---|{'---|' * len(NUMBERS)}"]
    for name in names:
        lines.append(_line(name, {number: [seed[name][number] for seed in found] for number in NUMBERS}))
    first, second = (f"{pairs} pairs" for pairs in PAIRS)
    apart = {number: [seed[first][number] - seed[second][number] for seed in found] for number in NUMBERS}
    return "\n".join([*lines, _line("participant less segment", apart, sign="+")])


def _line(name: str, values: dict[str, list[float]], *, sign: str = "") -> str:
    cells = []
    for number, (_, factor, digits) in NUMBERS.items():
        over = t_interval([factor * value for value in values[number]])
        half = over.half_width or 0.0
        ends = ", ".join(f"{over.mean + end:{sign}.{digits}f}" for end in (-half, half))
        cells.append(f"{over.mean:{sign}.{digits}f} [{ends}]")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Train, judge, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the runs are")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, help="JSON file of all numbers")
    given = parser.parse_args()
    found = list[dict[str, dict[str, float]]]()
    for seed in range(given.seeds):
        found.append(
            {name: numbers for pairs in PAIRS for name, numbers in judged_run(given.folder, seed, pairs).items()}
        )
        kept: dict[str, Any] = {"recipe": "pulses-participants", "torch": torch.__version__, "seeds": found}
        _files.write_text(given.out, json.dumps(kept, indent=2) + "\n")
        print(f"seed {seed} done\n{table(found)}", flush=True)


if __name__ == "__main__":
    main()
