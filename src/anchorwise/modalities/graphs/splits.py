"""Which labelled nodes are fitted on, chosen by and scored: for every number of labels of a class other ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

# n = nodes of the graph; t, v, s = those of the three parts, a = some

_LEAST = 2  # Nodes of a part that anything can be said of.


@dataclass(frozen=True, eq=False)
class LabelSplit:
    """Numbers of labelled nodes, none of which is in two parts.

    Attributes:
        train: To fit on, as many of every class.
        validation: To choose by.
        test: To score.
    """

    train: Int64[Tensor, " t"]
    validation: Int64[Tensor, " v"]
    test: Int64[Tensor, " s"]

    def without(self, nodes: Int64[Tensor, " a"]) -> "LabelSplit":
        """Return the parts without some nodes."""
        return LabelSplit(*(part[~torch.isin(part, nodes)] for part in (self.train, self.validation, self.test)))

    def check(self, name: str, labels: Int64[Tensor, " n"]) -> None:
        """Refuse parts that overlap, name nodes that are not there or have no label, or hold next to nothing.

        Raises:
            ValueError: If these do; the message begins with the name.
        """
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        for part, nodes in parts.items():
            if len(nodes) < _LEAST or int(nodes.min()) < 0 or int(nodes.max()) >= len(labels):
                raise ValueError(
                    f"{name}: {part} must name at least {_LEAST} of the {len(labels):,} nodes, from 0, got "
                    f"{len(nodes):,} numbers, " + (f"up to {int(nodes.max()):,}" if len(nodes) else "none")
                )
            if bool((labels[nodes] < 0).any()):
                raise ValueError(f"{name}: {part} must name labelled nodes, got number {nodes[labels[nodes] < 0][0]}")
        numbers, times = torch.cat([nodes.unique() for nodes in parts.values()]).unique(return_counts=True)
        if bool((times > 1).any()):
            raise ValueError(f"{name}: a node must be in one part, got number {int(numbers[times > 1][0])} in two")


def drawn_splits(
    labels: Int64[Tensor, " n"], per_class: Sequence[int], *, num_validation: int, num_test: int, seed: int
) -> Mapping[int, LabelSplit]:
    """Return parts that are drawn at random, for every number of labels of a class.

    The test part is the same for all numbers, and so is the validation part; of what is left every class gives its
    labels, a smaller number of them out of the larger. Where there are not so many nodes, what the largest number
    leaves is halved.

    Args:
        labels: Class of every node, -1 where nobody knows.
        per_class: Numbers of labels of a class.
        num_validation: Nodes to choose by.
        num_test: Nodes to score.
        seed: Decides which.

    Raises:
        ValueError: If a class has too few.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    known = order[labels[order] >= 0]
    most, num_classes = max(per_class), int(labels.max()) + 1
    sizes = labels[known].bincount(minlength=num_classes)
    if int(sizes.min()) < most + _LEAST:
        raise ValueError(
            f"data.labels_per_class must leave nodes of every class to choose by and to score, got {most}, and the "
            f"smallest class has {int(sizes.min())} labelled nodes; lower it"
        )
    ranks = torch.stack([(labels[known] == label).cumsum(0) - 1 for label in range(num_classes)])
    rank = ranks.gather(0, labels[known].unsqueeze(0)).squeeze(0)
    rest = known[rank >= most]
    num_validation, num_test = (min(number, len(rest) // 2) for number in (num_validation, num_test))
    validation, test = rest[:num_validation], rest[num_validation : num_validation + num_test]
    return {number: LabelSplit(known[rank < number], validation, test) for number in per_class}
