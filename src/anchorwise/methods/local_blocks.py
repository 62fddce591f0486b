"""Blocks of an encoder that learn by themselves, each with what comes of the next one's first layer: less memory.

Source: Su et al. 2024, "Momentum Auxiliary Network for Supervised Local Learning", https://arxiv.org/abs/2407.05623,
with contrast in the place of its classifiers; its released code, as far as it is described.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, cast, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from anchorwise.methods.base import Method, MethodConfig, Step, averaged
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.methods.simclr import SimCLR
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import PIXELS, input_of
from anchorwise.models import ProjectionHead
from anchorwise.models.momentum import MomentumTwin
from anchorwise.objectives import Objective

# n = views of samples, c = channels, h = height, w = width of maps, d = embedding width


@final
class LocalBlocks(Method):
    """The encoder in blocks without a gradient between them; each has an objective of its own on the batch's views.

    A block's gradients are found as soon as its loss is, and then what autograd kept of it is let go of: the memory is
    that of the block with most. In front of the head of every block but the last stands `trained(x) + averaged(x)`,
    both of the form of the first stage of the next block: one is trained, the other follows that stage as a moving
    average of its weights, and hands its gradient on to the block alone. Of one block it is SimCLR. These stages work
    on maps of the block's own size, so that an encoder of few stages needs as much memory as without blocks.

    Left out of the source: a decoder beside the objective, weights that fall along the depth. Deviation: the average
    follows before a step, not within its forward pass.
    """

    own_objective: ClassVar[Mapping[str, Any]] = SimCLR.own_objective
    adds_losses = True

    class Config(MethodConfig):
        """Settings of local training.

        Attributes:
            num_blocks: That the encoder is cut into, of about as many stages each.
            momentum: Of the average that each block has of the next one's first stage; the source has 0.995. None
                leaves averages and their trained companions out: each block is judged by its own maps.
        """

        name: Literal["local_blocks"] = "local_blocks"
        num_blocks: int = Field(default=2, ge=1, le=1000)
        momentum: float | None = Field(default=0.995, ge=0, le=1)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        stages = encoder.check_stages("method.name=local_blocks")
        if config.num_blocks > len(stages):
            raise ValueError(
                f"method.num_blocks must be at most the {len(stages)} stages of this encoder, got {config.num_blocks}"
            )
        if config.num_blocks > 1 and any(True for _ in (*objective.parameters(), *objective.buffers())):
            raise ValueError(
                f"method.num_blocks must be 1 for {type(objective).__name__}, which keeps something between steps, of "
                "which each block would need its own; take an objective that keeps nothing"
            )
        bounds = torch.linspace(0, len(stages), config.num_blocks + 1).round().int().tolist()
        self.bounds = tuple(pairwise(bounds))
        followers = [None if config.momentum is None else stages[last] for _, last in self.bounds[:-1]]
        self.momentum = config.momentum
        self.local = nn.ModuleList(
            _Auxiliary(stages[last - 1], follower, config)
            for (_, last), follower in zip(self.bounds[:-1], followers, strict=True)
        )

    def check(self, outlook: Outlook) -> None:
        """Refuse pieces of a batch, which pass through the whole encoder."""
        if self.encoder.is_in_pieces:
            raise ValueError(
                "train.micro_batch_size must be left out for local_blocks: pieces go through the whole encoder, and "
                "its blocks bound the memory already"
            )

    def before_step(self, clock: Clock) -> None:
        """Let every average follow."""
        stages = self.encoder.check_stages("method.name=local_blocks")
        for auxiliary, (_, last) in zip(self._auxiliaries(), self.bounds, strict=False):
            if auxiliary.twin is not None and self.momentum is not None:
                auxiliary.twin.follow(stages[last], self.momentum)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the sum of the blocks' losses, whose gradients are found already."""
        stages = self.encoder.check_stages("method.name=local_blocks")
        maps = torch.cat([_pixels(view) for view in views])
        heads = [*self._auxiliaries(), self.online.head]
        outcomes, found, rows = [], dict[nn.Parameter, Tensor](), (maps, maps)
        for (first, last), head in zip(self.bounds, heads, strict=True):
            block = stages[first:last]
            for stage in block:
                maps = stage(maps)
            made = head(maps) if isinstance(head, _Auxiliary) else head(maps.mean(dim=(2, 3)))
            rows = made.chunk(len(views))
            outcome = self.loss(*rows, batch=batch)
            learning = (*block, head, self.objective)
            weights = [weight for part in learning for weight in part.parameters() if weight.requires_grad]
            found |= _gradients(outcome.loss, weights)
            outcomes.append(outcome)
            maps = maps.detach()
        outcome = averaged(outcomes, factor=len(outcomes))
        loss = _WithGradients.apply(outcome.loss.detach(), list(found.values()), *found)
        whole = type(outcome)(cast(Tensor, loss), outcome.per_anchor.detach(), outcome.stats)
        return Step(whole, (rows[0].detach(), rows[1].detach()))

    def _auxiliaries(self) -> Iterable["_Auxiliary"]:
        return cast(Iterable[_Auxiliary], self.local)


@final
class _Auxiliary(nn.Module):
    """What stands between a block's maps and its objective, and is thrown away after the training.

    Args:
        last: Stage of the block.
        following: First stage of the next block; None for a head alone.
        config: Of the method.
    """

    def __init__(self, last: nn.Module, following: nn.Module | None, config: LocalBlocks.Config) -> None:
        super().__init__()
        self.trained = None if following is None else copy.deepcopy(following)
        self.twin = None if following is None else MomentumTwin(following)
        self.head = ProjectionHead(config.head, num_features=_num_channels(following or last))

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """Return one row per view."""
        if self.trained is not None and self.twin is not None:
            # Through the average's weights, which take no gradient, it reaches the block.
            maps = self.trained(maps) + self.twin.network(maps)
        return self.head(maps.mean(dim=(2, 3)))


class _WithGradients(torch.autograd.Function):
    """A loss whose gradients are known."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: list[Tensor], *weights: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *outward: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *(outward[0] * gradient for gradient in ctx.saved_tensors))


def _gradients(loss: Tensor, weights: Sequence[nn.Parameter]) -> dict[nn.Parameter, Tensor]:
    """Return the gradient of every weight that a loss depends on; what autograd kept is gone afterwards."""
    if not loss.requires_grad:
        return {}
    with torch.autocast(loss.device.type, enabled=False):
        found = torch.autograd.grad(loss, weights, allow_unused=True)
    return {weight: gradient for weight, gradient in zip(weights, found, strict=True) if gradient is not None}


def _num_channels(stage: nn.Module) -> int:
    """Return the channels that a stage gives: those of its last convolution."""
    return [part for part in stage.modules() if isinstance(part, nn.Conv2d)][-1].out_channels


def _pixels(view: View) -> Tensor:
    taken = input_of(view)
    if not isinstance(taken, Tensor):
        raise TypeError(f"blocks are of encoders of images, got a view with {', '.join(taken)} and no {PIXELS}")
    return taken
