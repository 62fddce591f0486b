"""Optimisers, each with its own settings, and their schedule: linear warm-up to a peak, then a cosine to zero."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

import torch
from pydantic import Field, FiniteFloat, model_validator
from torch import Tensor, nn

from anchorwise._config import Named, chosen_by_name
from anchorwise.methods import Clock, Method

Share = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Named):
    """What every optimiser can be told; each has its own settings beside that, and a `name`.

    Attributes:
        peak_lr: Learning rate after the warm-up.
        weight_decay: Never applied to biases and normalisation layers.
        warmup_epochs: Epochs of linear warm-up; may be a fraction.
        max_grad_norm: Gradients are scaled down together where their Euclidean norm is larger; None leaves them.
    """

    peak_lr: FiniteFloat = Field(default=1e-3, gt=0)
    weight_decay: FiniteFloat = Field(default=1e-4, ge=0)
    warmup_epochs: float = Field(default=1.0, ge=0, le=1_000_000)
    max_grad_norm: FiniteFloat | None = Field(default=None, gt=0)

    def peak_of(self, weight: Tensor) -> float:
        """Return the peak of the learning rate of a parameter."""
        return self.peak_lr

    @abstractmethod
    def of(self, groups: list[dict[str, Any]], *, on_device: bool) -> torch.optim.Optimizer:
        """Return the optimiser of groups of parameters.

        Args:
            groups: With rates that are tensors where it works on the device.
            on_device: Whether a step is a few launches that read nothing on the host, and can be recorded.
        """


@final
class AdamW(OptimizerConfig):
    """Adam with decoupled weight decay.

    Source: Loshchilov and Hutter 2017, Algorithm 2, https://arxiv.org/abs/1711.05101.

    Attributes:
        betas: Share of the running means of gradients and of their squares that a step keeps.
    """

    name: Literal["adamw"] = "adamw"
    betas: tuple[Share, Share] = (0.9, 0.999)

    def of(self, groups: list[dict[str, Any]], *, on_device: bool) -> torch.optim.Optimizer:
        """Return torch's."""
        fast = {"fused": True, "capturable": True} if on_device else {}
        return torch.optim.AdamW(groups, lr=self.peak_lr, betas=self.betas, **fast)


@final
class SGD(OptimizerConfig):
    """Stochastic gradient descent with momentum; the rate is SimSiam's for batches of 256.

    Source: Chen and He 2020, section 4.1, https://arxiv.org/abs/2011.10566.

    Attributes:
        momentum: Share of the running mean of gradients that a step keeps.
        nesterov: Whether the step looks ahead by the momentum.
    """

    name: Literal["sgd"] = "sgd"
    peak_lr: FiniteFloat = Field(default=0.05, gt=0)
    momentum: Share = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _refuse_nesterov_without_momentum(self) -> "SGD":
        if self.nesterov and not self.momentum:
            raise ValueError("optimizer.nesterov must be false where optimizer.momentum is 0: it does nothing there")
        return self

    def of(self, groups: list[dict[str, Any]], *, on_device: bool) -> torch.optim.Optimizer:
        """Return torch's."""
        fast = {"fused": True} if on_device else {}
        return torch.optim.SGD(groups, lr=self.peak_lr, momentum=self.momentum, nesterov=self.nesterov, **fast)


