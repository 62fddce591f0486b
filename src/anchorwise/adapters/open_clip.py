"""OpenCLIP's loss convention: features of both modalities and a scale that the model learns.

    loss = ClipLoss(rank=rank, world_size=world_size, objective=anchorwise.DHEL())
    losses = loss(image_features, text_features, logit_scale, output_dict=True)

OpenCLIP itself is not imported.
"""

from contextlib import AbstractContextManager
from typing import final

import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks
from anchorwise._described import Described
from anchorwise._ranks import only_this_process_unless
from anchorwise.adapters.two_views import two_view_objective
from anchorwise.objectives import CLIP, Objective, SigLIP

# n = pairs, d = embedding width

_LossOrDict = Float[Tensor, ""] | dict[str, Tensor]


@final
class ClipLoss(Described):
    """Drop-in for `open_clip.ClipLoss` and, with an objective, any objective of two views in its place.

    Features are normalised here as well, so rows of any length give the loss of their cosines. The scale is the
    model's: an objective that takes `logit_scale` divides by no temperature of its own, and a training begins with
    another one by the model's `init_logit_scale`, the logarithm of 1 / temperature. An objective that takes none, such
    as Weibit, keeps what it was made with, and the model's scale stays as it is. So does `logit_bias` with all but
    SigLIP: a softmax does not change when all of its logits move. What is not used has gradient 0.

    Args:
        local_loss: Taken and not needed: gradients are right in any case. OpenCLIP's are only with both this and
            `gather_with_grad`, or `gather_with_grad` alone; its defaults divide them by the number of ranks.
        gather_with_grad: Taken and not needed, as `local_loss`.
        cache_labels: Taken and not needed; there are no labels to cache.
        rank: Taken and not needed; the process group knows it.
        world_size: Above 1, the pairs of all ranks are each other's negatives, and every rank returns the loss of all.
        use_horovod: Not supported.
        objective: Any objective of two views, images and texts; None is CLIP, `CLIP(blend=Blend())` has WEINCE's logit
            in place of the softmax one.

    Raises:
        ValueError: If the objective does not suit, Horovod is asked for, or there is no process group of that size.
        TypeError: If the objective is none of this library.
    """

    def __init__(
        self,
        local_loss: bool = False,
        gather_with_grad: bool = False,
        cache_labels: bool = False,
        rank: int = 0,
        world_size: int = 1,
        use_horovod: bool = False,
        *,
        objective: Objective | None = None,
    ) -> None:
        super().__init__()
        if use_horovod:
            raise ValueError("use_horovod must be False, got True: start the ranks with torchrun")
        self.world_size = _checks.count("world_size", world_size)
        self.objective = two_view_objective(
            CLIP() if objective is None else objective,
            instead="OpenCLIP's loop has nothing else; call the objective in a loop of your own",
        )

    def forward(
        self,
        image_features: Float[Tensor, "n d"],
        text_features: Float[Tensor, "n d"],
        logit_scale: float | Tensor,
        logit_bias: float | Tensor | None = None,
        output_dict: bool = False,
    ) -> _LossOrDict:
        """Return the loss, or a dictionary with it under "contrastive_loss".

        Args:
            image_features: Rows of the images.
            text_features: Rows of their texts.
            logit_scale: Multiplies every cosine; OpenCLIP's models return it, already exponentiated.
            logit_bias: Added to every logit of an objective that takes it.
            output_dict: Whether to return a dictionary.
        """
        of_the_model = {"logit_scale": logit_scale, "logit_bias": logit_bias}
        taken = {name: of_the_model[name] for name in of_the_model if name in self.objective.inputs.takes}
        with _ranks_of(self.world_size):
            loss = self.objective(image_features, text_features, **taken)
        for name, value in of_the_model.items():
            if name not in taken and isinstance(value, Tensor):
                # Part of the graph, or DistributedDataParallel would wait for its gradient.
                loss = loss + 0.0 * value.sum().to(loss)
        return {"contrastive_loss": loss} if output_dict else loss


@final
class SigLipLoss(Described):
    """Drop-in for `open_clip.SigLipLoss`.

    Args:
        cache_labels: Taken and not needed; there are no labels to cache.
        rank: Taken and not needed; the process group knows it.
        world_size: Above 1, the pairs of all ranks are each other's negatives, and every rank returns the loss of all.
        dist_impl: Taken and not needed: rows are gathered.

    Raises:
        ValueError: If there is no process group of that size.
    """

    def __init__(
        self, cache_labels: bool = False, rank: int = 0, world_size: int = 1, dist_impl: str | None = None
    ) -> None:
        super().__init__()
        self.world_size = _checks.count("world_size", world_size)
        self.objective = SigLIP()

    def forward(
        self,
        image_features: Float[Tensor, "n d"],
        text_features: Float[Tensor, "n d"],
        logit_scale: float | Tensor,
        logit_bias: float | Tensor,
        output_dict: bool = False,
    ) -> _LossOrDict:
        """Return the loss, or a dictionary with it under "contrastive_loss"; arguments as for `ClipLoss`."""
        with _ranks_of(self.world_size):
            loss = self.objective(image_features, text_features, logit_scale=logit_scale, logit_bias=logit_bias)
        return {"contrastive_loss": loss} if output_dict else loss


def _ranks_of(world_size: int) -> AbstractContextManager[None]:
    found = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if world_size not in (1, found):
        raise ValueError(
            f"world_size must be that of the process group, {found}, got {world_size}; call "
            "torch.distributed.init_process_group first"
        )
    return only_this_process_unless(world_size > 1)
