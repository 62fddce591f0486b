"""Three laws of the same exceedances, fitted by maximum likelihood (`anchorwise.tails`), ready to be drawn.

All are generalised Pareto laws. The exponential law has shape 0; a power of the shortfall from 1 with exponent alpha
has shape -1 / alpha and ends at 1; the free law has the likeliest shape and ends where that puts it.

Exceedances that share an anchor or an image move together: the likelihoods overstate the evidence, by a factor nobody
knows, and describe rather than test.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats

from anchorwise.diagnostics.exceedances import PooledExceedances
from anchorwise.tails import likelihood_evidence, pareto_estimate

# m = exceedances, p = probabilities

MIN_EXCEEDANCES = 30


@dataclass(frozen=True)
class Law:
    """A generalised Pareto law of exceedances over a threshold.

    Attributes:
        shape: xi; below 0 the law has an end.
        scale: sigma.
    """

    shape: float
    scale: float

    def density(self, y: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """Return the density at exceedances `y`, 0 beyond the end."""
        return stats.genpareto.pdf(y, self.shape, scale=self.scale)

    def quantile(self, probability: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """Return the exceedance below which a share `probability` in [0, 1) lies."""
        return stats.genpareto.ppf(probability, self.shape, scale=self.scale)


@dataclass(frozen=True)
class TailFit:
    """All laws fitted to the same exceedances.

    Attributes:
        num_exceedances: How many there were.
        threshold: The cosine they exceed.
        exponential: None unless converged.
        shortfall: None unless converged.
        exponent: Of the shortfall law; not a number unless converged.
        pareto: The free law; None where its likelihood has no maximum.
        endpoint: Cosine at which the free law ends; None where it has no end or there is no free law.
        delta_aic: AIC of the exponential minus AIC of the shortfall law: above 0, the shortfall law describes these
            exceedances better. Not a number unless converged.
        converged: Whether the first two laws could be fitted.
        message: Why not, or what to know of the free law; empty if nothing.
    """

    num_exceedances: int
    threshold: float
    exponential: Law | None = None
    shortfall: Law | None = None
    exponent: float = float("nan")
    pareto: Law | None = None
    endpoint: float | None = None
    delta_aic: float = float("nan")
    converged: bool = False
    message: str = ""


def fit_laws(exceedances: PooledExceedances) -> TailFit:
    """Fit all laws; data that allow no fit are reported, not raised."""
    y, m = exceedances.values, len(exceedances.values)
    if m < MIN_EXCEEDANCES:
        return TailFit(m, exceedances.threshold, message=f"{m} exceedances, need {MIN_EXCEEDANCES}; embed more images")
    if not y.mean() > np.finfo(float).eps:
        return TailFit(m, exceedances.threshold, message="the hardest negatives are all equal; the encoder collapsed")
    row = torch.from_numpy(np.r_[y, 0.0] + exceedances.threshold).unsqueeze(0)
    evidence, free = likelihood_evidence(row, num_tail=m), pareto_estimate(row, num_tail=m)
    if not evidence.converged:
        return TailFit(m, exceedances.threshold, message=evidence.message[0])
    exponent, shape, endpoint = evidence.exponent.item(), free.shape.item(), free.endpoint.item()
    has_free = bool(free.converged)
    return TailFit(
        num_exceedances=m,
        threshold=exceedances.threshold,
        exponential=Law(0.0, float(y.mean())),
        shortfall=Law(-1.0 / exponent, exceedances.endpoint_distance / exponent),
        exponent=exponent,
        pareto=Law(shape, free.scale.item()) if has_free else None,
        endpoint=endpoint if has_free and np.isfinite(endpoint) else None,
        delta_aic=evidence.delta_aic.item(),
        converged=True,
        message=free.message[0],
    )
