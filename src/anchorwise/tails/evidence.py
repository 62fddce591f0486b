"""Which law the hardest negatives of an anchor follow: a power of the shortfall, an exponential, or a free Pareto law.

`likelihood_evidence` compares the likelihoods of two laws of one parameter on the same exceedances
(`tails.likelihood`) and says how surprising the outcome is under the exponential one (`tails.exponential_law`).
`law_comparison` sets a third law with two parameters beside them. `published_evidence` is the comparison of the WEINCE
release.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise.links import shortfall
from anchorwise.tails.estimators import RegressionTail
from anchorwise.tails.exponential_law import exponential_pvalue
from anchorwise.tails.hill import hill_of
from anchorwise.tails.likelihood import exponential_log_likelihood, likelihood_delta_aic
from anchorwise.tails.pareto import likeliest_law
from anchorwise.tails.regression import tail_regressions
from anchorwise.tails.rows import RowResult, noted, row_tails, usable_scores

# a = anchors, k = scores of an anchor


@final
@dataclass(frozen=True)
class LikelihoodEvidence(RowResult):
    """The exponential against the shortfall law.

    Attributes:
        delta_aic: AIC of the exponential minus AIC of the shortfall law; above 0, the shortfall law describes the
            exceedances better. Near 0 where the exponent is large: there the laws coincide.
        exponent: Hill's, of the shortfall law.
        pvalue: Probability of a `delta_aic` at least as large if scores thinned out exponentially, without an end.
    """

    delta_aic: Float[Tensor, " a"]
    exponent: Float[Tensor, " a"]
    pvalue: Float[Tensor, " a"]


@torch.no_grad()
def likelihood_evidence(
    scores: Float[Tensor, "a k"], *, num_tail: int, endpoint: float = 1.0, prior_points: float = 0.0
) -> LikelihoodEvidence:
    """Return how far the tail of every row speaks for a power of the shortfall.

    The p-value is exact for independent scores, up to the interpolation of a simulated table, and it is one-sided. It
    asks which law describes these exceedances, not what happens in the limit: Gaussian scores look bounded at a finite
    depth. Where negatives move together it is too small (`block_bootstrap`).

    Args:
        scores: Cosines of every anchor with its negatives; minus infinity where a pair does not count.
        num_tail: How many of the largest scores make the tail; the next one is the threshold.
        endpoint: Where scores end, in cosines.
        prior_points: Shrinks the exponents to the batch's, as in `hill_estimate`; the evidence is each row's own.

    Raises:
        ValueError: If an argument is out of range or `scores` is no matrix.
        TypeError: If `scores` is not floating.
    """
    tails = row_tails(scores, num_tail, _checks.endpoint(endpoint))
    tail = tails.sums(endpoint)
    exponent = hill_of(tails, endpoint, prior_points)
    known = exponent.isfinite()
    return LikelihoodEvidence(
        converged=known,
        notes=tails.notes,
        delta_aic=torch.where(known, likelihood_delta_aic(tail), torch.nan),
        exponent=exponent,
        pvalue=torch.where(known, exponential_pvalue(tail), torch.nan),
    )


@final
@dataclass(frozen=True)
class LawComparison(RowResult):
    """AIC of three laws of the same exceedances; the smallest describes them best, differences below 2 say nothing.

    Attributes:
        exponential: No endpoint; one parameter.
        shortfall: A power of the distance to the endpoint; one parameter.
        pareto: Generalised Pareto, which contains both; two parameters. Not a number where its likelihood has no
            maximum.
        exponent: Hill's, of the shortfall law.
        shape: Of the generalised Pareto law.
    """

    exponential: Float[Tensor, " a"]
    shortfall: Float[Tensor, " a"]
    pareto: Float[Tensor, " a"]
    exponent: Float[Tensor, " a"]
    shape: Float[Tensor, " a"]


@torch.no_grad()
def law_comparison(
    scores: Float[Tensor, "a k"], *, num_tail: int, endpoint: float = 1.0, prior_points: float = 0.0
) -> LawComparison:
    """Return AIC of the exponential, the shortfall and the free law for the tail of every row.

    Args:
        scores: Cosines of every anchor with its negatives; minus infinity where a pair does not count.
        num_tail: How many of the largest scores make the tail; the next one is the threshold.
        endpoint: Where the shortfall law ends, in cosines.
        prior_points: Shrinks the exponents to the batch's, as in `hill_estimate`; AIC is that of each row's own.

    Raises:
        ValueError: If an argument is out of range or `scores` is no matrix.
        TypeError: If `scores` is not floating.
    """
    tails = row_tails(scores, num_tail, _checks.endpoint(endpoint))
    tail, pareto = tails.sums(endpoint), likeliest_law(tails)
    exponent = hill_of(tails, endpoint, prior_points)
    exponential = torch.where(exponent.isfinite(), 2.0 - 2.0 * exponential_log_likelihood(tail), torch.nan)
    return LawComparison(
        converged=exponent.isfinite() & pareto.exists,
        notes=pareto.notes,
        exponential=exponential,
        shortfall=exponential - likelihood_delta_aic(tail),
        pareto=torch.where(pareto.exists, 4.0 - 2.0 * tail.count * pareto.best.log_likelihood, torch.nan),
        exponent=exponent,
        shape=torch.where(pareto.exists, pareto.best.shape, torch.nan),
    )


@final
@dataclass(frozen=True)
class PublishedEvidence(RowResult):
    """The regressions of the WEINCE release.

    Attributes:
        delta_aic: As released; the two regressions explain different responses, so that it is no difference of AIC.
        exponent: Slope of log rank on log shortfall.
        r_squared: Share of the variance of log rank explained, in [0, 1].
    """

    delta_aic: Float[Tensor, " a"]
    exponent: Float[Tensor, " a"]
    r_squared: Float[Tensor, " a"]


@torch.no_grad()
def published_evidence(
    scores: Float[Tensor, "a k"], *, num_tail: int, endpoint: float = 1.0, prior_points: float = 0.0
) -> PublishedEvidence:
    """Return what the released gate reads off the `num_tail` largest scores of every row.

    As released, duplicates stay in, at a shortfall of 1e-6, and there is no threshold.

    Args:
        scores: Cosines of every anchor with its negatives; minus infinity where a pair does not count.
        num_tail: How many of the largest scores are regressed, before the first twentieth of them is dropped.
        endpoint: Where scores end, in cosines.
        prior_points: The release's shrink_c: shrinks the exponents to the batch's median, and keeps them in [0.5, 16].

    Raises:
        ValueError: If an argument is out of range or `scores` is no matrix.
        TypeError: If `scores` is not floating.

    Source: Erol et al. 2026, https://arxiv.org/abs/2606.00262, and its released code.
    """
    _checks.count("num_tail", num_tail)
    usable, prior = usable_scores(scores, None), RegressionTail(prior_points=prior_points)
    largest = usable.largest(num_tail)
    complete = largest[:, -1] > -torch.inf
    shortfalls = shortfall(torch.where(complete.unsqueeze(1), largest, 0.0), _checks.endpoint(endpoint))
    fit = tail_regressions(shortfalls)
    known = complete & (fit.slope > 0.0)
    estimate = prior.estimate_of(fit)
    exponent = prior.shrink(estimate, estimate.batch_median) if prior_points else fit.slope
    notes = (
        *usable.notes,
        *usable.too_few(num_tail, "the tail points"),
        noted(complete & ~known, "no regression: too few tail points, or ties"),
    )
    delta_aic, exponent, r_squared = (
        torch.where(known, part, torch.nan) for part in (fit.delta_aic, exponent, fit.r_squared)
    )
    return PublishedEvidence(known, notes, delta_aic, exponent, r_squared)
