"""What `anchorwise diagnose` says of embeddings whose making is known: a Markdown table.

python benchmarks/diagnose_known.py
"""

from collections.abc import Iterator

import numpy as np
import torch

from anchorwise.diagnostics.diagnosis import Diagnosis, diagnose
from anchorwise.diagnostics.pooled import PooledEstimate, bootstrap_weights, fit_above
from anchorwise.diagnostics.stream import Pairs
from anchorwise.embeddings import Embeddings
from anchorwise.synthetic.embeddings import sphere_points

NUM_ROWS = 6000
NUM_BLOCKS, NUM_SIMULATIONS = 400, 500
COLUMNS = ("embeddings", "hardest cosine", "exponent", "anchors that reject", "lambda in batches")
QUESTIONS = ("law", "objective", "temperature", "end")


def main() -> None:
    """Print both tables in Markdown."""
    print_row(*COLUMNS, *QUESTIONS)
    print_row(*["---"] * len(COLUMNS + QUESTIONS))
    for name, rows in kinds():
        print_row(name, *cells(diagnose(Embeddings((rows.astype(np.float32),)))))
    print()
    print_row("exponent", "exceedances", "copies of each score", "shape covered", "end covered")
    print_row(*["---"] * 5)
    for exponent in (1.0, 2.0, 4.0, 8.0):
        for num_exceedances in (1000, 8000):
            for num_copies in (1, 5):
                covered = coverage(exponent, num_exceedances, num_copies)
                print_row(exponent, num_exceedances, num_copies, *(f"{share:.1%}" for share in covered))


def print_row(*values: object) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(map(str, values)) + " |", flush=True)


def coverage(exponent: float, num_exceedances: int, num_copies: int) -> tuple[float, float]:
    """Return how often the pooled tail's 95 % intervals hold the true shape and the true end at 1.

    Of four times as many scores with a power of the shortfall below 0.5 as law, in 400 blocks; each is there several
    times in its block.
    """
    rng, weights = np.random.default_rng(0), bootstrap_weights(NUM_BLOCKS, seed=0)
    num_scores, held = 4 * num_exceedances, np.zeros(2)
    anchors = np.arange(num_scores) * NUM_BLOCKS // num_scores
    for _ in range(NUM_SIMULATIONS):
        distinct = 1.0 - 0.5 * rng.random(num_scores // num_copies) ** (1.0 / exponent)
        scores = np.repeat(distinct, num_copies).astype(np.float32)
        order = np.argsort(-scores)
        pooled = Pairs(anchors[order], np.zeros(num_scores, np.int64), scores[order])
        fit = fit_above(pooled, np.arange(NUM_BLOCKS), num_exceedances, weights)
        held += not fit.shape.is_below(-1 / exponent) and not fit.shape.is_above(-1 / exponent), holds_one(fit.endpoint)
    return tuple(held / NUM_SIMULATIONS)


def holds_one(end: PooledEstimate) -> bool:
    """Say whether the interval of an end holds 1."""
    return not end.is_below(1.0) and end.low is not None and end.low <= 1.0


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
