"""How much of kNN is left under an attack on embeddings: encoders of digits trained with InfoNCE, and with A-InfoNCE.

    python -m benchmarks.embedding_attack --out embedding-attack.json

trains the small encoder for 12 epochs on every seed, judges it with `embedding_attack` in balls of several radii, and
prints a Markdown table of means over seeds with 95 % intervals (Student's t). Runs are kept in the folder beside the
JSON file.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from anchorwise.evaluation.embedding_attack import EmbeddingAttack, MomentumAttack
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.modalities.registry import modality_of
from anchorwise.training import apply_overrides, pretrain, recipe
from benchmarks.over_seeds import measured, table

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
    runs = given.out.parent / "attack-runs"
    found = measured(ROWS, given.seeds, lambda row, seed: judged_row(row, seed, runs), given.out)
    print("\n".join(table(found, corner="trained with")))


if __name__ == "__main__":
    main()
