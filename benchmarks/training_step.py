"""Images per second of a whole training step, ours beside lightly's example: same encoder, batch and strengths.

    .parity/bin/python benchmarks/training_step.py

Ours is the step of `anchorwise pretrain cifar10-small` with InfoNCE. Theirs is their PyTorch example of SimCLR: the
transform per image on PIL images in a DataLoader, two calls of the network, their NTXentLoss; and the same under
bfloat16 autocast, which the example does not have. All are timed in turn in one process; medians over rounds of
processor time and of wall time, which a busy machine stretches. Without lightly only ours is timed.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.reporting.environment import environment
from anchorwise.training import ObjectiveConfig, RunConfig, recipe
from anchorwise.training.distributed import Ranks
from anchorwise.training.optimizers import build_optimizer
from anchorwise.training.state import RunState, initial_state
from anchorwise.training.step import train_step

BATCH_SIZE, NUM_BATCHES, TEMPERATURE = 256, 4, 0.5
CPU = torch.device("cpu")
Step = Callable[[], object]


def _config() -> RunConfig:
    config = recipe("cifar10-small")
    objective = ObjectiveConfig(name="info_nce", temperature=TEMPERATURE)
    return config.model_copy(update={"objective": objective})


def _images() -> ImageSet:
    size = (BATCH_SIZE * NUM_BATCHES, 3, 32, 32)
    pixels = torch.randint(0, 256, size, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return ImageSet(pixels, None, (), tuple(map(str, range(len(pixels)))))


def _ours(config: RunConfig, images: ImageSet) -> dict[str, Step]:
    """Return the whole step, the same in float32, and what it spends on making views."""
    state = _state(config, images)
    batch = images.batch(torch.arange(BATCH_SIZE))
    float32 = config.model_copy(update={"train": config.train.model_copy(update={"amp": False})})
    return {
        "step": lambda: train_step(state, state.model, batch, config, Ranks(0, 1, CPU)),
        "step in float32": lambda: train_step(state, state.model, batch, float32, Ranks(0, 1, CPU)),
        "views": lambda: state.views(batch, seed=0),
    }


class _PilImages(Dataset[Any]):
    """Images as lightly's transform takes them."""

    def __init__(self, images: ImageSet, transform: Callable[..., list[Tensor]]) -> None:
        from PIL import Image

        self._images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images.images]
        self._transform = transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> list[Tensor]:
        return self._transform(self._images[index])


def _lightly(config: RunConfig, images: ImageSet) -> dict[str, Step] | None:
    """Return the same for lightly; None where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from lightly.loss import NTXentLoss  # pyright: ignore[reportMissingImports]
            from lightly.transforms import SimCLRTransform  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    transform = SimCLRTransform(input_size=32, cj_strength=0.5, min_scale=0.2, gaussian_blur=0.0)
    loader = DataLoader(_PilImages(images, transform), batch_size=BATCH_SIZE, shuffle=True, drop_last=True)
    model = _state(config, images).model.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    criterion, optimizer = NTXentLoss(temperature=TEMPERATURE), build_optimizer(config.optimizer, model)
    batches = _endless(loader)

    def step(*, amp: bool) -> None:
        view0, view1 = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            embeddings = model(view0), model(view1)
        loss = criterion(*(view.float() for view in embeddings))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return {
        "step in float32": lambda: step(amp=False),
        "step in bfloat16": lambda: step(amp=True),
        "views": lambda: next(batches),
    }


def _state(config: RunConfig, images: ImageSet) -> RunState:
    state = initial_state(config, images, CPU)
    state.model.train()
    return state


def _endless(loader: DataLoader[Any]) -> Iterator[list[Tensor]]:
    while True:
        yield from loader


def _timed(work: Step) -> tuple[float, float]:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu_s, time.perf_counter() - wall_s


def main() -> None:
    """Time both in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config, images = _config(), _images()
    sides = {"anchorwise": _ours(config, images), "lightly": _lightly(config, images)}
    present = {(side, name): work for side, works in sides.items() if works for name, work in works.items()}
    times: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in present}
    for _ in range(arguments.rounds + 1):
        for key, work in present.items():
            times[key].append(_timed(work))
    print(json.dumps(environment(), indent=1))
    for (side, name), measured in times.items():
        cpu_s, wall_s = (median(values) for values in zip(*measured[1:], strict=True))  # The first warms up.
        rate = f"{BATCH_SIZE / cpu_s:.0f} images/s of processor time, {BATCH_SIZE / wall_s:.0f} of wall time"
        print(f"{side:10} {name:16} {1000 * cpu_s:7.1f} ms processor  {1000 * wall_s:7.1f} ms wall  {rate}")
    if sides["lightly"] is None:
        print("lightly    is not installed: make parity installs it")


if __name__ == "__main__":
    main()
