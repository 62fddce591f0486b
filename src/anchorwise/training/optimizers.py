"""Optimisers and their schedule."""

import math

import torch
from torch import nn

from anchorwise.training.config import OptimizerConfig


def build_optimizer(config: OptimizerConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser; biases and normalisation layers, all of one axis, get no weight decay.

    LARS is timm's, which leaves parameters without weight decay unscaled, as SimCLR does.
    Source: You et al. 2017, Algorithm 1, https://arxiv.org/abs/1708.03888.
    """
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.peak_lr, betas=(config.momentum, 0.999))
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.peak_lr, momentum=config.momentum)
    from timm.optim.lars import Lars

    return Lars(groups, lr=config.peak_lr, momentum=config.momentum)  # pyright: ignore[reportArgumentType]


def lr_at(step: int, *, num_steps: int, num_warmup_steps: int, peak_lr: float) -> float:
    """Return the learning rate of a step, counted from 0: linear to the peak, then half a cosine that ends near 0.

    Source: Loshchilov and Hutter 2017, Eq. 5, https://arxiv.org/abs/1608.03983; warm-up as Goyal et al. 2017.
    """
    if step < num_warmup_steps:
        return peak_lr * (step + 1) / num_warmup_steps
    progress = (step - num_warmup_steps) / max(num_steps - num_warmup_steps, 1)
    return peak_lr * 0.5 * (1.0 + math.cos(math.pi * progress))
