"""The judge of real values: how much of them a ridge regression on the features explains.

The penalty is chosen on validation parts of the training rows, one per seed; the regression then uses all training rows
and says a number of every test row. R2 is the share of the test values' variance that is explained, at most 1, below 0
where their mean would say more; Spearman's correlation asks for their order alone.

Where several rows belong together, such as the segments of a participant, what is known of the participant can be asked
of the mean of the rows: then a row is a participant in all that is said here.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int64
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
from anchorwise.modalities.samples import Samples

# n = rows, g = groups, d = width, s = validation splits

_OWN = ""  # What the samples' own values are called.


@final
class Regression(Judge):
    """How much of the samples' values a linear map of the features explains; it needs the samples."""

    class Config(JudgeConfig):
        """How values are explained.

        Attributes:
            values: Names of numbers that samples know of themselves, one or several: "brightness" of images, columns of
                the table of signals. Of several every one is explained by itself, and the mean stands first; rows whose
                value nobody knows are left out. Left out, samples have to have values of their own (`data.values`).
            by_group: Whether the rows of a group, such as the segments of a participant, are one row, their mean.
            split_seeds: One validation split each.
            validation_fraction: Share of the training rows held out to choose the penalty.
            penalties: Grid of the ridge regression (`anchorwise.evaluation.ridge`).
        """

        name: Literal["regression"] = "regression"
        values: str | tuple[str, ...] | None = Field(default=None, min_length=1)
        by_group: bool = False
        split_seeds: tuple[Seed, ...] = Field(default=(0, 1, 2, 3, 4), min_length=1, max_length=1000)
        validation_fraction: float = Field(default=0.2, gt=0, lt=1)
        penalties: tuple[Positive, ...] = Field(default=RIDGE_PENALTIES, min_length=1, max_length=1000)

    primary: ClassVar[str] = "r2"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Share of the variance, and correlation of ranks; of several values the means first."""
        names = self._names()
        over = "groups" if self.config.by_group else ""
        asked = ((_OWN, ""),) if len(names) == 1 else ((_OWN, ", mean"), *((name, f", {name}") for name in names))
        return tuple(
            Metric(
                _named(kind, name),
                f"ridge regression, {label}{of}",
                by_split=True,
                digits=3,
                about=about,
                over=over,
                bounds=(least, 1.0),
            )
            for name, of in asked
            for kind, label, about, least in (
                ("r2", "R2", "share of the values' variance", -math.inf),
                ("spearman", "Spearman", "correlation of ranks", -1.0),
            )
        )

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """The first two."""
        return self.metrics[:2]

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """As configured."""
        return self.config.split_seeds

    def choose(self, train: Embeddings) -> Choices:
        """Choose the penalty of every value.

        Raises:
            ValueError: If samples have no values, or all of them the same.
        """
        everything, values, groups = self._asked(train)
        found, chosen = dict[str, tuple[float, ...]](), {}
        for name, given in values.items():
            rows, truth, together = _known(given, everything, given, groups)
            _check_difference(truth, "training")
            alike, choices = torch.zeros(len(rows), dtype=torch.int64), []
            for seed in self.config.split_seeds:
                split = stratified_split(
                    alike, validation_fraction=self.config.validation_fraction, seed=seed, groups=together
                )
                choices.append(choose_ridge(rows, truth, split, penalties=self.config.penalties))
            found[_named("r2", name)] = tuple(explained(each.truth, each.predictions) for each in choices)
            found[_named("spearman", name)] = tuple(rank_correlation(each.truth, each.predictions) for each in choices)
            chosen |= dict.fromkeys(
                (_named("r2", name), _named("spearman", name)), tuple(choice.penalty for choice in choices)
            )
        return Choices(_with_means(found, list(values)), chosen)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Say the values of every test row by the regression of all training rows.

        Raises:
            ValueError: If samples have no values, or all of them the same, or the two sets do not belong together.
        """
        check_pair(train, test)
        everything, values, _ = self._asked(train)
        tested, truths, _ = self._asked(test)
        numbers, errors, added = dict[str, tuple[float, ...]](), dict[str, float](), list[Tensor]()
        counts = dict[str, int]()
        for name, own in truths.items():
            rows, truth = _known(own, tested, own.double())
            _check_difference(truth, "test")
            ridge = Ridge(*_known(values[name], everything, values[name]))
            said = [ridge.predict(rows, penalty=penalty) for penalty in choices.chosen[_named("r2", name)]]
            r2, spearman = _named("r2", name), _named("spearman", name)
            numbers[r2] = tuple(explained(truth, predictions) for predictions in said)
            numbers[spearman] = tuple(rank_correlation(truth, predictions) for predictions in said)
            # Of all rows, those whose value nobody knows add nothing; the others then count for so much more.
            added.append(torch.zeros_like(own, dtype=torch.float64))
            added[-1][~own.isnan()] = _added_to_r2(truth, said) * (len(own) / len(truth))
            errors |= {r2: _error_of_mean(added[-1]), spearman: _error_of_ranks(fmean(numbers[spearman]), len(truth))}
            counts |= dict.fromkeys((r2, spearman), len(truth))
        if len(truths) > 1:
            # Rows are the same for all values, so what each row adds is averaged; ranks have no such parts.
            errors["r2"] = _error_of_mean(torch.stack(added).mean(dim=0))
            errors["spearman"] = fmean(errors[_named("spearman", name)] for name in truths)
            counts |= dict.fromkeys(("r2", "spearman"), min(counts.values()))
        are_fewer = self.config.by_group or min(counts.values()) < len(tested)
        return Judgement(_with_means(numbers, list(truths)), errors, counts if are_fewer else {})

    def _names(self) -> tuple[str, ...]:
        """Return by what names values are asked for."""
        given = self.config.values
        return given if isinstance(given, tuple) else (given or _OWN,)

    def _asked(
        self, embeddings: Embeddings
    ) -> tuple[Float[Tensor, "n d"], Mapping[str, Float[Tensor, " n"]], Int64[Tensor, " n"] | None]:
        """Return rows, the values that are asked for, and which rows are not to be parted."""
        samples, _ = origin_of(embeddings, self.config.name)
        rows, groups = judged_rows(embeddings, self.device), numbered_groups(embeddings)
        names = self._names()
        values = {name: self._values(samples, name) for name in names}
        if len(names) == 1:  # One value stands under the plain names.
            values = {_OWN: values[names[0]]}
        if not self.config.by_group:
            return rows, values, groups
        if groups is None:
            raise ValueError(
                "judges.regression.by_group needs samples in groups, such as segments of participants, got none; set "
                "it to false"
            )
        means = means_of_groups(groups.to(self.device), rows, *(value.unsqueeze(1) for value in values.values()))
        return means[0], {name: mean[:, 0] for name, mean in zip(values, means[1:], strict=True)}, None

    def _values(self, samples: Samples, name: str) -> Float[Tensor, " n"]:
        values = samples.values if name == _OWN else samples.number(name)
        if values is None:
            missing = "a number of every sample, got none" if name == _OWN else f"{name!r} of every sample"
            raise ValueError(
                f"judge 'regression' needs {missing}; train with data.values (of images brightness, of signals a "
                "column of the table), or name here what samples know: judges.regression.values=brightness"
            )
        return values.to(self.device)


