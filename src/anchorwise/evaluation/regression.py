"""The judge of real values: how much of them a ridge regression on the features explains.

The penalty is chosen on validation parts of the training rows, one per seed; the regression then uses all training rows
and says a number of every test row. R2 is the share of the test values' variance that is explained, at most 1, below 0
where their mean would say more; Spearman's correlation asks for their order alone.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar, Literal, final

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from scipy import stats
from torch import Tensor

from anchorwise._config import Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.ridge import RIDGE_PENALTIES, Ridge, choose_ridge
from anchorwise.evaluation.rows import check_pair, judged_rows, numbered_groups
from anchorwise.evaluation.splits import stratified_split
from anchorwise.modalities.images.image_set import ImageSet

# n = rows, s = validation splits


@final
class Regression(Judge):
    """How much of the samples' values a linear map of the features explains; it needs the samples."""

    class Config(JudgeConfig):
        """How values are explained.

        Attributes:
            values: "brightness" asks for the mean brightness of images; left out, samples have to have values of their
                own (`data.values`).
            split_seeds: One validation split each.
            validation_fraction: Share of the training rows held out to choose the penalty.
            penalties: Grid of the ridge regression (`anchorwise.evaluation.ridge`).
        """

        name: Literal["regression"] = "regression"
        values: Literal["brightness"] | None = None
        split_seeds: tuple[Seed, ...] = Field(default=(0, 1, 2, 3, 4), min_length=1, max_length=1000)
        validation_fraction: float = Field(default=0.2, gt=0, lt=1)
        penalties: tuple[Positive, ...] = Field(default=RIDGE_PENALTIES, min_length=1, max_length=1000)

    primary: ClassVar[str] = "r2"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Share of the variance, and correlation of ranks."""
        return (
            Metric("r2", "ridge regression, R2", by_split=True, digits=3, about="share of the values' variance"),
            Metric("spearman", "ridge regression, Spearman", by_split=True, digits=3, about="correlation of ranks"),
        )

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """As configured."""
        return self.config.split_seeds

    def choose(self, train: Embeddings) -> Choices:
        """Choose the penalty.

        Raises:
            ValueError: If samples have no values, or all of them the same.
        """
        rows, values = judged_rows(train, self.device), self._values(train)
        alike, groups = torch.zeros(len(rows), dtype=torch.int64), numbered_groups(train)
        choices = []
        for seed in self.config.split_seeds:
            split = stratified_split(
                alike, validation_fraction=self.config.validation_fraction, seed=seed, groups=groups
            )
            choices.append(choose_ridge(rows, values, split, penalties=self.config.penalties))
        penalties = tuple(choice.penalty for choice in choices)
        found = {
            "r2": tuple(explained(choice.truth, choice.predictions) for choice in choices),
            "spearman": tuple(rank_correlation(choice.truth, choice.predictions) for choice in choices),
        }
        return Choices(found, dict.fromkeys(found, penalties))

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Say a value of every test row by the regression of all training rows.

        Raises:
            ValueError: If samples have no values, or all of them the same, or the two sets do not belong together.
        """
        check_pair(train, test)
        ridge = Ridge(judged_rows(train, self.device), self._values(train))
        rows, truth = judged_rows(test, self.device), self._values(test).double()
        if not bool(truth.std() > 0):
            raise ValueError(f"values of test samples must differ to be explained, got {float(truth[0]):g} alone")
        said = [ridge.predict(rows, penalty=penalty) for penalty in choices.chosen["r2"]]
        numbers = {
            "r2": tuple(explained(truth, predictions) for predictions in said),
            "spearman": tuple(rank_correlation(truth, predictions) for predictions in said),
        }
        mean_rank = fmean(numbers["spearman"])
        errors = {"r2": _error_of_r2(truth, said), "spearman": _error_of_ranks(mean_rank, len(truth))}
        return Judgement(numbers, errors)

    def _values(self, rows: Embeddings) -> Float[Tensor, " n"]:
        samples, _ = origin_of(rows, self.config.name)
        if self.config.values == "brightness" and isinstance(samples, ImageSet):
            samples = samples.with_brightness()
        if samples.values is None:
            raise ValueError(
                "judge 'regression' needs a number of every sample, got none; train with data.values=brightness, or "
                "ask for it here, of images: judges.regression.values=brightness"
            )
        return samples.values.to(self.device)


def explained(truth: Float[Tensor, " n"], predictions: Float[Tensor, " n"]) -> float:
    """Return R2: 1 less the mean squared error over the variance of the values."""
    spread = (truth - truth.mean()).square().mean()
    return float(1.0 - (truth - predictions).square().mean() / spread)


def rank_correlation(truth: Float[Tensor, " n"], predictions: Float[Tensor, " n"]) -> float:
    """Return Spearman's correlation; 0 where all predictions are equal."""
    if bool((predictions == predictions[0]).all()):
        return 0.0
    ranks = [stats.rankdata(numbers.cpu().numpy()) for numbers in (truth, predictions)]
    return float(np.corrcoef(ranks)[0, 1])


def _error_of_r2(truth: Float[Tensor, " n"], said: Sequence[Float[Tensor, " n"]]) -> float:
    """Return the standard error over test rows: the spread of what each row adds to R2, by the delta method."""
    spread = (truth - truth.mean()).square()
    squares = torch.stack([(truth - predictions).square() for predictions in said]).mean(dim=0)
    added = (squares - squares.mean() * spread / spread.mean()) / spread.mean()
    return float(added.std() / len(truth) ** 0.5)


def _error_of_ranks(correlation: float, num_rows: int) -> float:
    """Return the standard error of Spearman's correlation.

    Source: Bonett and Wright 2000, "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations", https://doi.org/10.1007/BF02294183, brought from Fisher's scale to that of correlations.
    """
    square = correlation**2
    return (1.0 - square) * ((1.0 + 0.5 * square) / max(num_rows - 3, 1)) ** 0.5
