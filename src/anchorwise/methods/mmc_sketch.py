"""A sketch of MMC: the three parts that its abstract names, put together from parts of others; not the paper's method.

The abstract names masked image modelling that makes local features similar, self-distillation by a momentum encoder
from global to local features, and contrast of global features, on a vision transformer. Masks, heads, weights and
temperatures are not in it, no code was found, and the text was not read.

Here the trained encoder computes the patches of each view that are not hidden, its copy all of them. MoCo v3's loss
contrasts the means of patches between views; of each hidden patch a small transformer says what the copy makes of it,
by the mean of -cos, which serves for the first two parts at once. All that is more than the three parts is ours.

Source: the abstract of Wu et al. 2023, "Masked Momentum Contrastive Learning for Zero-shot Semantic Understanding",
https://arxiv.org/abs/2308.11448. The contrast: Chen et al. 2021 (MoCo v3), https://arxiv.org/abs/2104.02057; patches
that are left out: He et al. 2021 (MAE), https://arxiv.org/abs/2111.06377.
"""

from collections.abc import Sequence
from typing import Literal, cast, final

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor

from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Projected, Step, with_term
from anchorwise.methods.moco_v3 import QueriesAndKeys, QueriesAndKeysConfig
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import MASK, Masking, ViewPlan
from anchorwise.models.hidden_patches import HiddenPatches
from anchorwise.objectives import Objective, Outcome
from anchorwise.objectives.objective import mean_outcome
from anchorwise.pairs import unit_rows

# b = samples of this rank's batch, p = patches, h = hidden patches, d = width


@final
class MMCSketch(QueriesAndKeys):
    """MoCo v3 of encoders that see a part of the patches, and a predictor of those that are hidden.

    Each view goes through each network alone. The encoder must be one that can leave out patches (`encoder.name=vit`).
    """

    adds_losses = True

    class Config(QueriesAndKeysConfig):
        """Settings of the sketch; all of them are ours.

        Attributes:
            hidden_fraction: Share of a view's patches that the trained encoder does not see, in (0, 1).
            local_weight: Multiplies the term of the hidden patches.
        """

        name: Literal["mmc_sketch"] = "mmc_sketch"
        hidden_fraction: float = Field(default=0.6, gt=0, lt=1)
        local_weight: float = Field(default=1.0, ge=0, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        patches = encoder.check_patches("MMCSketch")
        num_patches = patches.grid[0] * patches.grid[1]
        num_hidden = round(config.hidden_fraction * num_patches)
        if not 0 < num_hidden < num_patches:
            raise ValueError(
                f"method.hidden_fraction={config.hidden_fraction} hides {num_hidden} of {num_patches} patches, where "
                "some have to be hidden and some seen; take another, smaller patches (encoder.patch_px), or larger "
                "images"
            )
        # As a share of whole patches, so that a rounding error cannot hide one more.
        share = num_hidden / num_patches
        self.masking = Masking(patches.size_px, (share, share))
        self.hidden_patches = HiddenPatches(patches.grid, encoder.num_features)
        self.local_weight = config.local_weight

    @property
    def plan(self) -> ViewPlan:
        """Two views with masks."""
        return ViewPlan(masking=self.masking)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the contrast of both directions and the term of the hidden patches of both views."""
        queries, keys, cosines = [], [], []
        for view in views:
            mask = _mask(view)
            # The seen patches first, in their order, then the hidden ones.
            order = mask.flatten(1).to(torch.int8).argsort(dim=1, stable=True)
            num_seen = order.shape[1] - round(self.masking.ratio[0] * order.shape[1])
            key, targets = self._of_all(view, order[:, num_seen:])
            seen = self.encoder.tokens(view, order[:, :num_seen])
            queries.append(self.predictor(self.online.head(seen.mean(dim=1))))
            keys.append(key)
            said = self.hidden_patches(seen, order, (mask.shape[1], mask.shape[2]))
            cosines.append((unit_rows(said) * unit_rows(targets)).sum(dim=2).mean(dim=1))
        contrast = self.loss(*queries, batch=batch, keys=tuple(keys))
        outcome = with_term(contrast, _local(cosines), weight=self.local_weight)
        return Step(outcome, (queries[0].detach(), queries[1].detach()))

    @torch.no_grad()
    def _of_all(
        self, view: View, hidden: Int64[Tensor, "b h"]
    ) -> tuple[Float[Tensor, "b _d"], Float[Tensor, "b h _f"]]:
        """Return what the copy makes of a whole view: its row, and its features of the hidden patches."""
        twin = cast(Projected, self.twin.network)
        tokens = twin.encoder.maps(view).flatten(2).transpose(1, 2)
        return twin.head(tokens.mean(dim=1)), tokens.take_along_dim(hidden.unsqueeze(2), dim=1)


def _local(cosines: Sequence[Float[Tensor, " b"]]) -> Outcome:
    """Return the mean of -cos over the samples of all ranks, with the cosines of each."""
    per_sample = gather_rows(torch.stack(list(cosines), dim=1).float()).mean(dim=1)
    return mean_outcome(-per_sample, {"local_score": per_sample})


def _mask(view: View) -> Bool[Tensor, "b _rows _columns"]:
    if isinstance(view, Tensor) or MASK not in view:
        raise ValueError("MMCSketch needs views that say which patches are hidden; views of your own return none")
    return view[MASK]
