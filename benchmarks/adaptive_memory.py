"""Adaptive memory momentum beside AdamW: two methods on digits, every optimiser at its own learning rate.

    python -m benchmarks.adaptive_memory --out adaptive-memory.json

trains the small encoder by every optimiser at every rate of its grid on seed 0, takes the rate of the best kNN on a
validation part of the training images, trains with it on further seeds, and prints a Markdown table of kNN on the test
images. The optimisers live here and not in the library: `benchmarks/results` says why.

Source: "Adaptive Memory Momentum" 2025, https://arxiv.org/abs/2510.04988, whose abstract was read. No code of its
authors was found; the rule here follows by algebra from the model of two planes that its abstract speaks of:

    minimise over x  max(plane of the gradient g, plane of the memory d) + |x - x_t|^2 / (2 lr)
                     + lam |x - (x_t - lr d)|^2 / (2 lr)

where the memory's plane lies `lr g.d` above the gradient's at x_t. The weight of the memory's plane is the momentum.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, cast, final

import torch
from torch import Tensor

from anchorwise import _files
from anchorwise.evaluation.embed import embed_splits
from anchorwise.evaluation.knn import knn_accuracy
from anchorwise.evaluation.rows import labelled_rows
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.selection import held_out
from anchorwise.training import apply_overrides, recipe
from anchorwise.training.optimizers import build_optimizer, set_rates
from anchorwise.training.state import RunState, initial_state
from benchmarks.over_seeds import interval

Groups = Iterable[dict[str, Any]]


@final
class AMSGD(torch.optim.Optimizer):
    """Descent along a memory of gradients that keeps as much of itself as the planes say: one share for all parameters.

        beta = ((|g|^2 + 2 lam g.d - lam |d|^2) / |d - g|^2), from 0 to beta_max; 0 where d is g
        d <- ((beta + lam) d + (1 - beta) g) / (1 + lam),    x <- (1 - lr decay) x - lr d

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        lam: Weight of staying near the memory's own step, at least 0.
        beta_max: The most that is kept, below 1.
        beta_min: The least.
        weight_decay: Decoupled.
    """

    def __init__(
        self,
        params: Groups,
        lr: float = 0.1,
        *,
        lam: float = 0.1,
        beta_max: float = 0.9,
        beta_min: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.lam, self.beta_min, self.beta_max = lam, beta_min, beta_max
        self.beta = torch.zeros(())

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step."""
        rows = list[tuple[Tensor, Tensor, Tensor, dict[str, Any]]]()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    memory = self.state[weight].setdefault("memory", weight.grad.float().clone())
                    rows.append((weight, weight.grad.float(), memory, group))
        products = [
            torch.stack([(g * g).sum(), (g * d).sum(), (d * d).sum(), (d - g).square().sum()]) for _, g, d, _ in rows
        ]
        own, both, kept, apart = torch.stack(products).sum(dim=0)
        share = ((own + 2.0 * self.lam * both - self.lam * kept) / apart).clamp(self.beta_min, self.beta_max)
        self.beta = torch.where(apart > 0, share, 0.0)
        for weight, gradient, memory, group in rows:
            memory.mul_(self.beta + self.lam).add_((1.0 - self.beta) * gradient).div_(1.0 + self.lam)
            weight.mul_(1.0 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * memory)


