"""How much of kNN is left under an attack on embeddings: encoders of digits trained with InfoNCE, and with A-InfoNCE.

    python -m benchmarks.embedding_attack --out embedding-attack.json

trains the small encoder for 12 epochs on every seed, judges it with `embedding_attack` in balls of several radii, and
prints a Markdown table of means over seeds with 95 % intervals (Student's t). Runs are kept in the folder beside the
JSON file.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t as student

from anchorwise import _files
from anchorwise.evaluation.embedding_attack import EmbeddingAttack, MomentumAttack
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.modalities.registry import modality_of
from anchorwise.training import apply_overrides, pretrain, recipe

SHORT = ["encoder.width=16", "train.num_epochs=12", "train.knn_every_epochs=0", "train.log_to=[]"]
TRAINING_RADIUS, NUM_TRAINING_STEPS = 32 / 255, 3
ATTACKED = [
    "method.name=a_info_nce",
    "method.head.output_width=64",
    "method.temperature=0.2",
    f"method.attack.radius={TRAINING_RADIUS}",
    f"method.attack.step_size={TRAINING_RADIUS / 2}",
    f"method.attack.num_steps={NUM_TRAINING_STEPS}",
]
ROWS: Mapping[str, Sequence[str]] = {
    "InfoNCE": ["objective.name=info_nce", "objective.temperature=0.2"],
    "A-InfoNCE": ATTACKED,
}
RADII = (8, 32, 64)  # Of 255.
NUM_JUDGING_STEPS = 10


def judged_row(name: str, seed: int, runs: Path) -> dict[str, float]:
    """Return kNN before the attack, and after it in every ball."""
    config = apply_overrides(recipe("digits"), [*SHORT, *ROWS[name], f"train.seed={seed}"])
    frozen = pretrain(config, runs / f"{name}, seed {seed}", show_progress=False).encoder()
    splits, found = modality_of("images").load(config.data), dict[str, float]()
    for radius in RADII:
        attack = MomentumAttack(radius=radius / 255, step_size=radius / 255 / 4, num_steps=NUM_JUDGING_STEPS)
        judges = (EmbeddingAttack.Config(attack=attack),)
        numbers = judged_samples(frozen, splits, EvaluationConfig(judges=judges)).numbers
        found.setdefault("clean", numbers["knn_before_attack"])
        found[f"{radius}/255"] = numbers["knn_attacked"]
        found[f"cosine, {radius}/255"] = numbers["attacked_cosine"]
    return found


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
                of_row[str(seed)] = judged_row(name, seed, given.out.parent / "attack-runs")
                _files.write_text(given.out, json.dumps(found, indent=2) + "\n")
                print(name, seed, of_row[str(seed)], flush=True)
    print("\n".join(table(found)))


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return a Markdown table of means over seeds with their intervals."""
    names = list(next(iter(next(iter(found.values())).values())))
    lines = [f"| trained with | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for row, seeds in found.items():
        cells = [_interval([numbers[name] for numbers in seeds.values()]) for name in names]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return lines


def _interval(values: Sequence[float]) -> str:
    half = student.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.3f} ± {half:.3f}"


if __name__ == "__main__":
    main()
