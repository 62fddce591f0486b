"""What clips teach of motion, what CoMix brings to another domain, and what geodesic weights do on a bent curve.

    python -m benchmarks.video --out video.json

trains and judges every row on generated data, and prints Markdown tables of means over seeds with 95 % intervals
(Student's t). A seed decides the data and the training. Runs are kept in the folder beside the JSON file, so that the
same call goes on after a stop.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from anchorwise import CLIP
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.registry import settings_of
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.registry import modality_of
from anchorwise.models.geodesic import geodesic_weights
from anchorwise.pairs import unit_rows
from anchorwise.training import RunConfig, apply_overrides, pretrain, recipe
from anchorwise.training.state import initial_state
from benchmarks.over_seeds import measured, table

CLASSES = EvaluationConfig(judges=settings_of([{"name": "classification", "split_seeds": [0]}]))
CLIPS = ("untrained encoder", "SimCLR on clips")
_SOURCE_ONLY = ["method.contrast=0", "method.pseudo=0"]
_SMALLER = ["encoder.width=8", "data.num_train=400"]
# By name, what is other than in the recipe.
DOMAINS: Mapping[str, Sequence[str]] = {
    "source only": _SOURCE_ONLY,
    "CoMix": [],
    "source only, half of it all": [*_SOURCE_ONLY, *_SMALLER],
    "CoMix, half of it all": _SMALLER,
}
CURVES = ("CLIP", "CLIP, weights by cosine", "CLIP, weights along the graph")
NUM_MOMENTS, WIDTH, NUM_STEPS = 192, 24, 300


def _probed(frozen: FrozenEncoder, config: RunConfig) -> dict[str, float]:
    numbers = judged_samples(frozen, modality_of("video").load(config.data), CLASSES).numbers
    return {name: numbers[name] for name in ("linear", "knn")}


def of_clips(name: str, seed: int, runs: Path) -> dict[str, float]:
    """Return how well a motion is told, and by the same encoder of videos whose frames are shuffled."""
    config = apply_overrides(recipe("moving-digits"), [f"data.seed={seed}", f"train.seed={seed}"])
    if name == "untrained encoder":
        samples = modality_of("video").load(config.data).pretrain
        frozen = initial_state(config, samples, torch.device("cpu")).frozen()
    else:
        frozen = pretrain(config, runs / f"{name}, seed {seed}", show_progress=False).encoder()
    shuffled = _probed(frozen, apply_overrides(config, ["data.shuffled=true"]))
    return {**_probed(frozen, config), **{f"{key}, shuffled": value for key, value in shuffled.items()}}


def of_domains(name: str, seed: int, runs: Path) -> dict[str, float]:
    """Return how often the classifier is right about the target, and about held-out videos of the source."""
    seeds = [f"data.seed={seed}", f"train.seed={seed}"]
    config = apply_overrides(recipe("moving-digits-comix"), [*seeds, *DOMAINS[name]])
    run = pretrain(config, runs / f"{name}, seed {seed}", show_progress=False)
    summary, probed = run.summary(), _probed(run.encoder(), config)
    names = {"target": "classifier_accuracy", "source": "classifier_train_accuracy"}
    return {**{shown: summary[kept] for shown, kept in names.items()}, "target, linear probe": probed["linear"]}


def _horseshoe(places: Tensor, mixing: Tensor, noise: Tensor) -> Tensor:
    """Return features of moments on a circle but for 20 degrees of it: its ends are near each other."""
    angles = (places * 2.0 - 1.0) * (17.0 / 18.0) * torch.pi
    return torch.stack([angles.cos(), angles.sin()], dim=1) @ mixing + 0.05 * noise


def _sentences(places: Tensor, mixing: Tensor, noise: Tensor) -> Tensor:
    """Return features of what is said about moments: which stretch of time they are in, a little blurred."""
    return (-0.5 * ((places.unsqueeze(1) - torch.linspace(0.0, 1.0, 12)) / 0.1).square()).exp() @ mixing + 0.1 * noise


def on_a_curve(name: str, seed: int) -> dict[str, float]:
    """Return how often the first moment that a sentence finds is near its own, also at the ends, and how far off."""
    torch.manual_seed(seed)
    mixings = torch.randn(2, WIDTH), torch.randn(12, WIDTH)
    train, test = torch.rand(NUM_MOMENTS), torch.rand(NUM_MOMENTS)
    moments, sentences = (
        [make(places, mixing, torch.randn(NUM_MOMENTS, WIDTH)) for places in (train, test)]
        for make, mixing in zip((_horseshoe, _sentences), mixings, strict=True)
    )
    towers = [nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 16)) for _ in range(2)]
    optimizer = torch.optim.AdamW([weight for tower in towers for weight in tower.parameters()], lr=2e-3)
    for _ in range(NUM_STEPS):
        batch = torch.randperm(NUM_MOMENTS)[:96]
        rows = [tower(part[0][batch]) for tower, part in zip(towers, (moments, sentences), strict=True)]
        loss = CLIP()(*rows, log_weights=_weights(name, moments[0][batch]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found, asked = (unit_rows(tower(part[1])) for tower, part in zip(towers, (moments, sentences), strict=True))
    off = (test[(asked @ found.T).argmax(dim=1)] - test).abs()
    is_end = (test - 0.5).abs() > 0.45
    parts = {"within 0.01": off <= 0.01, "at the ends": off[is_end] <= 0.01, "off by": off}
    return {name: float(part.double().mean()) for name, part in parts.items()}


def _weights(name: str, moments: Tensor) -> Tensor | None:
    if name == "CLIP":
        return None
    if name == "CLIP, weights along the graph":
        return geodesic_weights(moments, 5)
    units = unit_rows(moments)
    apart = (1.0 - units @ units.T).clamp_min(0.0).fill_diagonal_(0.0)
    return (-torch.expm1(-apart / apart.mean())).log()


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    runs, file, seeds = given.out.parent / "runs", given.out, given.seeds
    measured(CURVES, seeds, on_a_curve, file)
    measured(CLIPS, seeds, lambda row, seed: of_clips(row, seed, runs), file)
    found = measured(DOMAINS, seeds, lambda row, seed: of_domains(row, seed, runs), file)
    for rows in (CLIPS, DOMAINS, CURVES):
        print("\n".join(["", *table({row: found[row] for row in rows})]))


if __name__ == "__main__":
    main()
