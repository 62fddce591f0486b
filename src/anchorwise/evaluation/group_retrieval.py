"""The judge of what belongs together: is the row that is nearest to a row one of its own group?

Every test row asks once among all others, such as a segment of a participant among the segments of all: the groups of
the test part were in no training. Ties count as the search finds them.
"""

from typing import ClassVar, Literal, final

import torch

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.neighbors import nearest
from anchorwise.evaluation.regression import means_of_groups
from anchorwise.evaluation.rows import judged_rows, numbered_groups

_AT = (1, 5, 10)


@final
class GroupRetrieval(Judge):
    """Recall of rows of the own group among the nearest, by cosine; intervals are over groups."""

    class Config(JudgeConfig):
        """There is nothing to set."""

        name: Literal["group_retrieval"] = "group_retrieval"

    primary: ClassVar[str] = "group_recall_at_1"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The share of rows with one of their own group among the k nearest."""
        return tuple(
            Metric(f"group_recall_at_{most}", f"own group, R@{most}", "%", digits=1, over="groups") for most in _AT
        )

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """Recall at 1."""
        return self.metrics[:1]

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Let every test row ask.

        Raises:
            ValueError: If test rows have no groups, or each its own.
        """
        rows, groups = judged_rows(test, self.device), numbered_groups(test)
        sizes = None if groups is None else torch.bincount(groups)
        if groups is None or sizes is None or int(sizes.max()) < 2 or len(sizes) < 2:
            raise ValueError(
                "judge 'group_retrieval' needs test rows in groups of two or more, such as segments of participants, "
                f"got {'one group of all' if sizes is not None and len(sizes) == 1 else 'none'}; leave it out, or say "
                "what belongs together"
            )
        groups, most = groups.to(self.device), min(_AT[-1], len(rows) - 1)
        found = []
        for chunk in nearest(rows, rows, num_neighbors=most, exclude_self=True):
            own = groups[chunk.first_query : chunk.first_query + len(chunk.indices)]
            hits = (groups[chunk.indices] == own[:, None]).cumsum(dim=1) > 0
            found.append(torch.stack([hits[:, min(k, most) - 1] for k in _AT], dim=1).double())
        hits = torch.cat(found)
        (of_groups,) = means_of_groups(groups, hits)
        weight = (sizes.to(self.device) / sizes.double().mean().to(self.device)).unsqueeze(1)
        mean = hits.mean(dim=0)
        # Of a ratio of means: a group counts by its rows.
        errors = (weight * (of_groups - mean)).std(dim=0) / len(of_groups) ** 0.5
        names = [metric.name for metric in self.metrics]
        others = sizes.double() - 1.0
        by_chance = float((sizes * others).sum() / (len(rows) * (len(rows) - 1)))
        return Judgement(
            {name: (float(value),) for name, value in zip(names, mean, strict=True)},
            {name: float(error) for name, error in zip(names, errors, strict=True)},
            dict.fromkeys(names, len(of_groups)),
            notes=(
                f"Each of {len(rows):,} test rows of {len(of_groups):,} groups asked among all others; by chance the "
                f"nearest is of the own group in {100 * by_chance:.1f} %.",
            ),
        )
