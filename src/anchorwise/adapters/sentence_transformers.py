"""The loss convention of sentence-transformers: a loss holds its model and is called with columns of features.

    loss = MultipleNegativesRankingLoss(model, blend=anchorwise.Blend())
    SentenceTransformerTrainer(model=model, train_dataset=pairs, loss=loss).train()

That library itself is not imported.
"""

from collections.abc import Callable, Iterable
from typing import Any, final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise._described import Described
from anchorwise._ranks import only_this_process_unless
from anchorwise.adapters.merged_columns import embedded
from anchorwise.adapters.two_views import two_view_objective
from anchorwise.objectives import CrossViewInfoNCE, Objective
from anchorwise.tails import Blend

# n = anchors, d = embedding width


@final
class MultipleNegativesRankingLoss(Described):
    """Drop-in for the loss of that name: every anchor's positive against all other documents of the batch.

    Columns are anchors, positives, and any number of hard negatives, which are negatives of all anchors. Not supported:
    similarities other than the cosine, `directions`, `partition_mode` and `hardness_mode`; for both directions there is
    `objective=CrossViewInfoNCE(...)`; `objective=InfoNCE(...)` compares anchors with each other as well.

    Args:
        model: Turns features into a dictionary with "sentence_embedding".
        scale: Multiplies every cosine, above 0: 1 / temperature. None is that library's 20. Only without an objective.
        similarity_fct: Only its `util.cos_sim`, or None.
        gather_across_devices: Whether the documents of all ranks are negatives. Every rank then returns the loss of all
            anchors; the gradients that DistributedDataParallel averages are that library's.
        objective: Any objective of two views, anchors and positives, in place of the formula above. Hard negatives are
            for those that take them, such as `CrossViewInfoNCE(hard_negative_log_weight=...)`.
        blend: WEINCE's logit in place of the softmax one; see `tails.Blend`.

    Raises:
        ValueError: If an argument is out of range or not supported.
        TypeError: If the objective is none of this library.
    """

    def __init__(
        self,
        model: nn.Module,
        scale: float | None = None,
        similarity_fct: Callable[..., Any] | None = None,
        gather_across_devices: bool = False,
        *,
        objective: Objective | None = None,
        blend: Blend | None = None,
    ) -> None:
        super().__init__()
        name = "cos_sim" if similarity_fct is None else getattr(similarity_fct, "__name__", repr(similarity_fct))
        if name != "cos_sim":
            raise ValueError(f"similarity_fct must be cos_sim, got {name}: objectives here compare cosines")
        if objective is not None and (scale is not None or blend is not None):
            raise ValueError("scale and blend must be left out beside an objective: they belong to the objective")
        self.model = model
        self.gather_across_devices = gather_across_devices
        self.blend = blend
        if objective is None:
            self.scale = _checks.positive("scale", 20.0 if scale is None else scale)
            self.objective = CrossViewInfoNCE(temperature=1.0 / self.scale, both_directions=False, blend=blend)
        else:
            self.scale = None
            self.objective = two_view_objective(objective)

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor | None = None) -> Float[Tensor, ""]:
        """Return the scalar loss of columns of features; labels are not used, as in that library.

        Positives and negatives go through the model together, as there from version 6.2 on, so that one seed draws the
        same dropout.
        """
        return self.compute_loss_from_embeddings(embedded(self.model, sentence_features))

    def compute_loss_from_embeddings(
        self, embeddings: list[Float[Tensor, "n d"]], labels: Tensor | None = None
    ) -> Float[Tensor, ""]:
        """Return the scalar loss of columns of embeddings: anchors, positives, hard negatives."""
        if len(embeddings) < 2:
            raise ValueError(
                f"columns must be anchors, positives and optionally hard negatives, got {len(embeddings)} column"
            )
        anchors, positives, *hard = embeddings
        if hard and "hard_negatives" not in self.objective.inputs.takes:
            raise ValueError(
                f"columns must be anchors and positives for {type(self.objective).__name__}, which takes no hard "
                f"negatives, got {len(embeddings)} columns; drop the others, or choose one that does: CrossViewInfoNCE"
            )
        there: dict[str, Any] = {"hard_negatives": hard} if hard else {}
        with only_this_process_unless(self.gather_across_devices):
            return self.objective(anchors, positives, **there)

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card tells of the loss."""
        if self.scale is None:
            return {"objective": type(self.objective).__name__}
        return {"scale": self.scale, "blend": None if self.blend is None else type(self.blend.gate).__name__}
