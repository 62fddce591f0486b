"""Draw accuracy against temperature from the rows of the study of 2026-11-23; newer ones are in `studies/`.

python benchmarks/cifar10_figure.py benchmarks/results/cifar10-objectives_2-core-xeon_2026-11-23.json docs/images/x.png
"""

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from anchorwise.reporting.figures import BLUE, GREY, ORANGE

CURVES = {
    "InfoNCE, tau {}": ("InfoNCE", BLUE, "o-"),
    "WEINCE, published gate, tau {}": ("WEINCE, published gate", GREY, "s--"),
    "WEINCE, likelihood gate, tau {}": ("WEINCE, likelihood gate, Hill exponent", ORANGE, "D-"),
}
FLAT = {"Weibit, batch Hill exponent": ("Weibit, Hill exponent: no temperature", "black")}


def main() -> None:
    """Read the rows of seed 0 and write the picture."""
    rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    first = {row["objective"]: row for row in rows if row["seed"] == 0}
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, (name, title) in zip(panels, (("knn", "kNN"), ("linear", "linear probe")), strict=True):
        _draw(panel, first, name)
        panel.set_title(f"{title}, CIFAR-10 test, %", loc="left", fontsize=10)
    panels[0].legend(fontsize=8, frameon=False)
    figure.savefig(sys.argv[2], dpi=150)


def _draw(panel: Any, first: dict[str, dict[str, Any]], name: str) -> None:
    for pattern, (label, colour, style) in CURVES.items():
        found = {tau: first.get(pattern.format(tau)) for tau in (0.1, 0.2, 0.5)}
        points = [(tau, 100 * row[name]) for tau, row in found.items() if row is not None]
        panel.plot(*zip(*points, strict=True), style, color=colour, label=label)
    for objective, (label, colour) in FLAT.items():
        panel.axhline(100 * first[objective][name], color=colour, linestyle=":", label=label)
    panel.set_xscale("log")
    panel.set_xticks([0.1, 0.2, 0.5], ["0.1", "0.2", "0.5"])
    panel.minorticks_off()
    panel.set_xlabel("temperature")
    panel.grid(alpha=0.3)


if __name__ == "__main__":
    main()
