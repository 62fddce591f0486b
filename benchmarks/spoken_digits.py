"""What is forgotten of spoken digits that are learnt two at a time, and what contrast learns of all of them at once.

    python -m benchmarks.spoken_digits --data recordings/ --out speech.json

trains every row of both tables for every seed on one thread, and prints them in Markdown: means over seeds with 95 %
intervals (Student's t). Runs are kept in the folder beside the JSON file, so that the same call goes on after a stop.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from anchorwise import _files
from anchorwise.evaluation.evaluate import evaluate, judged_samples
from anchorwise.evaluation.registry import settings_of
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.evaluation.statistics import t_interval
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.modalities.sequences import steps_there
from anchorwise.modalities.speech.frontend import Frontend, fitted, waves_of
from anchorwise.modalities.speech.samples import SpeechSamples
from anchorwise.training import RunConfig, apply_overrides, pretrain, recipe

PLAIN = ["method.contrast=0", "method.words=0"]
SEQUENCE: Mapping[str, Sequence[str]] = {
    "fine-tuning": [*PLAIN, "order.memory_share=0"],
    "replay, 1 %": PLAIN,
    "replay and NSPT, 1 %": ["method.words=0"],
    "COCONUT, 1 %": [],
    "replay, 2 %": [*PLAIN, "order.memory_share=0.02"],
    "all at once": [*PLAIN, "order.num_tasks=1"],
}
# None for what is not trained.
CONTRAST: Mapping[str, Sequence[str] | None] = {
    "log-mel, mean and deviation over time": None,
    "SimCLR, InfoNCE": [],
    "SimCLR, SupCon": ["objective.name=sup_con", "objective.temperature=0.1"],
}
NUMBERS = ("average_accuracy", "last_accuracy", "forgetting")
QUIET = ["train.device=cpu", "train.log_to=[]", "train.knn_every_epochs=0"]
CONFIG = EvaluationConfig(judges=settings_of(["classification"]))


@torch.no_grad()
def pooled(samples: SpeechSamples, frontend: Frontend) -> np.ndarray:
    """Return mean and standard deviation over time of every band: features that nothing has learnt."""
    rows = list[torch.Tensor]()
    for ids in torch.arange(len(samples)).split(256):
        bands, lengths = frontend(*waves_of(samples.take(ids)))
        there = steps_there(lengths, bands.shape[2]).unsqueeze(1)
        mean = (bands * there).sum(dim=2) / lengths.unsqueeze(1)
        squares = ((bands - mean.unsqueeze(2)) * there).square().sum(dim=2) / lengths.unsqueeze(1)
        rows.append(torch.cat([mean, squares.sqrt()], dim=1))
    return torch.cat(rows).numpy()


def forgotten(base: RunConfig, name: str, seed: int, splits: Splits[Samples], runs: Path) -> dict[str, float]:
    """Return what a run of tasks measured of itself, with the accuracy on every task at the end."""
    config = apply_overrides(base, [f"train.seed={seed}", *SEQUENCE[name]])
    run = pretrain(config, runs / f"{name}, seed {seed}", splits=splits, show_progress=False)
    last = [line for line in run.log() if line["kind"] == "task"][-1]
    by_task = {key: value for key, value in last.items() if key.startswith("task_")}
    return {**{key: run.summary()[key] for key in NUMBERS}, **by_task}


def learnt(base: RunConfig, name: str, seed: int, splits: Splits[Samples], runs: Path) -> dict[str, float]:
    """Return the accuracies of a linear probe and of kNN."""
    settings = CONTRAST[name]
    if settings is None:
        train, test = splits.train, splits.test
        assert isinstance(train, SpeechSamples)
        assert isinstance(test, SpeechSamples)
        frontend = fitted(train)
        judged = evaluate(
            pooled(train, frontend),
            pooled(test, frontend),
            CONFIG.judges,
            train_labels=train.labels,
            test_labels=test.labels,
        )
    else:
        config = apply_overrides(base, [f"train.seed={seed}", *settings])
        frozen = pretrain(config, runs / f"{name}, seed {seed}", splits=splits, show_progress=False).encoder()
        judged = judged_samples(frozen, splits, CONFIG)
    found = judged.judged["classification"].numbers
    return {key: fmean(found[key]) for key in ("linear", "knn")}


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for part, source, further, rows, measure in (
        ("tasks", "spoken-digits-coconut", [], SEQUENCE, forgotten),
        ("contrast", "spoken-digits", ["train.num_epochs=5"], CONTRAST, learnt),
    ):
        base = apply_overrides(recipe(source), [f"data.source={given.data}", *QUIET, *further])
        splits = modality_of("speech").load(base.data)
        of_part = found.setdefault(part, {})
        for seed in given.seeds:
            for name in rows:
                of_row = of_part.setdefault(name, {})
                if str(seed) not in of_row:
                    of_row[str(seed)] = measure(base, name, seed, splits, given.out.parent / "runs")
                    _files.write_text(given.out, json.dumps(found, indent=2) + "\n")
                    print(name, seed, of_row[str(seed)], flush=True)
        print("\n".join(table(of_part)))


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return a Markdown table, in percent; of a single seed without an interval."""
    names = [name for name in next(iter(next(iter(found.values())).values())) if not name.startswith("task_")]
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for row, seeds in found.items():
        cells = [_interval([100.0 * numbers[name] for numbers in seeds.values()]) for name in names]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def _interval(values: Sequence[float]) -> str:
    found = t_interval(values)
    return f"{found.mean:.1f}" + ("" if found.half_width is None else f" ± {found.half_width:.1f}")


if __name__ == "__main__":
    main()