@final
class LARS(OptimizerConfig):
    """Descent whose step in every layer is in proportion to the layer's weights; rate and decay are SimCLR's.

    It is timm's, which leaves parameters without weight decay unscaled, as SimCLR does.

    Source: You et al. 2017, Algorithm 1, https://arxiv.org/abs/1708.03888; Chen et al. 2020, section 2.2 (batches of
    256), https://arxiv.org/abs/2002.05709.

    Attributes:
        momentum: Share of the running mean of gradients that a step keeps.
        trust_coefficient: Length of a layer's step over that of its weights, at rate 1.
        bias_lr: Peak of the learning rate of biases and normalisation layers, which Barlow Twins has by itself; the
            same as that of the others if left out.
    """

    name: Literal["lars"] = "lars"
    peak_lr: FiniteFloat = Field(default=0.3, gt=0)
    weight_decay: FiniteFloat = Field(default=1e-6, ge=0)
    momentum: Share = 0.9
    trust_coefficient: FiniteFloat = Field(default=0.001, gt=0)
    bias_lr: FiniteFloat | None = Field(default=None, gt=0)

    def peak_of(self, weight: Tensor) -> float:
        """Return the peak of the learning rate of a parameter."""
        return self.peak_lr if self.bias_lr is None or weight.ndim > 1 else self.bias_lr

    def of(self, groups: list[dict[str, Any]], *, on_device: bool) -> torch.optim.Optimizer:
        """Return timm's."""
        from timm.optim.lars import Lars

        # timm's scales a group's steps where it has weight decay; weights of layers are scaled at any.
        for group in groups:
            group["always_adapt"] = any(weight.ndim > 1 for weight in group["params"])
        own = {"momentum": self.momentum, "trust_coeff": self.trust_coefficient}
        if on_device:
            own["foreach"] = True
        return Lars(groups, lr=self.peak_lr, **own)  # pyright: ignore[reportArgumentType]


OPTIMIZERS: tuple[type[OptimizerConfig], ...] = (
    AdamW,
    SGD,
    LARS,
)
if TYPE_CHECKING:
    AnyOptimizer = OptimizerConfig
else:
    AnyOptimizer = chosen_by_name(OPTIMIZERS)


def build_optimizer(config: OptimizerConfig, model: nn.Module, *, on_device: bool = False) -> torch.optim.Optimizer:
    """Return the optimiser of what is trained; biases and normalisation layers, all of one axis, get no weight decay.

    Groups say in `peak_lr` where their rate rises to, and in `constant_rate` whether it stays there, as a method may
    ask.

    Args:
        config: Which, and its settings.
        model: What is trained.
        on_device: Work where the parameters are, with rates that are tensors there (`set_rates`).
    """
    groups = _groups(model, config)
    for group in groups:
        rate = group["peak_lr"]
        group["lr"] = torch.full((), rate, device=next(model.parameters()).device) if on_device else rate
    return config.of(groups, on_device=on_device)


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Take up what an optimiser of the same parameters had saved, on whatever device, and however it works.

    Raises:
        KeyError: If a part is missing.
        ValueError: If it is of other parameters.
    """
    # Settings are the configuration's, and rates the schedule's: of groups, which parameters they have counts alone.
    own, others = optimizer.state_dict()["param_groups"], saved["param_groups"]
    if [group["params"] for group in own] != [group["params"] for group in others]:
        raise ValueError("the optimiser's groups are not of these parameters")
    optimizer.load_state_dict({"state": saved["state"], "param_groups": own})
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                # Laid out as the weight, which a file does not keep: fused updates go along both by their memory.
                state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _groups(model: nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    constant = {id(weight) for weight in model.constant_rate()} if isinstance(model, Method) else set[int]()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {(False, True): [], (False, False): []}
    for weight in model.parameters():
        if weight.requires_grad:
            groups.setdefault((id(weight) in constant, weight.ndim > 1), []).append(weight)
    return [
        {
            "params": weights,
            "weight_decay": config.weight_decay if decays else 0.0,
            "constant_rate": is_constant,
            "peak_lr": config.peak_of(weights[0]) if weights else config.peak_lr,
        }
        for (is_constant, decays), weights in groups.items()
    ]


def set_rates(optimizer: torch.optim.Optimizer, config: OptimizerConfig, clock: Clock) -> float:
    """Set the learning rates of a step, and return that of the first group.

    A rate that is a tensor is filled, on its device: a step that was recorded reads it there.
    """
    num_warmup_steps = round(config.warmup_epochs * clock.steps_per_epoch)
    schedule = {"num_steps": clock.num_steps, "num_warmup_steps": num_warmup_steps}
    rates = [
        lr_at(clock.step, peak_lr=group["peak_lr"], is_constant=group["constant_rate"], **schedule)
        for group in optimizer.param_groups
    ]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    return rates[0]


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
