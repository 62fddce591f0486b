"""What the online probe costs: processor time of a step with it and without, and of the probe alone.

    python -m benchmarks.online_probe cifar10-small --set data.source=cifar10.tar.gz

Processor time of one thread, so other work on the machine does not count; medians over steps.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from anchorwise.modalities.registry import modality_of
from anchorwise.training.choosing import configured
from anchorwise.training.distributed import Ranks
from anchorwise.training.state import initial_state
from anchorwise.training.step import train_step

CPU = torch.device("cpu")


def median_s(work: Callable[[], object], num_steps: int) -> float:
    """Return the median processor time of work, after once that does not count."""
    work()
    times = []
    for _ in range(num_steps):
        started_s = time.process_time()
        work()
        times.append(time.process_time() - started_s)
    return median(times)


def main() -> None:
    """Time steps of a recipe on its first batch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--steps", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = configured(given.recipe, settings=[*given.settings, "train.online_probe=true", "train.device=cpu"])
    splits = modality_of(config.modality).load(config.data)
    state = initial_state(config, splits.pretrain, CPU)
    state.model.train()
    batch = splits.pretrain.batch(torch.arange(config.train.batch_size))
    probe, labels = state.probe, batch.labels
    assert probe is not None
    assert labels is not None
    view = state.views(batch, seed=0)[0]

    def looked_at() -> None:
        probe._rows = rows
        probe.learn(labels)

    rows = state.model.encoder(view).detach()
    alone_s = median_s(looked_at, 50)
    step_s = median_s(lambda: train_step(state, state.model, batch, config, Ranks(0, 1, CPU)), given.steps)
    print(f"step {1e3 * step_s:.1f} ms, probe {1e3 * alone_s:.2f} ms: {alone_s / (step_s - alone_s):.2%} of the step")


if __name__ == "__main__":
    main()
