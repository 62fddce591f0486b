"""Laws of exceedances, fitted by maximum likelihood.

With y = s - u the exceedance of cosine s over threshold u, delta_u = 1 - u and delta = delta_u - y the shortfall:

    exponential      density exp(-y / mean) / mean
    shortfall power  density alpha / delta_u * (delta / delta_u)^(alpha - 1), endpoint at cosine 1;
                     alpha = m / sum log(delta_u / delta): Hill 1975, https://doi.org/10.1214/aos/1176343247,
                     applied to shortfalls
    free Pareto      generalised Pareto of shape xi and scale sigma; for xi < 0 it ends at u - sigma / xi:
                     Pickands 1975, https://doi.org/10.1214/aos/1176343003

The first two have one parameter each, so twice the difference of their log-likelihoods is the difference of their AIC.
Exceedances that share an anchor or an image move together: the log-likelihoods overstate the evidence, by a factor
nobody knows, and describe rather than test.
"""

import math
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import stats

from anchorwise.diagnostics.exceedances import Exceedances

MIN_EXCEEDANCES = 30


@dataclass(frozen=True)
class Law(ABC):
    """A fitted law of exceedances.

    Attributes:
        log_likelihood: Of the exceedances it was fitted to.
    """

    log_likelihood: float

    @abstractmethod
    def density(self, y: np.ndarray) -> np.ndarray:
        """Return the density at `y`, 0 beyond the endpoint."""

    @abstractmethod
    def quantile(self, probability: np.ndarray) -> np.ndarray:
        """Return the exceedance below which a share `probability` in [0, 1) lies."""


@final
@dataclass(frozen=True)
class Exponential(Law):
    """No endpoint, as the softmax link assumes."""

    mean: float

    def density(self, y: np.ndarray) -> np.ndarray:
        """Return the density at `y`."""
        return np.exp(-y / self.mean) / self.mean

    def quantile(self, probability: np.ndarray) -> np.ndarray:
        """Return the exceedance below which a share `probability` lies."""
        return -self.mean * np.log1p(-probability)


@final
@dataclass(frozen=True)
class ShortfallPower(Law):
    """A power of the distance to cosine 1, as the shortfall link assumes."""

    exponent: float
    endpoint_distance: float

    def density(self, y: np.ndarray) -> np.ndarray:
        """Return the density at `y`, 0 beyond the endpoint."""
        share = np.clip(1.0 - y / self.endpoint_distance, np.finfo(float).tiny, None)
        inside = self.exponent / self.endpoint_distance * share ** (self.exponent - 1.0)
        return np.where(y < self.endpoint_distance, inside, 0.0)

    def quantile(self, probability: np.ndarray) -> np.ndarray:
        """Return the exceedance below which a share `probability` lies."""
        return -self.endpoint_distance * np.expm1(np.log1p(-probability) / self.exponent)


@final
@dataclass(frozen=True)
class FreePareto(Law):
    """A generalised Pareto law; its endpoint is where the data put it.

    Attributes:
        shape: xi; below 0 the law has an endpoint.
        scale: sigma.
        endpoint: Of the cosines; None where there is none.
        converged: Whether the numbers can be used.
        message: What to know about the fit; empty if nothing.
    """

    shape: float
    scale: float
    endpoint: float | None
    converged: bool
    message: str

    def density(self, y: np.ndarray) -> np.ndarray:
        """Return the density at `y`, 0 beyond the endpoint."""
        return stats.genpareto.pdf(y, self.shape, scale=self.scale)

    def quantile(self, probability: np.ndarray) -> np.ndarray:
        """Return the exceedance below which a share `probability` lies."""
        return stats.genpareto.ppf(probability, self.shape, scale=self.scale)


