"""What is logged of a step, and how each number is written."""

import math
from collections.abc import Mapping

from torch import Tensor

from anchorwise.evaluation.base import Metric
from anchorwise.objectives import Objective, Outcome
from anchorwise.pairs import views_of
from anchorwise.tails.negatives import negatives_of
from anchorwise.training.online_probe import METRIC as ONLINE_PROBE
from anchorwise.training.tail_statistics import statistics_of

# Those that stand on a line of progress and in reports; a log has more.
STEP_METRICS = (
    Metric("loss", "loss", higher_is_better=False, digits=3),
    Metric("above_chance", "above chance", higher_is_better=False, digits=3, about="loss - log candidates"),
    Metric("lambda", "lambda", higher_is_better=None, about="mean over anchors"),
    Metric("exponent", "exponent", higher_is_better=None, digits=1, about="mean over anchors"),
    Metric("hardest_score", "hardest", higher_is_better=None, digits=3, about="cosine, median over anchors"),
    ONLINE_PROBE,
    Metric("samples_per_s", "", "samples/s", digits=0),
)

# Logged beside them, and looked at for a collapse.
EMBEDDING_SPREAD = Metric("embedding_spread", "spread of the embeddings", higher_is_better=None)
LEAST_SPREAD = 0.05


def measured(objective: Objective, outcome: Outcome, *views: Tensor, adds_losses: bool = False) -> dict[str, float]:
    """Return what is logged of a step: means of the statistics, and where the hardest negatives are.

    `above_chance` is the loss minus that of embeddings that know nothing, for objectives that have one and methods that
    add no other loss to it; `embedding_spread` is `anchorwise.evaluation.geometry.spread` of what the objective sees.
    The two views are this rank's, what is measured is that of all; every rank must ask. Without views there are the
    loss and the statistics.
    """
    loss = outcome.loss.item()
    values = {"loss": loss}
    if not views:
        return values | {name: tensor.float().mean().item() for name, tensor in outcome.stats.items()}
    negatives = negatives_of(views_of(*views).pooled())
    num_candidates = None if adds_losses else objective.num_candidates(len(negatives.anchors))
    if num_candidates is not None:
        values["above_chance"] = loss - math.log(max(num_candidates, 1))
    values |= {name: tensor.float().mean().item() for name, tensor in outcome.stats.items()}
    spread = negatives.anchors.std(dim=0, correction=0).mean() * negatives.anchors.shape[1] ** 0.5
    return {**values, **statistics_of(negatives), EMBEDDING_SPREAD.name: spread.item()}


def step_warnings(values: Mapping[str, float]) -> list[str]:
    """Return in words what is wrong by the numbers of a step."""
    spread = values.get(EMBEDDING_SPREAD.name)
    if spread is None or spread >= LEAST_SPREAD:
        return []
    return [f"collapsed: all embeddings are nearly alike (spread {spread:.2g}, 1 where they fill their space)"]
