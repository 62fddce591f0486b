"""One rank of the adapters' distributed test: every adapter's gradients on its own rows; run by test_ranks.py."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from anchorwise import CLIP, DHEL, WEINCE, Blend, CrossViewInfoNCE, InfoNCE
from anchorwise.adapters import lightly, open_clip, pytorch_metric_learning, sentence_transformers
from tests.contracts import batches

NUM_IMAGES = 20
Loss = Callable[..., Tensor]


def columns() -> list[Tensor]:
    """Two views, and rows that belong to neither."""
    return [*batches.ordinary(NUM_IMAGES), batches.ordinary(NUM_IMAGES, seed=9)[0]]


def losses(world_size: int) -> dict[str, Loss]:
    """Every loss with its library's own switch for several ranks; called with three columns and a scale."""
    clip = open_clip.ClipLoss(rank=0, world_size=world_size)
    blended = open_clip.ClipLoss(True, True, world_size=world_size, objective=CLIP(blend=Blend(exponent=2.0)))
    dhel = open_clip.ClipLoss(world_size=world_size, objective=DHEL())
    sig_lip = open_clip.SigLipLoss(world_size=world_size)
    nt_xent = lightly.NTXentLoss(0.2, gather_distributed=True)
    weince = lightly.NTXentLoss(gather_distributed=True, objective=WEINCE(temperature=0.2))
    ranking = sentence_transformers.MultipleNegativesRankingLoss(nn.Identity(), 10.0, gather_across_devices=True)
    weighed = sentence_transformers.MultipleNegativesRankingLoss(
        nn.Identity(), gather_across_devices=True, objective=CrossViewInfoNCE(hard_negative_log_weight=1.0)
    )
    return {
        "lightly": lambda view0, view1, other, scale: nt_xent(view0, view1),
        "lightly-weince": lambda view0, view1, other, scale: weince(view0, view1),
        "open_clip": lambda view0, view1, other, scale: clip(view0, view1, scale),
        "open_clip-blend": lambda view0, view1, other, scale: blended(view0, view1, scale),
        "open_clip-dhel": lambda view0, view1, other, scale: dhel(view0, view1, scale),
        "open_clip-sig_lip": lambda view0, view1, other, scale: sig_lip(view0, view1, scale, -2.0),
        "sentence_transformers": lambda view0, view1, other, scale: ranking.compute_loss_from_embeddings(
            [view0, view1, other]
        ),
        "sentence_transformers-pairs": lambda view0, view1, other, scale: ranking.compute_loss_from_embeddings(
            [view0, view1]
        ),
        "sentence_transformers-weighed": lambda view0, view1, other, scale: weighed.compute_loss_from_embeddings(
            [view0, view1, other]
        ),
    }


def results(loss: Loss, own: list[Tensor]) -> list[Tensor]:
    """Return the loss and its gradients: those of the rows, and that of the scale."""
    leaves = [*(rows.clone().requires_grad_() for rows in own), torch.tensor(4.0, dtype=torch.float64).requires_grad_()]
    value = loss(*leaves)
    value.backward()
    return [value.detach(), *(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves)]


def main(folder: Path, rank: int, world_size: int) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world_size)
    # Uneven: the last rank has what is left.
    mine = slice(9 * rank, None if rank == world_size - 1 else 9 * (rank + 1))
    own = [rows[mine] for rows in columns()]
    found = {name: results(loss, own) for name, loss in losses(world_size).items()}
    views, numbers = torch.cat(own[:2]), torch.arange(len(own[0])).repeat(2)
    found["metric_learning"] = [pytorch_metric_learning.ViewsLoss(InfoNCE())(views, numbers)]
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()
