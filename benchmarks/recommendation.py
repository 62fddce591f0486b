"""Recommenders on one folder of interactions, each at its own best of a few points, chosen on validation interactions.

    python -m benchmarks.recommendation --data lastfm/ choose      # one seed, a tenth of every user's items held out
    python -m benchmarks.recommendation --data lastfm/ judge       # chosen points on all training items, three seeds
    python -m benchmarks.recommendation report                     # what came out, as Markdown

Every finished run stands in benchmarks/studies/recommendation.json, and is not done again. `--only NAME` says which.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from anchorwise import _files
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.registry import settings_of
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.evaluation.statistics import t_interval
from anchorwise.modalities.registry import modality_of, rebuild
from anchorwise.reporting.environment import environment
from anchorwise.training import RunConfig, RunDirectory, apply_overrides, pretrain, recipe

KEPT = Path("benchmarks/studies/recommendation.json")
SEEDS, VALIDATION_SHARE = (1, 2, 3), 0.1
METRICS = ("recall_at_20", "ndcg_at_20")
BASELINES = {"popularity": "popularity", "item_cosine": "cosine between items, no training"}
_MACHINE = ("anchorwise", "torch", "python", "processor", "accelerator", "date")

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Contender:
    """What is compared.

    Attributes:
        label: In the table.
        settings: On top of the recipe.
        grid: Points to choose from.
    """

    label: str
    settings: Sequence[str]
    grid: Sequence[Point]


def _points(*both: tuple[float, float]) -> list[Point]:
    """Return weights of the contrast, each with a peak of the learning rate."""
    return [{"method.contrast_weight": weight, "optimizer.peak_lr": rate} for weight, rate in both]


_LIGHT_GCN = ["method.name=light_gcn", "encoder.with_first=true", "train.num_epochs=60"]
_WEIBIT = ["objective.name=weibit"]
CONTENDERS = {
    "light_gcn": Contender("LightGCN", _LIGHT_GCN, [{"optimizer.peak_lr": rate} for rate in (1e-2, 2e-2, 4e-2)]),
    "x_sim_gcl": Contender(
        "XSimGCL", [], _points((0.05, 5e-3), (0.1, 5e-3), (0.2, 5e-3), (0.1, 1e-2), (0.2, 1e-2), (0.1, 2e-2))
    ),
    # Its slope is that of a low temperature, so it weighs more.
    "x_sim_gcl_weibit": Contender(
        "XSimGCL, Weibit in the contrast's place",
        _WEIBIT,
        _points((0.05, 5e-3), (0.02, 1e-2), (0.005, 1e-2)),
    ),
    "sim_gcl": Contender("SimGCL", ["method.name=sim_gcl"], _points((0.1, 1e-2), (0.2, 1e-2))),
}


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("choose", "judge", "report"))
    parser.add_argument("--data", default="lastfm")
    parser.add_argument("--only", action="append", choices=list(CONTENDERS))
    parser.add_argument("--kept", type=Path, default=KEPT)
    asked = parser.parse_args()
    is_begun = asked.kept.is_file()
    kept = json.loads(asked.kept.read_text(encoding="utf-8")) if is_begun else {"choose": {}, "judge": {}}
    if asked.what == "report":
        print(report(kept))
        return
    for name in asked.only or CONTENDERS:
        points = CONTENDERS[name].grid if asked.what == "choose" else [chosen(kept, name)] * len(SEEDS)
        for number, point in enumerate(points):
            seed = 0 if asked.what == "choose" else SEEDS[number]
            key = " ".join([name, *(f"{setting}={value}" for setting, value in point.items()), f"seed={seed}"])
            if key not in kept[asked.what]:
                kept[asked.what][key] = {"contender": name, "point": dict(point), "seed": seed} | _run(
                    configuration(name, point, asked.data, seed, is_choice=asked.what == "choose")
                )
                kept["machine"] = {fact: environment()[fact] for fact in _MACHINE}
                _files.write_text(asked.kept, json.dumps(kept, indent=1) + "\n")
            print(key, {metric: kept[asked.what][key][metric] for metric in METRICS}, flush=True)


def configuration(name: str, point: Point, data: str, seed: int, *, is_choice: bool) -> RunConfig:
    """Return the configuration of a run."""
    share = VALIDATION_SHARE if is_choice else 0.0
    settings = [f"{setting}={json.dumps(value)}" for setting, value in point.items()]
    common = [f"data.source={json.dumps(data)}", f"data.validation_share={share}", f"train.seed={seed}"]
    once = ["train.knn_every_epochs=5", "train.log_to=[]", "train.log_every_steps=100"]
    return apply_overrides(recipe("lastfm-xsimgcl"), [*CONTENDERS[name].settings, *settings, *common, *once])


def chosen(kept: Mapping[str, Any], name: str) -> Point:
    """Return the point of a contender with the highest recall of validation items."""
    runs = [run for run in kept["choose"].values() if run["contender"] == name]
    return max(runs, key=lambda run: run[METRICS[0]])["point"]


def _run(config: RunConfig) -> dict[str, Any]:
    """Train, and return recall and NDCG: of the validation where some is held out, and else of the test."""
    with tempfile.TemporaryDirectory() as folder:
        splits = modality_of(config.modality).load(config.data)
        directory = pretrain(config, Path(folder) / "run", splits=splits, show_progress=False)
        judges = settings_of(["ranking", "geometry"])
        result = judged_samples(rebuild(directory.path), splits, EvaluationConfig(judges=judges))
        ranking, seconds = result.judged["ranking"], RunDirectory(directory.path).summary()["train_time_s"]
        found = ranking.validation or ranking.numbers
        values = {metric: round(fmean(found[metric]), 5) for metric in METRICS}
        of_plain = {
            f"{baseline}_{metric}": round(fmean(ranking.numbers[f"{baseline}_{metric}"]), 5)
            for baseline in BASELINES
            for metric in METRICS
        }
        uniformity = round(fmean(result.judged["geometry"].numbers["uniformity"]), 3)
        return {**values, **of_plain, "uniformity": uniformity, "train_s": round(seconds, 1)}


def report(kept: Mapping[str, Any]) -> str:
    """Return the table of what was judged, and of what was chosen among."""
    lines = ["| | recall@20 | NDCG@20 | uniformity | chosen |", "|---|---|---|---|---|"]
    judged = list(kept["judge"].values())
    for baseline, label in BASELINES.items():
        if judged:
            values = [f"{judged[0][f'{baseline}_{metric}']:.4f}" for metric in METRICS]
            lines.append(f"| {label} | {' | '.join(values)} | | |")
    for name, contender in CONTENDERS.items():
        if runs := [run for run in judged if run["contender"] == name]:
            values = [_interval([run[metric] for run in runs]) for metric in METRICS]
            uniformity = fmean(run["uniformity"] for run in runs)
            lines.append(
                f"| {contender.label} | {' | '.join(values)} | {uniformity:.2f} | {_words(runs[0]['point'])} |"
            )
    lines += ["", "| | point | validation recall@20 | validation NDCG@20 | uniformity |", "|---|---|---|---|---|"]
    for run in kept["choose"].values():
        values = " | ".join(f"{run[metric]:.4f}" for metric in METRICS)
        lines.append(
            f"| {CONTENDERS[run['contender']].label} | {_words(run['point'])} | {values} | {run['uniformity']:.2f} |"
        )
    return "\n".join(lines)


def _interval(values: Sequence[float]) -> str:
    found = t_interval(values)
    return f"{found.mean:.4f}" + ("" if found.half_width is None else f" +- {found.half_width:.4f}")


def _words(point: Point) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in point.items())


if __name__ == "__main__":
    main()
