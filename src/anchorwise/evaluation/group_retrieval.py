"""The judge of what belongs together: is the row that is nearest to a row one of its own group?

Every test row asks once among all others, such as a segment of a participant among the segments of all: the groups of
the test part were in no training. A row that is alone in its group has nothing to find: others meet it, and it does not
ask. Ties count as the search finds them.
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
        """Let every test row ask that is not alone in its group.

        Raises:
            ValueError: If there are not two groups of two test rows or more.
        """
        rows, groups = judged_rows(test, self.device), numbered_groups(test)
        sizes = torch.bincount(groups) if groups is not None else torch.ones(len(rows), dtype=torch.int64)
        num_groups = int((sizes > 1).sum())
        if groups is None or num_groups < 2:
            raise ValueError(
                "judge 'group_retrieval' needs test rows in groups of two or more, such as segments of participants, "
                f"got {'one such group' if num_groups else 'none'}; leave it out, or say what belongs together"
            )
        groups, most = groups.to(self.device), min(_AT[-1], len(rows) - 1)
        found = []
        for chunk in nearest(rows, rows, num_neighbors=most, exclude_self=True):
            own = groups[chunk.first_query : chunk.first_query + len(chunk.indices)]
            hits = (groups[chunk.indices] == own[:, None]).cumsum(dim=1) > 0
            found.append(torch.stack([hits[:, min(k, most) - 1] for k in _AT], dim=1).double())
        sizes = sizes.to(self.device)
        asks = (sizes > 1)[groups]
        hits, groups, sizes = torch.cat(found)[asks], groups[asks].unique(return_inverse=True)[1], sizes[sizes > 1]
        (of_groups,) = means_of_groups(groups, hits)
        weight = (sizes / sizes.double().mean()).unsqueeze(1)
        mean = hits.mean(dim=0)
        # Of a ratio of means: a group counts by its rows.
        errors = (weight * (of_groups - mean)).std(dim=0) / num_groups**0.5
        names = [metric.name for metric in self.metrics]
        by_chance = float((sizes * (sizes - 1)).sum() / (len(hits) * (len(rows) - 1)))
        num_alone = len(rows) - len(hits)
        left_out = f" {num_alone:,} rows that are alone in their group did not ask: they have nothing to find."
        return Judgement(
            {name: (float(value),) for name, value in zip(names, mean, strict=True)},
            {name: float(error) for name, error in zip(names, errors, strict=True)},
            dict.fromkeys(names, num_groups),
            notes=(
                f"Each of {len(hits):,} test rows of {num_groups:,} groups asked among all others; by chance the "
                f"nearest is of the own group in {100 * by_chance:.1f} %.{left_out if num_alone else ''}",
            ),
        )
