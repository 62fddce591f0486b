"""How often does the likelihood gate open in small batches, under laws with and without an end?

    OMP_NUM_THREADS=1 python benchmarks/small_batches.py --hardware 2-core-epyc

Scores of all pairs of two views of n images are drawn at once: symmetric, with the stated law for every pair, and
dependent as those of a batch are. Normal variables of every pair of rows, of images and of classes are added up, and
the sum is given the law. Writes `benchmarks/results/small-batches_HARDWARE_DATE.md`.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

import anchorwise
from anchorwise import _files
from anchorwise.tails.gates import LikelihoodGate
from anchorwise.tails.likelihood import likelihood_delta_aic
from anchorwise.tails.tail_sums import TailSums

RESULTS = Path(__file__).parent / "results"
GATE = LikelihoodGate()
NUM_BATCHES = {14: 400, 16: 400, 32: 200, 64: 80, 128: 30, 256: 12}
# From normal scores to scores of the law.
LAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "exponential, mean 0.05": lambda z: -0.5 - 0.05 * torch.special.ndtr(-z).log(),
    "exponential, mean 0.1": lambda z: -0.5 - 0.1 * torch.special.ndtr(-z).log(),
    "Gumbel, scale 0.1": lambda z: -0.3 - 0.1 * (-torch.special.log_ndtr(z)).log(),
    "shortfall, exponent 16": lambda z: 1.0 - torch.special.ndtr(-z).pow(1 / 16),
    "shortfall, exponent 8": lambda z: 1.0 - torch.special.ndtr(-z).pow(1 / 8),
    "shortfall, exponent 4": lambda z: 1.0 - torch.special.ndtr(-z).pow(1 / 4),
    "shortfall, exponent 2": lambda z: 1.0 - torch.special.ndtr(-z).pow(1 / 2),
}
# Shares of the variance that pairs of images, and pairs of ten classes, have in common.
DEPENDENCES = {"none": (0.0, 0.0), "views": (0.9, 0.0), "views and classes": (0.6, 0.3)}


def normal_pairs(num_images: int, of_images: float, of_classes: float, generator: torch.Generator) -> Tensor:
    """Return a standard normal variable for every pair of rows."""

    def symmetric(number: int) -> Tensor:
        drawn = torch.randn(number, number, generator=generator, dtype=torch.float64)
        return drawn.triu() + drawn.triu(1).T

    image = torch.arange(num_images).repeat(2)
    label = torch.randint(10, (num_images,), generator=generator)[image]
    own = math.sqrt(1.0 - of_images - of_classes) * symmetric(2 * num_images)
    shared = math.sqrt(of_images) * symmetric(num_images)[image][:, image]
    return own + shared + math.sqrt(of_classes) * symmetric(10)[label][:, label]


def exceedances(scores: Tensor) -> TailSums:
    """Return the tails of all rows as the gate reads them, from scores in place of embeddings."""
    image = torch.arange(len(scores) // 2).repeat(2)
    counted = image.unsqueeze(1) != image
    number = len(scores) - 2
    mean = (scores * counted).sum(dim=1) / number
    variance = ((scores - mean.unsqueeze(1)).square() * counted).sum(dim=1) / number
    quantile = torch.special.ndtri(mean.new_tensor(1.0 - GATE.tail_fraction))
    widest = (1.0 - mean - quantile * variance.sqrt()).unsqueeze(1)
    above = counted & (1.0 - scores < widest)
    return TailSums(
        threshold_shortfall=widest.squeeze(1),
        hardest_shortfall=1.0 - scores.masked_fill(~counted, -torch.inf).amax(dim=1),
        count=above.sum(dim=1).to(mean),
        sum_log_ratio=torch.where(above, widest / (1.0 - scores), 1.0).log().sum(dim=1),
        sum_relative_excess=torch.where(above, 1.0 - (1.0 - scores) / widest, 0.0).sum(dim=1),
    )


def evidence(law: str, dependence: str, num_images: int) -> Tensor:
    """Return the gate's evidence for the anchors of many batches."""
    generator = torch.Generator().manual_seed(num_images)
    found = []
    for _ in range(NUM_BATCHES[num_images]):
        scores = LAWS[law](normal_pairs(num_images, *DEPENDENCES[dependence], generator))
        found.append(likelihood_delta_aic(exceedances(scores).completed(GATE.min_tail_points)))
    return torch.cat(found)


def law_rows(dependence: str) -> Iterator[str]:
    """Yield a line of a table for each law."""
    for law in LAWS:
        cells = []
        for num_images in NUM_BATCHES:
            found = evidence(law, dependence, num_images)
            opened = (found > GATE.margin).double().mean()
            cells.append(f"{torch.sigmoid(found - GATE.margin).mean():.2f}, {100 * opened:.1f} %")
        yield f"| {law} | {' | '.join(cells)} |"


def random_rows() -> Iterator[str]:
    """Yield lambda of WEINCE on random views, with and without what short rows are lent."""
    for num_images in (16, 32, 64, 128, 256, 512):
        generator = torch.Generator().manual_seed(0)
        base = torch.randn(num_images, 32, generator=generator)
        stats = anchorwise.WEINCE().detail(base, base + 0.5 * torch.randn(num_images, 32, generator=generator)).stats
        own = torch.where(stats["tail_points"] >= GATE.min_tail_points, stats["lambda"], 0.0)
        short = (stats["tail_points"] < GATE.min_tail_points).float().mean()
        yield f"| {num_images} | {100 * short:.0f} % | {own.mean():.3f} | {stats['lambda'].mean():.3f} |"


def page(hardware: str, date: str) -> str:
    """Return the results as Markdown."""
    sizes = " | ".join(map(str, NUM_BATCHES))
    lines = [
        f"# The likelihood gate in small batches ({hardware}, {date})",
        "",
        "Written by `benchmarks/small_batches.py`. Mean lambda, and the share of anchors whose evidence exceeds the",
        f"margin of {GATE.margin:g} (lambda above one half), with the gate's defaults and two views. At 256 images a",
        "row has 51 exceedances of its own; below 160 most rows have fewer than 32 and are filled up. The share under",
        "exponential and Gumbel laws is the rate of false alarms: it must not be above that of long rows, the last",
        "column.",
    ]
    for name, (of_images, of_classes) in DEPENDENCES.items():
        shared = f"pairs of images share {of_images:.0%} of the variance, pairs of ten classes {of_classes:.0%}"
        lines += [
            "",
            f"## Dependence: {name} ({shared})",
            "",
            f"| images | {sizes} |",
            f"|---{'|---' * len(NUM_BATCHES)}|",
        ]
        lines += law_rows(name)
    lines += ["", "## WEINCE on random views (width 32, one draw)", ""]
    lines += ["| images | short rows | lambda, short rows 0 | lambda |", "|---|---|---|---|", *random_rows()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", required=True)
    arguments = parser.parse_args()
    date = datetime.now(UTC).date().isoformat()
    _files.write_text(RESULTS / f"small-batches_{arguments.hardware}_{date}.md", page(arguments.hardware, date))


if __name__ == "__main__":
    main()
