"""Logistic regression by Adam on few labels, many times at once, with the step that validation rows choose."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional

from anchorwise import _checks

# r = restarts, n = rows, d = width, c = classes


@dataclass(frozen=True)
class Part:
    """Rows with their classes, numbered from 0."""

    rows: Float[Tensor, "n d"]
    labels: Int64[Tensor, " n"]


@dataclass(frozen=True)
class Scores:
    """What every restart came to, all in [0, 1].

    Attributes:
        macro_f1: Mean of the classes' F1.
        micro_f1: F1 over all rows, which is the share of right answers.
        auc: Mean over classes of the area under the curve of one against the rest.
    """

    macro_f1: Float[Tensor, " r"]
    micro_f1: Float[Tensor, " r"]
    auc: Float[Tensor, " r"]


@dataclass(frozen=True)
class Fit:
    """Scores of the chosen steps.

    Attributes:
        validation: Of the rows that chose.
        test: Of the others; those that chose again where there are none.
    """

    validation: Scores
    test: Scores


@dataclass(frozen=True)
class Regression:
    """How regressions are fitted.

    Attributes:
        rate: Adam's learning rate.
        num_steps: Of Adam.
        num_restarts: Regressions, each from weights of its own.
        seed: Decides these weights.
        penalty: Of the weights, `penalty |W|^2 / 2` beside the mean cross-entropy; biases are free.
    """

    rate: float
    num_steps: int
    num_restarts: int
    seed: int
    penalty: float = 0.0


@torch.no_grad()
def fitted(how: Regression, train: Part, validation: Part, test: Part | None = None) -> Fit:
    """Fit and choose: macro-F1 of the step with the best on validation rows, micro-F1 and AUC likewise by micro-F1.

    Weights begin as Glorot and Bengio draw them, biases at 0; of equal steps the first is chosen.

    Args:
        how: How.
        train: To fit on.
        validation: To choose the step.
        test: To score.

    Raises:
        ValueError: If there is nothing to fit on or to choose by.
    """
    _checks.count("rows to fit on", len(train.labels))
    _checks.count("rows to choose by", len(validation.labels))
    scored = (validation,) if test is None else (validation, test)
    num_classes = 1 + max(int(part.labels.max()) for part in (train, *scored))
    weights = _first_weights(how, train.rows, num_classes)
    moments = [torch.zeros_like(weights) for _ in range(2)]
    truth = functional.one_hot(train.labels, num_classes).to(weights)
    rows = [_with_ones(part.rows) for part in (train, *scored)]
    best = _Best(scored, weights)
    for step in range(1, how.num_steps + 1):
        residual = (torch.einsum("nd,rdc->rnc", rows[0], weights).softmax(dim=2) - truth) / len(truth)
        gradient = torch.einsum("nd,rnc->rdc", rows[0], residual)
        gradient[:, :-1] += how.penalty * weights[:, :-1]
        _adam_step(weights, gradient, moments, how.rate, step)
        best.look([torch.einsum("nd,rdc->rnc", each, weights) for each in rows[1:]])
    return Fit(best.scores(0), best.scores(len(scored) - 1))


class _Best:
    """The best steps so far: by macro-F1, and by micro-F1 with the scores that its AUC is of."""

    def __init__(self, parts: tuple[Part, ...], like: Tensor) -> None:
        self._parts = parts
        self._macro, self._micro = (like.new_full((len(parts), len(like)), -1.0) for _ in range(2))
        self._logits = [like.new_zeros(len(like), len(part.labels), like.shape[2]) for part in parts]

    def look(self, logits: list[Float[Tensor, "r _ c"]]) -> None:
        """See the logits of a step, of the validation rows first."""
        answers = [each.argmax(dim=2) for each in logits]
        labels = [part.labels for part in self._parts]
        num_classes = logits[0].shape[2]
        macro = torch.stack([macro_f1(said, true, num_classes) for said, true in zip(answers, labels, strict=True)])
        right = [(said == true).to(logits[0]).mean(dim=1) for said, true in zip(answers, labels, strict=True)]
        micro = torch.stack(right)
        self._macro = torch.where(macro[0] > self._macro[0], macro, self._macro)
        is_better = micro[0] > self._micro[0]
        self._micro = torch.where(is_better, micro, self._micro)
        self._logits = [
            torch.where(is_better[:, None, None], new, old) for new, old in zip(logits, self._logits, strict=True)
        ]

    def scores(self, place: int) -> Scores:
        """Return what a part came to."""
        chances, labels = self._logits[place].softmax(dim=2).cpu().numpy(), self._parts[place].labels.cpu().numpy()
        return Scores(self._macro[place].cpu(), self._micro[place].cpu(), torch.from_numpy(auc(chances, labels)))


def macro_f1(answers: Int64[Tensor, "r n"], labels: Int64[Tensor, " n"], num_classes: int) -> Float[Tensor, " r"]:
    """Return the mean F1 of the classes that there are among labels or answers, for every row of answers."""
    told = functional.one_hot(answers, num_classes).to(torch.get_default_dtype())
    true = functional.one_hot(labels, num_classes).to(told)
    hits, either = (told * true).sum(dim=1), told.sum(dim=1) + true.sum(dim=0)
    return (2.0 * hits / either.clamp_min(1.0)).sum(dim=1) / (either > 0).sum(dim=1)


def auc(chances: Float[np.ndarray, "r n c"], labels: Int64[np.ndarray, " n"]) -> Float[np.ndarray, " r"]:
    """Return the mean, over the classes that there are, of the area under the curve of one against the rest."""
    ranks, areas = rankdata(chances, axis=1), []
    for label in range(chances.shape[2]):
        is_own = labels == label
        num_own, num_others = int(is_own.sum()), int((~is_own).sum())
        if num_own and num_others:
            above = ranks[:, is_own, label].sum(axis=1) - num_own * (num_own + 1) / 2
            areas.append(above / (num_own * num_others))
    return np.mean(areas, axis=0) if areas else np.full(len(chances), np.nan)


def _first_weights(how: Regression, rows: Tensor, num_classes: int) -> Float[Tensor, "r d c"]:
    generator = torch.Generator().manual_seed(how.seed)
    bound = (6.0 / (rows.shape[1] + num_classes)) ** 0.5
    drawn = (2.0 * torch.rand(how.num_restarts, rows.shape[1], num_classes, generator=generator) - 1.0) * bound
    return torch.cat([drawn, torch.zeros(how.num_restarts, 1, num_classes)], dim=1).to(rows)


def _with_ones(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
    return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)


def _adam_step(weights: Tensor, gradient: Tensor, moments: list[Tensor], rate: float, step: int) -> None:
    """Take a step of Adam as torch takes it."""
    mean, square = moments
    mean.lerp_(gradient, 0.1)
    square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
    size = (square / (1.0 - 0.999**step)).sqrt_().add_(1e-8)
    weights.addcdiv_(mean, size, value=-rate / (1.0 - 0.9**step))
