"""What `anchorwise diagnose` says of embeddings whose making is known: a Markdown table.

python benchmarks/diagnose_known.py
"""

from collections.abc import Iterator

import numpy as np
import torch

from anchorwise.diagnostics.diagnosis import Diagnosis, diagnose
from anchorwise.diagnostics.embeddings import Embeddings
from anchorwise.synthetic.embeddings import sphere_points

NUM_ROWS = 6000
COLUMNS = ("embeddings", "hardest cosine", "exponent", "anchors that reject", "lambda in batches")
QUESTIONS = ("law", "objective", "temperature", "end")


def main() -> None:
    """Print one row for each kind of embeddings."""
    print("| " + " | ".join(COLUMNS + QUESTIONS) + " |")
    print("|" + "---|" * len(COLUMNS + QUESTIONS))
    for name, rows in kinds():
        print("| " + " | ".join([name, *cells(diagnose(Embeddings((rows.astype(np.float32),))))]) + " |", flush=True)


def kinds() -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and rows."""
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    for dimension in (3, 8, 32, 128, 512):
        points = sphere_points(NUM_ROWS, dimension=dimension, generator=generator)
        yield f"uniform, {dimension} dimensions", points.numpy()
    for num_clusters, spread in ((100, 0.5), (100, 1.5), (1000, 1.0)):
        centres = rng.standard_normal((num_clusters, 64))
        noise = spread * rng.standard_normal((NUM_ROWS, 64))
        yield f"{num_clusters} clusters, spread {spread}", centres[rng.integers(num_clusters, size=NUM_ROWS)] + noise
    scales = np.exp(rng.normal(0.0, 1.0, 64))
    yield "64 dimensions of uneven variance", scales * rng.standard_normal((NUM_ROWS, 64))


def cells(found: Diagnosis) -> list[str]:
    """Return medians over anchors and batches, and the first answers."""
    return [
        f"{np.median(found.readings.hardest_score):.3f}",
        f"{np.nanmedian(found.readings.exponent):.1f}",
        f"{np.mean(found.readings.p_value < 0.05):.0%}",
        f"{np.median(found.links.blend):.0%}",
        *(statement.answer for statement in found.verdict.statements[: len(QUESTIONS)]),
    ]


if __name__ == "__main__":
    main()
