"""SimCLR's first losses are those that are kept, so nothing has moved: order, views, weights, objective or optimiser.

In float64, where rounding does not grow from step to step; the views are float32, their last bits the machine's.
Whoever means to move them raises `anchorwise.training.config.VERSION`, shows that accuracy is the same, and writes them
anew:

    python -m tests.training.test_reference_losses
"""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.registry import modality_of
from anchorwise.training import apply_overrides, recipe
from anchorwise.training.distributed import Ranks
from anchorwise.training.optimizers import lr_at
from anchorwise.training.order import epoch_batches
from anchorwise.training.state import initial_state
from anchorwise.training.step import train_step

FILE = Path(__file__).parent / "reference_losses.json"
KEPT: dict[str, list[float]] = json.loads(FILE.read_text())


class _Doubled(nn.Module):
    def __init__(self, views: nn.Module) -> None:
        super().__init__()
        self.views = views

    def forward(self, *arguments, **named) -> tuple[Tensor, ...]:
        return tuple(view.double() for view in self.views(*arguments, **named))


def _pictures() -> ImageSet:
    """Coarse noise in place of CIFAR-10, which does not come with the tests."""
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(256, (512, 3, 8, 8), generator=generator, dtype=torch.uint8)
    images = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return ImageSet(images, torch.arange(512) % 10, tuple("0123456789"), tuple(map(str, range(512))))


def _losses(name: str, num_steps: int) -> list[float]:
    config = apply_overrides(recipe(name), ["train.amp=false", "train.device=cpu"])
    samples = modality_of(config.modality).load(config.data).pretrain if name == "digits" else _pictures()
    state, here = initial_state(config, samples, torch.device("cpu")), Ranks(0, 1, torch.device("cpu"))
    state.model.double().train()
    state.views = _Doubled(state.views)
    train, optimizer, losses = config.train, config.optimizer, []
    cut = {"batch_size": train.batch_size, "seed": train.seed, "drop_last": train.drop_last}
    steps_per_epoch = len(epoch_batches(len(samples), epoch=0, **cut))
    for step in range(num_steps):
        rate = lr_at(
            step,
            num_steps=train.num_epochs * steps_per_epoch,
            num_warmup_steps=round(optimizer.warmup_epochs * steps_per_epoch),
            peak_lr=optimizer.peak_lr,
        )
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        ids = epoch_batches(len(samples), epoch=step // steps_per_epoch, **cut)[step % steps_per_epoch]
        losses.append(train_step(state, state.model, samples.batch(ids), config, here).outcome.loss.item())
        state.step += 1
    return losses


@pytest.mark.whole
@pytest.mark.parametrize("name", KEPT)
def test_the_first_losses_of_a_recipe_are_those_that_are_kept(name: str):
    losses = _losses(name, len(KEPT[name]))
    assert losses[0] == pytest.approx(KEPT[name][0], rel=1e-6)
    assert losses == pytest.approx(KEPT[name], rel=1e-3)


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: _losses(name, len(kept)) for name, kept in KEPT.items()}, indent=2) + "\n")