def _known(given: Float[Tensor, " n"], *of_rows: Tensor | None) -> list[Any]:
    """Return of what stands beside values those rows whose value is known."""
    is_known = ~given.isnan()
    return [None if each is None else each[is_known.to(each.device)] for each in of_rows]


def _check_difference(truth: Float[Tensor, " n"], part: str) -> None:
    if len(found := truth.unique()) < 2:
        raise ValueError(f"values of {part} samples must differ to be explained, got {found.tolist()}")


def means_of_groups(groups: Int64[Tensor, " n"], *rows: Float[Tensor, "n _d"]) -> list[Float[Tensor, "g _d"]]:
    """Return the mean of the rows of every group, in float32 or wider.

    Args:
        groups: From 0 on, none left out.
        *rows: What is averaged.
    """
    counts = torch.bincount(groups).unsqueeze(1)
    return [
        torch.zeros(len(counts), each.shape[1], dtype=each.dtype, device=each.device).index_add_(0, groups, each)
        / counts
        for each in rows
    ]


def explained(truth: Float[Tensor, " n"], predictions: Float[Tensor, " n"]) -> float:
    """Return R2: 1 less the mean squared error over the variance of the values; 0 where all of these are equal."""
    if bool((truth == truth[0]).all()):
        return 0.0
    spread = (truth - truth.mean()).square().mean()
    return float(1.0 - (truth - predictions).square().mean() / spread)


def rank_correlation(truth: Float[Tensor, " n"], predictions: Float[Tensor, " n"]) -> float:
    """Return Spearman's correlation; 0 where all predictions, or all values, are equal."""
    if any(bool((numbers == numbers[0]).all()) for numbers in (truth, predictions)):
        return 0.0
    ranks = [stats.rankdata(numbers.cpu().numpy()) for numbers in (truth, predictions)]
    return float(np.corrcoef(ranks)[0, 1])


def _named(kind: str, name: str) -> str:
    return kind if name == _OWN else f"{kind}_{name}"


def _with_means(found: Mapping[str, tuple[float, ...]], names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return numbers with the means over several values in front."""
    if len(names) == 1:
        return dict(found)
    means = {
        kind: tuple(fmean(each) for each in zip(*(found[_named(kind, name)] for name in names), strict=True))
        for kind in ("r2", "spearman")
    }
    return {**means, **found}


def _added_to_r2(truth: Float[Tensor, " n"], said: Sequence[Float[Tensor, " n"]]) -> Float[Tensor, " n"]:
    """Return what each row adds to R2, by the delta method."""
    spread = (truth - truth.mean()).square()
    squares = torch.stack([(truth - predictions).square() for predictions in said]).mean(dim=0)
    return (squares - squares.mean() * spread / spread.mean()) / spread.mean()


def _error_of_mean(added: Float[Tensor, " n"]) -> float:
    return float(added.std() / len(added) ** 0.5)


def _error_of_ranks(correlation: float, num_rows: int) -> float:
    """Return the standard error of Spearman's correlation.

    Source: Bonett and Wright 2000, "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations", https://doi.org/10.1007/BF02294183, brought from Fisher's scale to that of correlations.
    """
    square = correlation**2
    return (1.0 - square) * ((1.0 + 0.5 * square) / max(num_rows - 3, 1)) ** 0.5
