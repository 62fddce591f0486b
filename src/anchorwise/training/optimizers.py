"""Optimisers and their schedule."""

import math
from typing import Any

import torch
from torch import nn

from anchorwise.methods import Method
from anchorwise.training.config import OptimizerConfig


def build_optimizer(config: OptimizerConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of what is trained; biases and normalisation layers, all of one axis, get no weight decay.

    Groups say in `constant_rate` whether their rate stays at the peak, as a method may ask.

    LARS is timm's, which leaves parameters without weight decay unscaled, as SimCLR does.
    Source: You et al. 2017, Algorithm 1, https://arxiv.org/abs/1708.03888.
    """
    groups = _groups(model, config.weight_decay)
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.peak_lr, betas=(config.momentum, 0.999))
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.peak_lr, momentum=config.momentum)
    from timm.optim.lars import Lars

    return Lars(groups, lr=config.peak_lr, momentum=config.momentum)  # pyright: ignore[reportArgumentType]


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    constant = {id(weight) for weight in model.constant_rate()} if isinstance(model, Method) else set[int]()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {(False, True): [], (False, False): []}
    for weight in model.parameters():
        if weight.requires_grad:
            groups.setdefault((id(weight) in constant, weight.ndim > 1), []).append(weight)
    return [
        {"params": weights, "weight_decay": weight_decay if decays else 0.0, "constant_rate": is_constant}
        for (is_constant, decays), weights in groups.items()
    ]


def lr_at(step: int, *, num_steps: int, num_warmup_steps: int, peak_lr: float, is_constant: bool = False) -> float:
    """Return the learning rate of a step, counted from 0: linear to the peak, then half a cosine that ends near 0.

    A constant rate stays at the peak once it is there.

    Source: Loshchilov and Hutter 2017, Eq. 5, https://arxiv.org/abs/1608.03983; warm-up as Goyal et al. 2017.
    """
    if step < num_warmup_steps:
        return peak_lr * (step + 1) / num_warmup_steps
    if is_constant:
        return peak_lr
    progress = (step - num_warmup_steps) / max(num_steps - num_warmup_steps, 1)
    return peak_lr * 0.5 * (1.0 + math.cos(math.pi * progress))
