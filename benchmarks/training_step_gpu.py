"""What a training step on a GPU spends its time on: views, network, loss, optimiser.

    python benchmarks/training_step_gpu.py

The step is that of `anchorwise pretrain cifar10-small`, for the small encoder and ResNet-18. Prints medians in ms, each
part by itself and waited for.
"""

import json
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.samples import Batch
from anchorwise.reporting.environment import environment
from anchorwise.training import ObjectiveConfig, RunConfig, apply_overrides, recipe
from anchorwise.training.distributed import Ranks
from anchorwise.training.state import RunState, initial_state
from anchorwise.training.step import autocast, train_step

GPU = torch.device("cuda", 0)
NUM_STEPS, NUM_WARM = 30, 5


def _ms(work: Callable[[], object]) -> float:
    for _ in range(NUM_WARM):
        work()
    torch.cuda.synchronize()
    spent = []
    for _ in range(NUM_STEPS):
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        spent.append(time.perf_counter() - started)
    return round(1e3 * median(spent), 2)


def _images(number: int) -> ImageSet:
    pixels = torch.randint(0, 256, (number, 3, 32, 32), dtype=torch.uint8)
    return ImageSet(pixels, None, (), tuple(map(str, range(number))))


def _network(model: Callable[[Tensor], Tensor], views: Tensor, config: RunConfig) -> Callable[[], None]:
    def work() -> None:
        with autocast(config, GPU):
            embeddings = model(views)
        embeddings.float().sum().backward()

    return work


def _parts(state: RunState, batch: Batch, config: RunConfig, *, compiled: bool) -> dict[str, float]:
    views = torch.cat(state.views(batch.to(GPU), seed=0))
    parts = {
        "views": _ms(lambda: state.views(batch.to(GPU), seed=0)),
        "network": _ms(_network(state.model.online, views, config)),
        "optimiser": _ms(state.optimizer.step),
    }
    if compiled:
        for name, mode in (("network, compiled", "default"), ("network, CUDA graphs", "reduce-overhead")):
            parts[name] = _ms(_network(torch.compile(state.model.online, mode=mode), views, config))
        torch.compiler.reset()
    return parts


def main() -> None:
    """Measure all sizes."""
    print(json.dumps(environment(), indent=1))
    for encoder in ("small", "resnet18"):
        for batch_size in (64, 256, 512):
            for name in ("info_nce", "weince"):
                changes = [f"encoder.name={encoder}", "train.device=cuda", f"train.batch_size={batch_size}"]
                config = apply_overrides(recipe("cifar10-small"), changes)
                config = config.model_copy(update={"objective": ObjectiveConfig(name=name)})
                images = _images(batch_size)
                state = initial_state(config, images, GPU)
                state.model.train()
                batch = images.batch(torch.arange(batch_size))
                embeddings = [torch.randn(batch_size, 128, device=GPU, requires_grad=True) for _ in range(2)]
                compiled = (encoder, batch_size, name) == ("small", 256, "info_nce")
                measured = {
                    "step": _ms(lambda: train_step(state, state.model, batch, config, Ranks(0, 1, GPU))),  # noqa: B023
                    "loss": _ms(lambda: state.objective(*embeddings).backward()),  # noqa: B023
                    **(_parts(state, batch, config, compiled=compiled) if name == "info_nce" else {}),
                }
                print(encoder, batch_size, name, json.dumps(measured), flush=True)


if __name__ == "__main__":
    main()
