"""Training on all cores, idle and beside a busy process, by how OpenMP's threads wait: images per second.

    python benchmarks/waiting_threads.py

Every figure is of a process of its own, a few seconds long, and the ways take turns, so that whatever else the machine
does meets all of them.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import fmean

WAYS = {
    "spinning (OpenMP's own)": {},
    "passive (the command line's)": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spinning 10,000 times": {"GOMP_SPINCOUNT": "10000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
RECIPES = ("digits", "cifar10-small")
NUM_ROUNDS, WARM_UP_STEPS, MEASURED_S = 2, 3, 5.0
BUSY = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"


def measured_samples_per_s(recipe_name: str) -> float:
    """Train for a few seconds in this process."""
    from anchorwise.training import apply_overrides, loop, pretrain, recipe

    config = recipe(recipe_name)
    if recipe_name != "digits":  # The same steps on digits made larger: no data set has to be there.
        config = apply_overrides(config, ["data.source=digits", "data.image_size_px=32", "data.num_train_images=1024"])
    ends: list[tuple[float, int]] = []
    real_step = loop.train_step

    def step(state, network, batch, *given):
        outcome = real_step(state, network, batch, *given)
        ends.append((time.monotonic(), len(batch.images)))
        if len(ends) > WARM_UP_STEPS + 1 and ends[-1][0] - ends[WARM_UP_STEPS][0] > MEASURED_S:
            raise KeyboardInterrupt
        return outcome

    loop.train_step = step
    with suppress(KeyboardInterrupt):
        pretrain(config, Path(tempfile.mkdtemp()) / "run", show_progress=False)
    return sum(number for _, number in ends[WARM_UP_STEPS + 1 :]) / (ends[-1][0] - ends[WARM_UP_STEPS][0])


def main() -> None:
    """Print one table for every recipe."""
    plain = {name: value for name, value in os.environ.items() if "OMP" not in name}
    for recipe_name in RECIPES:
        found: dict[tuple[str, int], list[float]] = {}
        for _ in range(NUM_ROUNDS):
            for num_busy in (0, 1):
                busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(num_busy)]
                for way, variables in WAYS.items():
                    command = [sys.executable, __file__, recipe_name]
                    done = subprocess.run(
                        command, env={**plain, **variables}, capture_output=True, text=True, check=True
                    )
                    found.setdefault((way, num_busy), []).append(float(done.stdout))
                for process in busy:
                    process.kill()
                    process.wait()
        print(f"{recipe_name}: images/s, mean of {NUM_ROUNDS} (all), load {os.getloadavg()[0]:.1f}")
        for way in WAYS:
            cells = [f"{fmean(found[way, n]):,.0f} ({', '.join(f'{x:.0f}' for x in found[way, n])})" for n in (0, 1)]
            print(f"| {way} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measured_samples_per_s(sys.argv[1]))
    else:
        main()
