"""The convention of pytorch-metric-learning: embeddings, their labels, and optionally pairs that a miner chose.

    loss = NTXentLoss(temperature=0.1, blend=anchorwise.Blend())
    loss(embeddings, labels, miner(embeddings, labels))
    SelfSupervisedLoss(loss)(view0, view1)

That library itself is not imported. Its distances, reducers and regularizers are not supported: the cosine and the mean
are part of the formulas.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._described import Described
from anchorwise._precision import softmax_nll
from anchorwise._ranks import only_this_process_unless
from anchorwise.adapters.mined_pairs import IndicesTuple, Labelled, MinedPairs, labelled, pairs_of
from anchorwise.adapters.two_views import two_view_objective
from anchorwise.objectives import Objective
from anchorwise.tails import Blend
from anchorwise.tails.blend import as_blend

# n = embeddings, m = reference embeddings, d = embedding width


class _PairLoss(Described, ABC):
    """A loss of every anchor's positives and negatives.

    Attributes:
        repeats: Whether a pair that a miner gives several times counts as often.
    """

    repeats: ClassVar[bool]

    def __init__(self, temperature: float, blend: Blend | None) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.blend = as_blend(blend)

    def forward(
        self,
        embeddings: Float[Tensor, "n d"],
        labels: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        indices_tuple: IndicesTuple | None = None,
        ref_emb: Float[Tensor, "m d"] | None = None,
        ref_labels: Integer[Tensor, " m"] | Bool[Tensor, " m"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the scalar loss in the dtype of the embeddings; 0 where there is no positive pair.

        It is computed in float32 or wider, and rounded at the end where embeddings are half precision.

        Args:
            embeddings: Anchors, of any length.
            labels: Their classes. Needed without `indices_tuple`, and for a blend.
            indices_tuple: What a miner returned: (anchors, positives, anchors, negatives), or triplets (anchors,
                positives, negatives).
            ref_emb: What anchors are compared with; None is each other.
            ref_labels: The classes of `ref_emb`.
        """
        given = labelled(embeddings, labels, ref_emb, ref_labels)
        pairs = pairs_of(given, indices_tuple, repeats=self.repeats)
        if not pairs.is_positive.any():
            # Keeps a graph, so that backward works on any batch.
            return (0.0 * (given.anchors.sum() + given.keys.sum())).to(embeddings.dtype)
        return self._loss(given, pairs).to(embeddings.dtype)

    @abstractmethod
    def _loss(self, given: Labelled, pairs: MinedPairs) -> Float[Tensor, ""]: ...


@final
class NTXentLoss(_PairLoss):
    """Drop-in for `pytorch_metric_learning.losses.NTXentLoss`: every positive against its anchor's negatives.

    The mean over positive pairs; an anchor's other positives are not in the denominator. A pair that a miner gives
    several times, alone or in triplets, counts as often, as there. In `SelfSupervisedLoss` it is InfoNCE, or WEINCE
    with a blend.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        blend: WEINCE's logit in place of the softmax one, read off all rows of other labels; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    repeats = True

    def __init__(self, temperature: float = 0.07, *, blend: Blend | None = None) -> None:
        super().__init__(temperature, blend)

    def _loss(self, given: Labelled, pairs: MinedPairs) -> Float[Tensor, ""]:
        logits = pairs.logits(given, self.blend, self.temperature)
        per_pair = softmax_nll(logits.positives, logits.log_negatives.unsqueeze(1).expand_as(logits.positives))
        return per_pair[pairs.is_positive].mean()


@final
class SupConLoss(_PairLoss):
    """Drop-in for `pytorch_metric_learning.losses.SupConLoss`: the mean over positives is outside of the log.

    The denominator holds all of an anchor's positives and negatives. The mean is over anchors with a positive and with
    something to tell it from: another positive or a negative; without any negative in the batch the loss is 0. A
    pair that a miner gives several times counts once, as there.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.
        blend: WEINCE's logit in place of the softmax one, read off all rows of other labels; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range.
    """

    repeats = False

    def __init__(self, temperature: float = 0.1, *, blend: Blend | None = None) -> None:
        super().__init__(temperature, blend)

    def _loss(self, given: Labelled, pairs: MinedPairs) -> Float[Tensor, ""]:
        logits = pairs.logits(given, self.blend, self.temperature)
        is_positive, log_negatives = pairs.is_positive, logits.log_negatives
        has_negative = log_negatives > -torch.inf
        counts = is_positive.any(dim=1) & ((is_positive.sum(dim=1) > 1) | has_negative) & has_negative.any()
        held = is_positive[counts]
        positives = logits.positives[counts]
        others = positives.masked_fill(~held, -torch.inf).logsumexp(dim=1).logaddexp(log_negatives[counts])
        mean_positive = positives.masked_fill(~held, 0.0).sum(dim=1) / held.sum(dim=1)
        return (others - mean_positive).sum() / counts.sum().clamp_min(1)


@final
class ViewsLoss(Described):
    """Any objective of two views, for training loops that call `loss(embeddings, labels)`.

    Labels are sample numbers: each is there twice, the first time as view 0. With `ref_emb`, those are view 1. It has
    no use for miners, and `SelfSupervisedLoss` takes losses by the names of its own only: call the objective itself
    there.

    Args:
        objective: Any objective of two views.

    Raises:
        ValueError: If the objective needs anything else.
        TypeError: If it is no objective of this library.
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = two_view_objective(objective)

    def forward(
        self,
        embeddings: Float[Tensor, "n d"],
        labels: Integer[Tensor, " n"],
        indices_tuple: IndicesTuple | None = None,
        ref_emb: Float[Tensor, "m d"] | None = None,
        ref_labels: Integer[Tensor, " m"] | None = None,
    ) -> Float[Tensor, ""]:
        """Return the objective of both views, rows in the order of their labels."""
        if indices_tuple is not None:
            raise ValueError("indices_tuple must be None: an objective of views chooses its own pairs; drop the miner")
        order = _tensor_checks.one_per_sample("labels", labels, embeddings).sort(stable=True)
        if ref_emb is None:
            rows, numbers = embeddings[order.indices], order.values
            return self._of_matching(numbers[::2], numbers[1::2], rows[::2], rows[1::2])
        if ref_labels is None:
            raise ValueError("ref_labels must be given with ref_emb: the sample number of every row of it")
        ref_order = _tensor_checks.one_per_sample("ref_labels", ref_labels, ref_emb).sort(stable=True)
        return self._of_matching(order.values, ref_order.values, embeddings[order.indices], ref_emb[ref_order.indices])

    def _of_matching(self, labels0: Tensor, labels1: Tensor, view0: Tensor, view1: Tensor) -> Tensor:
        twice = len(labels0) == len(labels1) and bool((labels0 == labels1).all())
        if not twice or len(labels0.unique()) != len(labels0):
            raise ValueError(
                "labels must be sample numbers, each of two rows; for classes use SupConLoss or NTXentLoss"
            )
        with only_this_process_unless(False):  # As the library's own losses: its DistributedLossWrapper gathers.
            return self.objective(view0, view1)
