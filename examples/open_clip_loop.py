"""OpenCLIP's own training loop, with WEINCE's logit in the place of its softmax. Nothing is downloaded.

    pip install . open-clip-torch
    python examples/open_clip_loop.py

Model, loop and arguments are OpenCLIP's; the loss is `anchorwise.adapters.open_clip.ClipLoss`, which is called as
theirs is, and takes any other objective of two views as well. On several devices (torchrun) give it `rank=` and
`world_size=`: the rows of all are each other's negatives.
"""

import logging
from argparse import Namespace
from types import SimpleNamespace

import open_clip
import torch
from open_clip_train.train import train_one_epoch
from torch.utils.data import DataLoader, TensorDataset

from anchorwise import CLIP, Blend
from anchorwise.adapters.open_clip import ClipLoss

BATCH_SIZE, NUM_WORDS, NUM_TOKENS = 64, 48, 8


def squares(num_pairs: int = 512) -> TensorDataset:
    """Return squares of a colour, a place and a size, with four words that say so."""
    drawn = torch.Generator().manual_seed(0)
    facts = torch.randint(0, 8, (num_pairs, 4), generator=drawn)
    images, texts = torch.zeros(num_pairs, 3, 32, 32), torch.zeros(num_pairs, NUM_TOKENS, dtype=torch.int64)
    for number, (colour, row, column, side) in enumerate(facts.tolist()):
        shade = torch.tensor([colour & 1, colour >> 1 & 1, colour >> 2]).float() + 0.2
        images[number, :, 3 * row : 3 * row + side + 4, 3 * column : 3 * column + side + 4] = shade[:, None, None]
    texts[:, 1:5] = 1 + facts + 8 * torch.arange(4)
    texts[:, 5] = NUM_WORDS - 1  # The highest number ends a text, where OpenCLIP reads it.
    return TensorDataset(images, texts)


def main(num_epochs: int = 6) -> list[float]:
    """Train, and return the loss of every step."""
    torch.manual_seed(0)
    model = open_clip.CLIP(
        embed_dim=32,
        vision_cfg=open_clip.CLIPVisionCfg(layers=2, width=64, head_width=32, patch_size=8, image_size=32),
        text_cfg=open_clip.CLIPTextCfg(context_length=NUM_TOKENS, vocab_size=NUM_WORDS, width=64, heads=2, layers=2),
        output_dict=True,
    )
    pairs = DataLoader(squares(), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    pairs.num_batches, pairs.num_samples = len(pairs), len(pairs) * BATCH_SIZE
    data = {"train": SimpleNamespace(dataloader=pairs, set_epoch=lambda epoch: None)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss, losses = ClipLoss(objective=CLIP(blend=Blend())), []

    def noted(*features, **named):
        """Call the loss, and keep its value."""
        made = loss(*features, **named)
        losses.append(made["contrastive_loss"].item())
        return made

    args = Namespace(
        device="cpu",
        precision="fp32",
        distill=False,
        accum_freq=1,
        skip_scheduler=True,
        grad_clip_norm=None,
        horovod=False,
        batch_size=BATCH_SIZE,
        world_size=1,
        rank=0,
        local_rank=0,
        distributed=False,
        log_local=False,
        log_every_n_steps=100,
        wandb=False,
    )
    logging.disable(logging.INFO)
    for epoch in range(num_epochs):
        train_one_epoch(model, data, noted, epoch, optimizer, None, None, None, args)
    return losses


if __name__ == "__main__":
    history = main()
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}")
