"""Run the noise-floor experiment of the WEINCE paper and draw it.

python benchmarks/noise_floor_figure.py docs/images/noise-floor.png
"""

import sys

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anchorwise.reporting.figures import BLUE, GREY, ORANGE
from anchorwise.synthetic import NoiseFloor, noise_floor


def main() -> None:
    """Run with the paper's numbers, print what is drawn and write the picture."""
    result = noise_floor(generator=torch.Generator().manual_seed(0))
    for number, shortfall, softmax in zip(
        result.num_draws, result.shortfall_error.tolist(), result.softmax_error.tolist(), strict=True
    ):
        print(f"{number:6d} draws: shortfall {shortfall:.5f} (bound {result.fisher_constant / number:.5f})", end=", ")
        print(f"softmax {softmax:.5f} (floor {result.softmax_floor:.5f})")
    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    _draw(figure.subplots(), result)
    figure.savefig(sys.argv[1], dpi=150)


def _draw(panel: Axes, result: NoiseFloor) -> None:
    bound = [result.fisher_constant / number for number in result.num_draws]
    panel.plot(result.num_draws, bound, ":", color=GREY, label="Fisher bound, 7.136 / N")
    panel.axhline(result.softmax_floor, color=GREY, linestyle="--", label="softmax bias, 0.04515")
    panel.plot(result.num_draws, result.softmax_error.tolist(), "o-", color=BLUE, label="softmax link")
    panel.plot(result.num_draws, result.shortfall_error.tolist(), "D-", color=ORANGE, label="shortfall link")
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("winners seen, N")
    panel.set_title("mean squared error of the log-odds", loc="left", fontsize=10)
    panel.legend(fontsize=8, frameon=False)
    panel.grid(alpha=0.3)


if __name__ == "__main__":
    main()
