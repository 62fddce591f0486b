"""MEOW: a negative counts as often as clusterings tell it apart from the anchor.

Source: Yu and Li 2023, "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Weighted Negative
Samples", and its released code. Its second term is `ProtoNCE`.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._ranks import gather_rows
from anchorwise.objectives.objective import Inputs, Objective, Outcome, concat_stats, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import PairWeight, views_of

# n = samples, d = embedding width, c = clusterings, a = anchors, k = keys


@final
@dataclass(frozen=True, eq=False)
class ClusteringsApart(PairWeight):
    """The number of clusterings in which an anchor and a key are in different clusters.

    Attributes:
        dtype: Of the logarithms.
    """

    dtype: torch.dtype = torch.float32

    def log_weights(self, anchor_values: Int[Tensor, "a c"], key_values: Int[Tensor, "k c"]) -> Float[Tensor, "a k"]:
        """Return the logarithms of the numbers."""
        columns = zip(anchor_values.unbind(dim=1), key_values.unbind(dim=1), strict=True)
        apart = [(anchor.unsqueeze(1) != key).to(self.dtype) for anchor, key in columns]
        return torch.stack(apart).sum(dim=0).log()


@final
class MEOW(Objective):
    """`-s_positive / temperature + log sum_k w_k exp(s_k / temperature)` over the other view, mean over the anchors.

    w_k is the number of clusterings in which the anchor and key k are in different clusters, so the positive's is 0. An
    anchor that shares its cluster with everything in all of them has loss 0.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0. The released code uses 0.4 and 0.9.
        both_directions: Whether the rows of view 1 are anchors too. Without it the n rows of view 0 are, as in the
            released code, where view 0 is the coarse view and view 1 the fine-grained one.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("clusters",), takes=("logit_scale",))

    def __init__(self, *, temperature: float = 0.4, both_directions: bool = True) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.both_directions = both_directions

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        clusters: Integer[Tensor, "n c"] | Bool[Tensor, "n c"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the anchors' losses and the cosines of their positives.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            clusters: The cluster of every sample in each of one or more clusterings.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        clusters = _tensor_checks.needed(
            self, "clusters", clusters, "the samples' clusters, shape (samples, clusterings)"
        )
        views = views_of(view0, view1)
        link = softmax_link(self.temperature, logit_scale, views.units)
        everywhere = gather_rows(_clusters(clusters, view0))
        weight = ClusteringsApart(everywhere, everywhere, views.units.dtype)
        positive_scores = views.scores_between(0, 1)
        losses = []
        directions = (views.units, views.units.flip(0)) if self.both_directions else (views.units,)
        for anchors, keys in directions:
            log_negatives = engine.logsumexp_rows(views.contrast(anchors, keys, weight=weight), link)
            nothing = 0.0 * positive_scores
            losses.append(torch.where(log_negatives == -torch.inf, nothing, log_negatives - link(positive_scores)))
        stats = {"positive_score": positive_scores}
        return mean_outcome(torch.cat(losses), concat_stats([stats] * len(directions)))


def _clusters(given: Tensor, view: Float[Tensor, "n d"]) -> Int[Tensor, "n c"]:
    if _tensor_checks.tensor("clusters", given).ndim != 2 or len(given) != len(view) or given.shape[1] == 0:
        raise ValueError(
            f"clusters must have one row for each of the {len(view)} samples and one column for each clustering, "
            f"got {tuple(given.shape)}; one clustering is clusters.unsqueeze(1)"
        )
    _tensor_checks.same_device("view0", view, "clusters", given)
    return _tensor_checks.classes("clusters", given)
