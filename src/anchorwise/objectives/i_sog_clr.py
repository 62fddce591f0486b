"""iSogCLR: SogCLR with a temperature of every sample's own, which adapts.

Source: Qiu et al. 2023, "Not All Semantics are Created Equal: Contrastive Self-supervised Learning with Automatic
Temperature Individualization", Algorithm 1, https://arxiv.org/abs/2305.11965, and its released code.
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.links import Link, SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.global_estimate import RunningDenominators, log_num_negatives
from anchorwise.objectives.parts.per_sample import mean_by_id, store, table_ids
from anchorwise.pairs import Contrast, views_of

# n = samples, a = anchors, d = embedding width

_MAX_GRADIENT = 3.0  # The released code clips the temperatures' gradients to it.


@final
class ISogCLR(Objective):
    """`temperature_i (log u_i + rho)`, mean over the 2n anchors, with the gradients of the source.

    u_i is a sample's running mean of `mean over negatives of exp((s - s_positive) / temperature_i)`. After the loss, in
    training mode, every sample's temperature moves:

        g = log u_i + rho - sum_k p_k (s_k - s_positive) / temperature_i,   p_k = exp(...) / (number of negatives u_i)
        momentum_i = (1 - beta) momentum_i + beta clip(g, -3, 3);  temperature_i = clip(temperature_i - eta momentum_i)

    with g the mean over the views, and over the rows of a sample that is there several times. When temperatures move, u
    follows (`RunningDenominators`), which the released code leaves out. At least 2 samples.

    Args:
        num_samples: Samples of the data set.
        temperature: Every sample's first temperature, inside the range.
        temperature_range: Lowest and highest temperature, above 0.
        rho: Radius of the source's robust loss: a larger one raises temperatures less.
        gamma: Weight of this batch in u, in (0, 1].
        beta: Weight of this batch in the momentum, in (0, 1].
        eta: Step of the temperatures, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("ids",))
    temperatures: Tensor
    momenta: Tensor

    def __init__(
        self,
        *,
        num_samples: int,
        temperature: float = 0.1,
        temperature_range: Sequence[float] = (0.05, 0.7),
        rho: float = 0.4,
        gamma: float = 0.8,
        beta: float = 0.5,
        eta: float = 0.03,
    ) -> None:
        super().__init__()
        self.num_samples = _checks.count("num_samples", num_samples)
        self.denominators = RunningDenominators(self.num_samples)
        lowest, highest = _checks.pair("temperature_range", temperature_range)
        lowest, highest = _checks.ordered("the lowest temperature", lowest, "the highest", highest)
        self.temperature_range = lowest, highest
        self.temperature = _checks.positive("temperature", temperature)
        if not lowest <= self.temperature <= highest:
            raise ValueError(f"temperature must lie in temperature_range {temperature_range!r}, got {temperature!r}")
        self.register_buffer("temperatures", torch.full((self.num_samples,), self.temperature))
        self.register_buffer("momenta", torch.zeros(self.num_samples))
        self.rho = _checks.number("rho", rho)
        self.gamma, self.beta = _checks.share("gamma", gamma), _checks.share("beta", beta)
        self.eta = _checks.positive("eta", eta)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, the cosines of their positives and their temperatures.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: The samples' numbers in the data set, from 0 to num_samples - 1.
        """
        ids = _tensor_checks.needed(self, "ids", ids, "the samples' numbers in the data set, from 0 to num_samples - 1")
        views = views_of(view0, view1, ids=ids)
        ids = table_ids(self, views.ids, self.num_samples)
        contrast, positive_scores = views.pooled(), views.positive_scores
        tau = self.temperatures[ids].to(views.units).repeat(2)
        link = SoftmaxLink(tau)
        log_negatives = engine.logsumexp_rows(contrast, link) - positive_scores / tau
        log_estimates = log_negatives.detach() - log_num_negatives(ids, log_negatives)
        log_u = self.denominators(
            ids, log_estimates.view(2, -1), gamma=self.gamma, temperature=tau[: len(ids)]
        ).flatten()
        shares = (log_estimates - log_u).exp()
        per_anchor = tau * (log_u + self.rho) + tau * shares * (log_negatives - log_negatives.detach())
        if self.training:
            excess = _mean_score(contrast, link) - positive_scores.detach()
            self._adapt(ids, log_u + self.rho - shares * excess / tau)
        return mean_outcome(per_anchor, {"positive_score": positive_scores, "temperature": tau})

    @torch.no_grad()
    def _adapt(self, ids: Int[Tensor, " n"], slope: Float[Tensor, " a"]) -> None:
        """Move the temperatures of these samples against the slope of the loss."""
        of_sample = mean_by_id(ids, slope.view(2, -1).mean(dim=0))
        clipped = of_sample.clamp(-_MAX_GRADIENT, _MAX_GRADIENT)
        momentum = (1.0 - self.beta) * self.momenta[ids] + self.beta * clipped
        store(self.momenta, ids, momentum)
        store(self.temperatures, ids, (self.temperatures[ids] - self.eta * momentum).clamp(*self.temperature_range))


@torch.no_grad()
def _mean_score(contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
    """Return the mean score of every anchor's negatives, weighted by their exponentials."""
    return (contrast.anchors * engine.attend_rows(contrast, contrast.keys, link)).sum(dim=1)
