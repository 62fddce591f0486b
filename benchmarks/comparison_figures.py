"""Draw what the kept CIFAR-10 study came to, for the README; nothing is trained.

python benchmarks/comparison_figures.py benchmarks/studies/cifar10 docs/images
"""

import sys
from pathlib import Path

from anchorwise.comparison import Workplace, study_recipe
from anchorwise.comparison.figures import difference_figure, grid_figure
from anchorwise.comparison.summary import Summary

DATA_SET = "cifar10"
# Curves of which each shows something else; with more, none can be told from the others.
DRAWN = ("info_nce", "info_nce_reg", "weince_published", "weince", "weince_reg", "weibit", "dcl", "dhel")


def main() -> None:
    """Read the results and write both pictures."""
    results, folder = map(Path, sys.argv[1:])
    study = study_recipe("compare-cifar10-small").model_copy(update={"version": 1})  # What is kept.
    summary = Summary(study, Workplace(study, results.parent, results).known())
    entries = [one for one in summary.standings[DATA_SET] if one.objective in DRAWN]
    figures = {
        "temperature": grid_figure(entries, summary.primary, title="Accuracy against temperature, while choosing"),
        "differences": difference_figure(summary, DATA_SET, title="Against InfoNCE at its best temperature"),
    }
    for name, figure in figures.items():
        if figure is not None:
            figure.savefig(folder / f"{DATA_SET}-{name}.png", dpi=150, bbox_inches="tight")


if __name__ == "__main__":
    main()
