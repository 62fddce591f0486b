"""The judge of rewards: what a few labels are enough for, once trajectories are rows.

Two things are asked of so many labels on training trajectories, and answered of test trajectories. The causal features:
how much of them a ridge regression explains. And a reward, a random linear function of these features: whoever states a
preference between two trajectories prefers the one with the higher reward, a linear reward of the rows is learnt from
some of these answers by logistic regression on differences of rows (Bradley and Terry), and then says which of two is
preferred.

Source: Bobu et al. 2023, "SIRL: Similarity-based Implicit Representation Learning", https://arxiv.org/abs/2301.00810,
as its abstract has it: features like those of people, and rewards from few preferences. Numbers of labels, of draws,
and the regressions are this library's.
"""

import math
from dataclasses import replace
from statistics import fmean, stdev
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor

from anchorwise._config import Count, Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.linear import fit_probe, standardisation
from anchorwise.evaluation.regression import explained
from anchorwise.evaluation.ridge import RIDGE_PENALTIES, Ridge, choose_ridge
from anchorwise.evaluation.rows import check_pair, judged_rows
from anchorwise.evaluation.splits import stratified_split
from anchorwise.modalities.queries.samples import QuerySamples

# n = trajectories, l = those that are labelled, k = causal features, d = width of a row, p = preferences

_VALIDATION_FRACTION = 0.2
_NUM_FOLDS = 5


