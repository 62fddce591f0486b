"""SogCLR: DCL whose denominators remember the samples of earlier batches.

Source: Yuan et al. 2022, "Provable Stochastic Optimization for Global Contrastive Learning: Small Batch Does Not Harm
Performance", Algorithm 1, https://arxiv.org/abs/2202.12387, and its released code; the gradient of a global
temperature: Wei et al. 2024, "FastCLIP", https://arxiv.org/abs/2407.01445.
"""

from typing import final

from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link, temperature_of
from anchorwise.objectives.parts.global_estimate import RunningDenominators, log_num_negatives
from anchorwise.objectives.parts.per_sample import table_ids
from anchorwise.pairs import views_of
from anchorwise.tails.blend import Blend, as_blend, read_link

# n = samples, d = embedding width


@final
class SogCLR(Objective):
    """`temperature (log u + rho) - s_positive`, mean over the 2n anchors, with the gradient of the source.

    u is a sample's running mean of `mean over negatives of exp(s / temperature)`; the negatives are both views of all
    other samples. The value is this batch's estimate of the global loss. The gradient differentiates the batch's
    exponentials over u: with gamma 1 or at a first visit, `temperature` times DCL's. The released code adds the two
    directions, which doubles it.

    The table is kept as `RunningDenominators` says: a sample that was not seen before starts at its own estimate (in
    the released code only a batch without any seen sample does), one that is in a batch twice moves once. At least 2
    samples.

    Args:
        num_samples: Samples of the data set.
        temperature: Divides every cosine where the call gives none. Dimensionless, above 0.
        gamma: Weight of this batch in u, in (0, 1].
        rho: Pull on a learnt temperature: its gradient is `log u + rho - mean s / temperature`, means over negatives
            weighted by their exponentials. It changes nothing else but the value.
        blend: WEINCE's logit in place of the softmax one, as each visit finds it; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("ids",), takes=("logit_scale",))

    def __init__(
        self,
        *,
        num_samples: int,
        temperature: float = 0.1,
        gamma: float = 0.9,
        rho: float = 0.0,
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        self.num_samples = _checks.count("num_samples", num_samples)
        self.denominators = RunningDenominators(num_samples)
        self.temperature = _checks.positive("temperature", temperature)
        self.gamma = _checks.share("gamma", gamma)
        self.rho = _checks.number("rho", rho)
        self.blend = as_blend(blend)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        ids: Integer[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses, the cosines of their positives and log u.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: The samples' numbers in the data set, from 0 to num_samples - 1.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `1 / model.temperature`, as the source
                learns it, or `model.log_scale.exp()`.
        """
        ids = _tensor_checks.needed(self, "ids", ids, "the samples' numbers in the data set, from 0 to num_samples - 1")
        views = views_of(view0, view1, ids=ids)
        ids = table_ids(self, views.ids, self.num_samples)
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        tau = views.units.new_ones(()) * temperature_of(softmax)
        contrast, positive_scores = views.pooled(), views.positive_scores
        reading = read_link(self.blend, contrast, softmax)
        log_negatives = engine.logsumexp_rows(contrast, reading.link)
        log_estimates = log_negatives - log_num_negatives(ids, log_negatives)
        log_u = self.denominators(
            ids, log_estimates.detach().view(2, -1), gamma=self.gamma, temperature=tau.detach().expand(len(ids))
        ).flatten()
        pushed = (tau * (log_estimates - log_u).exp()).detach() * (log_negatives - log_negatives.detach())
        per_anchor = tau * (log_u + self.rho - reading.link(positive_scores)) + pushed
        return mean_outcome(per_anchor, {"positive_score": positive_scores, "log_u": log_u, **reading.stats})
