"""Does a law fit after its parameter was fitted? Anderson and Darling's statistic with a parametric bootstrap.

A fitted law is nearer to its data than the true one, so the tables of Kolmogorov, Smirnov, Anderson and Darling, made
for laws known beforehand, accept far too often. Here the law is fitted anew to every simulated sample: Stute, Gonzalez
Manteiga and Presedo Quindimil 1993, "Bootstrap based goodness-of-fit-tests", https://doi.org/10.1007/BF02613687.

The shortfall law needs no code of its own: if delta / delta_u is a power of a uniform number, -log(delta / delta_u) is
exponential, and fitting the power is fitting its mean.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from anchorwise.diagnostics.exceedances import PooledExceedances

# s = samples, m = values in a sample

NUM_SIMULATED, LEVEL = 499, 0.05
MAX_VALUES = 500  # With more, any law is rejected for deviations that no loss would feel.


@dataclass(frozen=True)
class Goodness:
    """p-values of both laws: small where the exceedances do not look like a sample of the fitted law.

    Attributes:
        exponential: Of the exponential law.
        shortfall: Of the power of the shortfall from 1.
        num_values: PooledExceedances drawn for the test.
    """

    exponential: float
    shortfall: float
    num_values: int

    @property
    def refuses_both(self) -> bool:
        """Whether neither law fits, at a level of 5 %."""
        return max(self.exponential, self.shortfall) < LEVEL


def goodness_of_fit(exceedances: PooledExceedances, rng: np.random.Generator) -> Goodness:
    """Test both laws on at most 500 exceedances drawn at random."""
    num_values = min(MAX_VALUES, len(exceedances.values))
    chosen = rng.choice(exceedances.values, num_values, replace=False)
    log_shares = -np.log1p(-chosen / exceedances.endpoint_distance)
    exponential, shortfall = exponential_p_values(np.stack([chosen, log_shares]), rng)
    return Goodness(float(exponential), float(shortfall), num_values)


def exponential_p_values(samples: Float[np.ndarray, "s m"], rng: np.random.Generator) -> Float[np.ndarray, " s"]:
    """Return how often an exponential sample, fitted anew, is as far from its fit as each sample is from its own.

    The statistic does not depend on the mean, so one set of simulated samples serves all.
    """
    simulated = np.sort(anderson_darling(rng.exponential(size=(NUM_SIMULATED, samples.shape[1]))))
    as_far = NUM_SIMULATED - np.searchsorted(simulated, anderson_darling(samples))
    return (1.0 + as_far) / (NUM_SIMULATED + 1.0)


def anderson_darling(samples: Float[np.ndarray, "s m"]) -> Float[np.ndarray, " s"]:
    """Return the distance A^2 of every sample from the exponential law with the sample's mean."""
    num_values = samples.shape[1]
    scaled = np.sort(samples / samples.mean(axis=1, keepdims=True), axis=1)
    with np.errstate(divide="ignore"):
        log_below = np.log(-np.expm1(-scaled))
    odd = 2.0 * np.arange(1, num_values + 1) - 1.0
    # log(1 - F) of an exponential is minus the value itself.
    terms = odd * (np.maximum(log_below, np.log(np.finfo(float).tiny)) - scaled[:, ::-1])
    return -num_values - terms.sum(axis=1) / num_values