@final
class RewardLearning(Judge):
    """How much of the causal features few labels explain, and how right rewards are that few preferences teach."""

    class Config(JudgeConfig):
        """How much is asked.

        Attributes:
            num_labels: Training trajectories whose features are known, and preferences between two that are answered;
                one judgement for each number.
            num_draws: Random sets of labels and random rewards, of which the mean is taken.
            num_asked: Pairs of test trajectories of which each learnt reward says which is preferred.
            penalties: Grid of the logistic regression; chosen in every draw by cross-validation on the preferences.
            seed: Decides what is drawn.
        """

        name: Literal["reward_learning"] = "reward_learning"
        num_labels: tuple[int, ...] = Field(default=(25, 50, 100), min_length=1, max_length=100)
        num_draws: Count = 20
        num_asked: Count = 1000
        penalties: tuple[Positive, ...] = Field(default=(1.0, 1e-1, 1e-2, 1e-3), min_length=1, max_length=1000)
        seed: Seed = 0

        @field_validator("num_labels")
        @classmethod
        def _refuse_too_few(cls, value: tuple[int, ...]) -> tuple[int, ...]:
            if min(value) < 2 * _NUM_FOLDS:
                raise ValueError(f"must be at least {2 * _NUM_FOLDS} each, to choose a penalty on, got {min(value)}")
            return value

    primary: ClassVar[str] = "feature_r2_at_100"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """R2 of the features, and the share of right preferences, at every number of labels."""
        numbers = self.config.num_labels
        r2, shares = (
            replace(each, places="labels", over="draws of labels")
            for each in (
                Metric(
                    "feature_r2",
                    "features, R2",
                    digits=3,
                    about="share of their variance, mean over features",
                    bounds=(-math.inf, 1.0),
                ),
                Metric(
                    "preferences", "preferences", "%", digits=1, about="which of two test trajectories is preferred"
                ),
            )
        )
        return tuple(
            replace(
                each, name=f"{each.name}_at_{n}", label=f"{each.label}, {n} labels", series=each.label, place=str(n)
            )
            for each in (r2, shares)
            for n in numbers
        )

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Explain the features of test rows, and ask learnt rewards for preferences.

        Raises:
            ValueError: If nobody knows the features, none of them differs, there are fewer training trajectories than
                any number of labels that is asked for, or the two sets do not belong together.
        """
        check_pair(train, test)
        rows, test_rows = (judged_rows(each, self.device).double() for each in (train, test))
        known, truth = (self._features(each).double() for each in (train, test))
        differs = torch.stack([(each != each[0]).any(dim=0) for each in (known, truth)]).all(dim=0)
        if not differs.any():
            raise ValueError("judge 'reward_learning' needs a causal feature in which trajectories differ, got none")
        mean, scale = standardisation(known)
        features, truth = (((each - mean) / scale)[:, differs] for each in (known, truth))
        usable = [number for number in self.config.num_labels if number <= len(rows)]
        if not usable:
            raise ValueError(
                f"judges.reward_learning.num_labels must be at most the {len(rows)} training trajectories, got "
                f"{self.config.num_labels}"
            )
        found = dict[str, list[float]]()
        for number in usable:
            generator = torch.Generator().manual_seed(self.config.seed)
            for _ in self.work.through(range(self.config.num_draws), f"{number} labels"):
                chosen = torch.randperm(len(rows), generator=generator)[:number].to(rows.device)
                explained_share = _explained(rows[chosen], features[chosen], test_rows, truth)
                found.setdefault(f"feature_r2_at_{number}", []).append(explained_share)
                weights = torch.randn(features.shape[1], generator=generator, dtype=torch.float64).to(rows.device)
                answered = _differences(rows, features @ weights, number, generator)
                reward = _learnt(*answered, self.config.penalties)
                asked = _differences(test_rows, truth @ weights, self.config.num_asked, generator)
                share = float(((asked[0] @ reward > 0) == asked[1]).double().mean())
                found.setdefault(f"preferences_at_{number}", []).append(share)
        errors = {name: stdev(each) / len(each) ** 0.5 if len(each) > 1 else 0.0 for name, each in found.items()}
        numbers = {name: (fmean(each),) for name, each in found.items()}
        left_out = [str(number) for number in self.config.num_labels if number not in usable]
        notes = (
            [f"Of {len(rows)} training trajectories no {' or '.join(left_out)} labels are drawn."] if left_out else []
        )
        if num_alike := int((~differs).sum()):
            notes.append(f"{num_alike} of {len(differs)} features in which trajectories do not differ are left out.")
        return Judgement(numbers, errors, dict.fromkeys(found, self.config.num_draws), notes=tuple(notes))

    def _features(self, rows: Embeddings) -> Float[Tensor, "n k"]:
        samples, _ = origin_of(rows, self.config.name)
        features = samples.own_features if isinstance(samples, QuerySamples) else None
        if features is None:
            raise ValueError(
                "judge 'reward_learning' needs trajectories whose causal features are known, got "
                f"{samples.what} without; record them (features), or ask judge 'queries'"
            )
        return features.to(self.device)


def _explained(
    rows: Float[Tensor, "l d"], features: Float[Tensor, "l k"], test_rows: Float[Tensor, "n d"], truth: Tensor
) -> float:
    """Return R2 of the features of test rows, mean over features, of regressions on a few labelled rows."""
    alike = torch.zeros(len(rows), dtype=torch.int64)
    split = stratified_split(alike, validation_fraction=_VALIDATION_FRACTION, seed=0)
    shares = list[float]()
    for labels, of_test in zip(features.T, truth.T, strict=True):
        penalty = choose_ridge(rows, labels, split, penalties=RIDGE_PENALTIES).penalty
        shares.append(explained(of_test, Ridge(rows, labels).predict(test_rows, penalty=penalty)))
    return fmean(shares)


def _differences(
    rows: Float[Tensor, "n d"], rewards: Float[Tensor, " n"], number: int, generator: torch.Generator
) -> tuple[Float[Tensor, "p d"], Tensor]:
    """Return differences of rows of random pairs, and whether the first of a pair is preferred."""
    first = torch.randint(len(rows), (number,), generator=generator)
    second = (first + torch.randint(1, len(rows), (number,), generator=generator)) % len(rows)
    return rows[first] - rows[second], rewards[first] > rewards[second]


def _learnt(differences: Float[Tensor, "p d"], preferred: Tensor, penalties: tuple[float, ...]) -> Float[Tensor, " d"]:
    """Return a linear reward: the penalty with most right answers in cross-validation, the strongest of equals."""
    fold = torch.arange(len(differences), device=differences.device) % _NUM_FOLDS
    best, most = penalties[0], -1
    for penalty in sorted(penalties, reverse=True):
        right = 0
        for held in range(_NUM_FOLDS):
            reward = _bradley_terry(differences[fold != held], preferred[fold != held], penalty)
            right += int(((differences[fold == held] @ reward > 0) == preferred[fold == held]).sum())
        if right > most:
            best, most = penalty, right
    return _bradley_terry(differences, preferred, best)


def _bradley_terry(differences: Float[Tensor, "p d"], preferred: Tensor, penalty: float) -> Float[Tensor, " d"]:
    """Return the reward under which the answers are likeliest: that of both orders of every pair, so without a bias."""
    rows, labels = torch.cat([differences, -differences]), torch.cat([preferred, ~preferred]).long()
    probe = fit_probe(rows, labels, penalty=penalty)
    return (probe.weight[-1] - probe.weight[0]) / (probe.unit * probe.scale)
