"""The memory of learning task after task: some samples of every class that is over, to be rehearsed.

Source: herding as Rebuffi et al. 2017 (iCaRL), Algorithm 4, https://arxiv.org/abs/1611.07725.
"""

from collections.abc import Mapping
from typing import Any, Literal, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise import _checks
from anchorwise.pairs import unit_rows

# n = samples of a task, m = samples in memory, k = those that are chosen, d = width

Selection = Literal["random", "herding"]


@final
class ReplayBuffer:
    """Numbers of samples of earlier tasks, the same share of every class; a class that is kept stays.

    Args:
        share: Of the samples of a class, in [0, 1]; at least one of each unless it is 0.
        selection: "random" ones, or by "herding" those whose mean follows that of their class most closely.

    Attributes:
        ids: Numbers of the samples that are kept.

    Raises:
        ValueError: If the share is out of range, or there is no such selection.
    """

    def __init__(self, share: float, *, selection: Selection = "random") -> None:
        self.share = _checks.fraction("share", share)
        self.selection = _checks.one_of("selection", selection, ("random", "herding"))
        self.ids: Int64[Tensor, " m"] = torch.empty(0, dtype=torch.int64)

    def keep(
        self,
        ids: Int64[Tensor, " n"],
        labels: Int64[Tensor, " n"],
        *,
        generator: torch.Generator,
        rows: Float[Tensor, "n d"] | None = None,
    ) -> None:
        """Add samples of a task that is over.

        Args:
            ids: Numbers of its samples.
            labels: Their classes.
            generator: What random ones are drawn with.
            rows: Their features by the model at the end of the task, for herding.

        Raises:
            ValueError: If there is herding and no row.
        """
        if self.share == 0:
            return
        if self.selection == "herding" and rows is None:
            raise ValueError("rows must be given for selection='herding', which chooses by them, got none")
        for label in labels.unique().tolist():
            own = torch.nonzero(labels == label).flatten()
            number = max(1, round(self.share * len(own)))
            order = torch.randperm(len(own), generator=generator) if rows is None else herded(rows[own], number)
            self.ids = torch.cat([self.ids, ids[own[order[:number]]]])

    def saved(self) -> dict[str, Any]:
        """Return what `restore` takes."""
        return {"ids": self.ids}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up what was saved.

        Raises:
            KeyError: If there is nothing.
        """
        self.ids = saved["ids"]


def herded(rows: Float[Tensor, "n d"], number: int) -> Int64[Tensor, " k"]:
    """Choose rows one by one, each so that the mean of those chosen comes nearest to the mean of all unit rows.

    Args:
        rows: Of one class.
        number: How many, at most all of them.
    """
    units = unit_rows(rows).double()
    mean, total, chosen = units.mean(dim=0), torch.zeros_like(units[0]), list[int]()
    for count in range(1, number + 1):
        distances = (mean - (total + units) / count).norm(dim=1)
        distances[chosen] = torch.inf
        chosen.append(int(distances.argmin()))
        total = total + units[chosen[-1]]
    return torch.tensor(chosen, dtype=torch.int64)