@final
class AMAdamW(torch.optim.Optimizer):
    """The same in Adam's metric, for each tensor by itself, with decoupled weight decay.

        P = (1 - beta_max * product of the betas so far) (sqrt(v / (1 - b2^t)) + eps),    W = 1 / (P (1 + lam P))
        beta = (c / lr + (g + lam P d).W(g - d)) / (d - g).W(d - g),    from beta_min to beta_max; beta_max at first
        d <- ((1 - beta) g + (lam P + beta) d) / (1 + lam P),    x <- (1 - lr decay) x - lr d / P

    with c, how far the memory's plane lies above the gradient's: the last step times the gradient.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        lam: Weight of staying near the memory's own step, at least 0.
        betas: The least and the most that is kept, and what is kept of the mean of squares.
        eps: Added to the root of that.
        weight_decay: Decoupled.
    """

    def __init__(
        self,
        params: Groups,
        lr: float = 1e-3,
        *,
        lam: float = 0.1,
        betas: tuple[float, float, float] = (0.89, 0.999, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.lam, self.betas, self.eps = lam, betas, eps

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad.float(), group["lr"], group["weight_decay"])

    def _update(self, weight: Tensor, gradient: Tensor, lr: float, decay: float) -> None:
        (least, most, of_squares), state, lam = self.betas, self.state[weight], self.lam
        if not state:
            zero = torch.zeros_like(gradient)
            state.update(t=0, product=torch.ones(()), memory=zero, squares=zero.clone(), last=zero.clone())
        state["t"] += 1
        memory = state["memory"]
        squares = state["squares"].mul_(of_squares).addcmul_(gradient, gradient, value=1.0 - of_squares)
        root = (squares / (1.0 - of_squares ** state["t"])).sqrt() + self.eps
        metric = (1.0 - most * state["product"]) * root
        if state["t"] == 1:
            beta = torch.full((), most)
        else:
            inverse, apart = 1.0 / (metric * (1.0 + lam * metric)), gradient - memory
            above = (gradient * state["last"]).sum() / lr
            length = (apart * inverse * apart).sum()
            share = (above + ((gradient + lam * metric * memory) * inverse * apart).sum()) / length
            beta = torch.where(length > 0, share.clamp(least, most), least)
        state["product"] = state["product"] * beta
        memory.copy_(((1.0 - beta) * gradient + (lam * metric + beta) * memory) / (1.0 + lam * metric))
        step = lr * (memory / metric + decay * weight)
        weight.sub_(step)
        state["last"] = step


def _held(groups: Groups, rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, rate, momentum=0.9, dampening=0.9)


# What makes the optimiser of groups of parameters at a rate, and the rates that are tried.
OPTIMIZERS: Mapping[str, tuple[Callable[[Groups, float], torch.optim.Optimizer], Sequence[float]]] = {
    "AdamW": (torch.optim.AdamW, (1e-3, 3e-3, 1e-2)),
    "AM-AdamW": (AMAdamW, (1e-3, 3e-3, 1e-2)),
    "AM-SGD": (AMSGD, (0.03, 0.1, 0.3, 1.0)),
    # A memory that always keeps nine tenths: what is left of AM-SGD without its rule.
    "SGD, mean of gradients": (_held, (0.03, 0.1, 0.3, 1.0)),
}
METHODS: Mapping[str, Sequence[str]] = {
    "SimCLR": ["objective.name=info_nce", "objective.temperature=0.2"],
    "VICReg": ["method.name=vicreg", "method.head.hidden_width=128", "method.head.output_width=128"],
}
SHORT = ["encoder.width=16", "optimizer.warmup_epochs=2"]
NUM_EPOCHS, BATCH_SIZE, NUM_NEIGHBORS = 10, 256, 20


class Study:
    """Digits in views that are drawn once for a seed, so that all optimisers see the same.

    Args:
        seed: Decides views, order and first weights.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.splits = modality_of("images").load(recipe("digits").data)
        self.samples = self.splits.pretrain
        labels = cast(Tensor, self.samples.labels)
        self.held = held_out(labels, 0.2, seed=0)
        views = self.state("SimCLR").views
        generator = torch.Generator().manual_seed(seed)
        places = torch.cat([torch.randperm(len(labels), generator=generator) for _ in range(NUM_EPOCHS)])
        self.batches = list[tuple[tuple[View, ...], Batch]]()
        for step, ids in enumerate(places.split(BATCH_SIZE)):
            batch = views.collect(self.samples, ids, seed=step)
            self.batches.append((views(batch, seed=mixed_seed(seed, step)), batch))

    def state(self, method: str) -> RunState:
        """Return a method before its first step."""
        config = apply_overrides(recipe("digits"), [*SHORT, *METHODS[method], f"train.seed={self.seed}"])
        return initial_state(config, self.samples, torch.device("cpu"))

    def trained(self, method: str, optimizer: str, rate: float) -> dict[str, float]:
        """Return kNN on a held-out part of the training images and on the test images, and the last loss."""
        state = self.state(method)
        settings = state.config.optimizer.model_copy(update={"peak_lr": rate})
        groups = build_optimizer(settings, state.model).param_groups
        stepper = OPTIMIZERS[optimizer][0](groups, rate)
        state.model.train()
        loss = torch.zeros(())
        for step, (views, batch) in enumerate(self.batches):
            clock = Clock(step, len(self.batches), len(self.batches) // NUM_EPOCHS)
            set_rates(stepper, settings, clock)
            state.model.before_step(clock)
            loss = state.model(views, batch).outcome.loss
            stepper.zero_grad(set_to_none=True)
            loss.backward()
            stepper.step()
            state.model.after_step(clock)
        fitted, scored, _ = labelled_rows(*embed_splits(state.frozen(), self.splits), torch.device("cpu"))
        rest = fitted.rows[~self.held], fitted.labels[~self.held]
        asked = fitted.rows[self.held], fitted.labels[self.held]
        validation = knn_accuracy(*rest, *asked, num_neighbors=NUM_NEIGHBORS)
        tested = knn_accuracy(fitted.rows, fitted.labels, scored.rows, scored.labels, num_neighbors=NUM_NEIGHBORS)
        return {"validation": validation, "test": tested, "loss": loss.item()}


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    given = parser.parse_args()
    found = json.loads(given.out.read_text()) if given.out.is_file() else {}
    first, of_seeds = Study(0), [Study(seed) for seed in given.seeds]
    for method in METHODS:
        for name in given.optimizers:
            rates = OPTIMIZERS[name][1]
            of_row = found.setdefault(method, {}).setdefault(name, {})
            if "rate" not in of_row:
                of_row["tried"] = {str(rate): first.trained(method, name, rate) for rate in rates}
                of_row["rate"] = max(rates, key=lambda rate: of_row["tried"][str(rate)]["validation"])
            for study in of_seeds:
                if str(study.seed) not in of_row.setdefault("seeds", {}):
                    of_row["seeds"][str(study.seed)] = study.trained(method, name, of_row["rate"])
            _files.write_text(given.out, json.dumps(found, indent=2) + "\n")
            print(method, name, of_row, flush=True)
    print("\n".join(table(found)))


def table(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a Markdown table: test kNN, and how far it is above AdamW's on the same views."""
    lines = ["| method | optimiser | rate | last loss | kNN % | above AdamW |", "|---|---|---|---|---|---|"]
    for method, rows in found.items():
        of_first = [100.0 * numbers["test"] for numbers in rows["AdamW"]["seeds"].values()]
        for name, row in rows.items():
            values = [100.0 * numbers["test"] for numbers in row["seeds"].values()]
            above = [value - other for value, other in zip(values, of_first, strict=True)]
            loss = fmean(numbers["loss"] for numbers in row["seeds"].values())
            shown = "" if name == "AdamW" else interval(above, digits=2, sign="+")
            lines.append(
                f"| {method} | {name} | {row['rate']:g} | {loss:.3f} | {interval(values, digits=2)} | {shown} |"
            )
    return lines


if __name__ == "__main__":
    main()