@dataclass(frozen=True)
class TailFit:
    """All laws fitted to the same exceedances.

    Attributes:
        num_exceedances: How many there were.
        threshold: The cosine they exceed.
        exponential: None unless converged.
        shortfall: None unless converged.
        pareto: None unless converged; has its own `converged`.
        delta_aic: AIC of the exponential minus AIC of the shortfall law: above 0, the shortfall law describes these
            exceedances better. Not a number unless converged.
        converged: Whether the laws could be fitted.
        message: Why not; empty if they could.
    """

    num_exceedances: int
    threshold: float
    exponential: Exponential | None = None
    shortfall: ShortfallPower | None = None
    pareto: FreePareto | None = None
    delta_aic: float = float("nan")
    converged: bool = False
    message: str = ""


def fit_laws(exceedances: Exceedances) -> TailFit:
    """Fit all laws; data that allow no fit are reported, not raised."""
    y, m = exceedances.values, len(exceedances.values)
    if m < MIN_EXCEEDANCES:
        return TailFit(m, exceedances.threshold, message=f"{m} exceedances, need {MIN_EXCEEDANCES}; embed more images")
    if not y.mean() > np.finfo(float).eps:
        return TailFit(m, exceedances.threshold, message="the hardest negatives are all equal; the encoder collapsed")
    exponential, shortfall = fit_exponential(y), fit_shortfall(y, exceedances.endpoint_distance)
    return TailFit(
        num_exceedances=m,
        threshold=exceedances.threshold,
        exponential=exponential,
        shortfall=shortfall,
        pareto=fit_pareto(y, exceedances.threshold),
        delta_aic=2.0 * (shortfall.log_likelihood - exponential.log_likelihood),
        converged=True,
    )


def fit_exponential(y: np.ndarray) -> Exponential:
    """Return the maximum-likelihood exponential of exceedances whose mean is above 0."""
    mean = float(y.mean())
    return Exponential(log_likelihood=-len(y) * (math.log(mean) + 1.0), mean=mean)


def fit_shortfall(y: np.ndarray, endpoint_distance: float) -> ShortfallPower:
    """Return the maximum-likelihood shortfall law of exceedances below `endpoint_distance`, not all of them 0."""
    log_shares = np.log1p(-y / endpoint_distance)
    exponent = float(-len(y) / log_shares.sum())
    log_likelihood = len(y) * np.log(exponent / endpoint_distance) + (exponent - 1.0) * log_shares.sum()
    return ShortfallPower(float(log_likelihood), exponent=exponent, endpoint_distance=endpoint_distance)


def fit_pareto(y: np.ndarray, threshold: float) -> FreePareto:
    """Return the maximum-likelihood generalised Pareto law, started from the moments of `y`."""
    scaled = y / y.mean()
    ratio = 1.0 / scaled.var()
    shape = (1.0 - ratio) / 2.0
    # The start must have every exceedance inside its support.
    scale = max((ratio + 1.0) / 2.0, -1.01 * shape * scaled.max())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # The search steps over the border of the support.
            shape, _, scale = stats.genpareto.fit(scaled, shape, floc=0.0, scale=scale)
            log_likelihood = float(stats.genpareto.logpdf(scaled, shape, scale=scale).sum())
    except stats.FitError as error:
        return FreePareto(float("nan"), float("nan"), float("nan"), None, converged=False, message=str(error))
    return _pareto(float(shape), float(scale * y.mean()), log_likelihood - len(y) * math.log(y.mean()), threshold)


def _pareto(shape: float, scale: float, log_likelihood: float, threshold: float) -> FreePareto:
    message = ""
    if shape < -0.5:
        message = f"shape {shape:.2f} is below -0.5, where maximum likelihood has no usual standard error"
    return FreePareto(
        log_likelihood=log_likelihood,
        shape=shape,
        scale=scale,
        endpoint=threshold - scale / shape if shape < 0.0 else None,
        # At shape -1 and below the likelihood has no maximum.
        converged=bool(np.isfinite(log_likelihood)) and shape > -1.0,
        message=message,
    )
