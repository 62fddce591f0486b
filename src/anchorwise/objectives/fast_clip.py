"""FastCLIP: CLIP's two directions with denominators that remember earlier batches, and one temperature that may learn.

Source: Wei et al. 2024, "FastCLIP: A Suite of Optimization Techniques to Accelerate CLIP Training with Limited
Resources" (RGCL-g), https://arxiv.org/abs/2407.01445, and its released code.
"""

from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link, temperature_of
from anchorwise.objectives.parts.global_estimate import RunningDenominators
from anchorwise.objectives.parts.one_state import read_links
from anchorwise.objectives.parts.per_sample import table_ids
from anchorwise.pairs import num_same, views_of
from anchorwise.tails.blend import Blend, as_blend

# n = pairs, d = embedding width


@final
class FastCLIP(Objective):
    """`temperature (log u + rho)`, mean over the 2n anchors, with the gradient of the source.

    u is the running mean of `mean over negatives of exp((s - s_positive) / temperature)`, with a table of its own for
    each modality; the negatives are the other modality's rows of all other pairs. With gamma 1 or at a first visit, the
    gradient is that of `temperature` times the cross-entropies of both directions without their positive in the sum.
    Tables are kept as `RunningDenominators` says. The source adds 1e-14 to u and lowers gamma from 1 along a cosine,
    which is the training loop's to do: `objective.gamma = ...`. At least 2 pairs.

    Args:
        num_samples: Pairs of the data set.
        temperature: Divides every cosine where the call gives none. Dimensionless, above 0.
        gamma: Weight of this batch in u, in (0, 1]. The default is that of the source's CC3M runs.
        rho: Pull on a learnt temperature, as for `SogCLR`; 6.5 for CC3M, 11 for larger data in the source.
        blend: WEINCE's logit in place of the softmax one, as each visit finds it; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("ids",), takes=("logit_scale",))

    def __init__(
        self,
        *,
        num_samples: int,
        temperature: float = 0.07,
        gamma: float = 0.2,
        rho: float = 6.5,
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        self.num_samples = _checks.count("num_samples", num_samples)
        tables = [RunningDenominators(num_samples) for _ in range(2)]
        self.denominators = nn.ModuleList(tables)
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
        """Return the loss with the anchors' losses, modality by modality, the cosines of their positives and log u.

        Args:
            view0: Rows of one modality.
            view1: Rows of the other.
            ids: The pairs' numbers in the data set, from 0 to num_samples - 1.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `1 / model.temperature`, as the source
                learns it, or `model.log_scale.exp()`.
        """
        ids = _tensor_checks.needed(self, "ids", ids, "the pairs' numbers in the data set, from 0 to num_samples - 1")
        views = views_of(view0, view1, ids=ids)
        ids = table_ids(self, views.ids, self.num_samples)
        softmax = softmax_link(self.temperature, logit_scale, views.units)
        tau = views.units.new_ones(()) * temperature_of(softmax)
        positive_scores, of_pairs = views.scores_between(0, 1), tau.detach().expand(len(ids))
        log_number = (len(ids) - num_same(ids)).to(positive_scores).log()
        losses, stats = [], []
        contrasts = [views.across(side, 1 - side) for side in (0, 1)]
        readings = read_links(self.blend, contrasts, softmax)
        if self.blend is None:  # Both directions share their scores.
            log_sums = engine.logsumexp_rows(views.pooled(same_view=False), softmax).chunk(2)
        else:
            of_sides = zip(contrasts, readings, strict=True)
            log_sums = [engine.logsumexp_rows(contrast, reading.link) for contrast, reading in of_sides]
        for table, log_sum, reading in zip(self.denominators, log_sums, readings, strict=True):
            log_negatives = log_sum - reading.link(positive_scores)
            log_estimate = (log_negatives - log_number).detach()
            log_u = table(ids, log_estimate.unsqueeze(0), gamma=self.gamma, temperature=of_pairs).squeeze(0)
            pushed = (tau * (log_estimate - log_u).exp()).detach() * (log_negatives - log_negatives.detach())
            losses.append(tau * (log_u + self.rho) + pushed)
            stats.append({"positive_score": positive_scores, "log_u": log_u, **reading.stats})
        return mean_outcome(torch.cat(losses), concat_stats(stats))
