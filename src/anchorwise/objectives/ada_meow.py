"""AdaMEOW: a network of the pair's two rows says how much a key counts.

Source: Yu, Ge, Li and Zhou 2024, "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Adaptively
Weighted Negative Samples", and its released code. Weights counted from clusterings are `MEOW`.
"""

from collections.abc import Callable
from typing import cast, final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from anchorwise import _checks, _tensor_checks
from anchorwise._precision import full_precision, log_sum, products
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.blocks import by_blocks
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import views_of

# n = samples, d = embedding width, k = keys, h = width of what is added up


@final
class AdaMEOW(Objective):
    """`-s_positive / temperature + log sum_k w_k exp(s_k / temperature)` over the other view, mean over n samples.

        w_k = sigmoid(network(z_anchor + z_k)) of unit rows

    The rows of view 0 (the fine-grained view) are the anchors; the positive is in the sum, with its own weight. The
    network is the caller's and learns: the source's is Linear(d, 16), Tanh, Linear(16, 1) and the sigmoid, which is
    taken here, in log space. Pairs are weighed for some anchors at a time and again in the backward pass. Where a
    `torch.nn.Sequential` begins with a linear layer, that layer sees every row once and not every pair, since it maps a
    sum to the sum of what it makes of both.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0. The default is `MEOW`'s; the released code uses 1.0
            for ACM.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("network",), takes=("logit_scale",))

    def __init__(self, *, temperature: float = 0.4) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        network: Callable[[Tensor], Tensor] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            network: Takes sums of two unit rows, shape (..., d), and returns the logits of their weights, (..., 1).
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        weigh = _tensor_checks.needed(
            self, "network", network, "what weighs a pair, from (..., width) to (..., 1) logits"
        )
        if not callable(weigh):
            raise TypeError(f"network must be callable, such as a torch.nn.Module, got {weigh!r}")
        views = views_of(view0, view1)
        link = softmax_link(self.temperature, logit_scale, views.units)
        anchors, keys = views.units
        anchor_parts, key_parts, weigh_sums = _factored(weigh, anchors, keys)

        def log_weighted_sum(some: Float[Tensor, "_ d"], parts: Float[Tensor, "_ h"]) -> Float[Tensor, "_ 1"]:
            with full_precision(some.device):
                log_weights = functional.logsigmoid(_logits(weigh_sums, parts.unsqueeze(1) + key_parts))
            return log_sum(link(products(some, keys)) + log_weights).unsqueeze(1)

        per_anchor, num_entries = [anchors, anchor_parts], max(keys.numel(), key_parts.numel())
        log_negatives = by_blocks(log_weighted_sum, per_anchor, entries_per_anchor=num_entries).squeeze(1)
        positive_scores = views.scores_between(0, 1)
        return mean_outcome(log_negatives - link(positive_scores), {"positive_score": positive_scores})


def _factored(
    network: Callable[[Tensor], Tensor], anchors: Float[Tensor, "n d"], keys: Float[Tensor, "k d"]
) -> tuple[Float[Tensor, "n h"], Float[Tensor, "k h"], Callable[[Tensor], Tensor]]:
    """Return what anchors and keys add up of, and what makes a logit of a sum."""
    if not isinstance(network, nn.Sequential) or not len(network) or type(network[0]) is not nn.Linear:
        return anchors, keys, network
    first = cast(nn.Linear, network[0])
    with full_precision(anchors.device):
        weight = first.weight.to(anchors)
        bias = 0.0 if first.bias is None else first.bias.to(anchors)
        return anchors @ weight.T, keys @ weight.T + bias, network[1:]


def _logits(network: Callable[[Tensor], Tensor], sums: Float[Tensor, "_ n d"]) -> Float[Tensor, "_ n"]:
    logits = network(sums)
    if logits.shape != (*sums.shape[:-1], 1) or not logits.is_floating_point():
        raise ValueError(
            f"network must turn sums of two rows, shape (..., width), into floating logits of shape (..., 1), got "
            f"{tuple(logits.shape)} of {logits.dtype} for {tuple(sums.shape[:-1])} sums"
        )
    return logits.squeeze(-1).to(sums)
