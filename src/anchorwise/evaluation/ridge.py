"""Ridge regression on frozen, standardised features.

    minimise over w, b:   mean of (w x + b - y)^2  +  penalty * sum of w^2,   with y brought to variance 1

It has a closed form, so nothing is drawn and nothing has to converge. Features are standardised with the mean and the
standard deviation of the rows it is fitted on. In scikit-learn's terms `alpha = penalty * n`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.evaluation.linear import standardisation
from anchorwise.evaluation.splits import Split

# n = rows, d = feature width

RIDGE_PENALTIES = (1e2, 1e1, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@final
class Ridge:
    """Rows prepared for regressions with any penalty.

    Args:
        rows: Features.
        values: A number of every row; of equal ones a regression says that number of everything.
    """

    def __init__(self, rows: Float[Tensor, "n d"], values: Float[Tensor, " n"]) -> None:
        rows, values = rows.double(), values.double()
        self._mean, self._scale = standardisation(rows)
        self._middle, self._spread = values.mean(), values.std(correction=0)
        standardised = (rows - self._mean) / self._scale
        self._eigenvalues, self._vectors = torch.linalg.eigh(standardised.T @ standardised / len(rows))
        spread = torch.where(self._spread > 0, self._spread, 1.0)
        targets = standardised.T @ ((values - self._middle) / spread) / len(rows)
        self._targets = self._vectors.T @ targets

    def predict(self, rows: Float[Tensor, "m d"], *, penalty: float) -> Float[Tensor, " m"]:
        """Return what a regression with this penalty, above 0, says of rows."""
        # What is below 0 by rounding is 0.
        weights = self._vectors @ (
            self._targets / (self._eigenvalues.clamp_min(0.0) + _checks.positive("penalty", penalty))
        )
        return self._middle + self._spread * (((rows.double() - self._mean) / self._scale) @ weights)


@dataclass(frozen=True)
class RidgeChoice:
    """The penalty with the highest R2 on a validation part (the stronger one of equals).

    Attributes:
        penalty: The chosen one.
        predictions: Of the validation rows.
        truth: Their values.
    """

    penalty: float
    predictions: Float[Tensor, " m"]
    truth: Float[Tensor, " m"]


def choose_ridge(
    rows: Float[Tensor, "n d"], values: Float[Tensor, " n"], split: Split, *, penalties: Sequence[float]
) -> RidgeChoice:
    """Choose the penalty on a validation split.

    Raises:
        ValueError: If a penalty is not above 0.
    """
    ridge = Ridge(rows[split.train], values[split.train])
    truth, found = values[split.validation].double(), rows[split.validation]
    tried = [(penalty, ridge.predict(found, penalty=penalty)) for penalty in sorted(penalties, reverse=True)]
    errors = [float((predictions - truth).square().mean()) for _, predictions in tried]
    penalty, predictions = tried[errors.index(min(errors))]
    return RidgeChoice(penalty, predictions, truth)
