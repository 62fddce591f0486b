"""Rewards for texts that a model writes before it embeds: a contrast of what the embeddings then are.

Source: Sun et al. 2026, "GRACE: Generative Representation Learning via Contrastive Policy Optimization",
https://arxiv.org/abs/2510.04506, and its released code.
"""

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise.pairs import unit_rows

# n = rollouts, d = embedding width, g = groups


def contrastive(
    queries: Float[Tensor, "n d"],
    documents: Float[Tensor, "n d"],
    negatives: Float[Tensor, "n d"] | None = None,
    *,
    groups: Integer[Tensor, " n"],
    temperature: float = 0.1,
    consistency_weight: float = 0.2,
    cross_weight: float = 0.2,
) -> Float[Tensor, " n"]:
    """Return the reward of every rollout i of a group g: what was written of one document, several times.

        [ s(q_i, d_i) - s(q_g, negative_g) + consistency_weight mean_{j != i in g} s(d_i, d_j)
          - cross_weight mean_{other groups} max_{j in it} s(q_i, d_j) ] / temperature

    s is the cosine, q_g and negative_g are those of the group's first rollout. The second term is the same for all
    rollouts of a group, so `advantages` takes it away whole: **hard negatives change the rewards that are logged, and
    not what is learnt**. A rollout that has not come to its end gets -1 in the source, which is not divided by the
    temperature: `torch.where(has_ended, rewards, -1.0)`.

    Args:
        queries: Of the query of each rollout's document.
        documents: Of the document with what was written of it.
        negatives: Of a document that does not answer; without them the term is 0.
        groups: Whole numbers; rollouts of one document have the same.
        temperature: Above 0. The released script has 0.1, its code's default is 0.7.
        consistency_weight: At least 0; a group of one has no such term.
        cross_weight: At least 0; a group alone has no such term.

    Raises:
        ValueError: If shapes differ or a number is out of range.
    """
    _checks.positive("temperature", temperature)
    given = {"queries": queries, "documents": documents} | ({} if negatives is None else {"negatives": negatives})
    for name, rows in given.items():
        _tensor_checks.rows(name, rows)
        _tensor_checks.same_shape("queries", queries, name, rows)
        _tensor_checks.same_device("queries", queries, name, rows)
    same, first = _members(_tensor_checks.one_per_row("groups", groups, "rollouts", queries))
    asked, written = unit_rows(queries), unit_rows(documents)
    across = asked @ written.T
    found = across.diagonal()
    if negatives is not None:
        found = found - (asked * unit_rows(negatives)).sum(dim=1)[first]
    others = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    agreed = ((written @ written.T) * others).sum(dim=1) / others.sum(dim=1).clamp_min(1)
    # Of every other group the best, which stands at the places of all its members: the mean over groups is over firsts.
    best = torch.stack([across.masked_fill(~member, -torch.inf).amax(dim=1) for member in same[first.unique()]], dim=1)
    other_groups = ~same[:, first.unique()]
    crossed = torch.where(other_groups, best, 0.0).sum(dim=1) / other_groups.sum(dim=1).clamp_min(1)
    weighted = _checks.at_least("consistency_weight", consistency_weight, 0.0) * agreed
    return (found + weighted - _checks.at_least("cross_weight", cross_weight, 0.0) * crossed) / temperature


def advantages(rewards: Float[Tensor, " n"], groups: Integer[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return rewards less the mean of their group; as in the source, not divided by its deviation."""
    same, _ = _members(groups)
    shares = same.to(rewards)
    return rewards - shares @ rewards / shares.sum(dim=1)


def _members(groups: Tensor) -> tuple[Bool[Tensor, "n n"], Int64[Tensor, " n"]]:
    """Return which rollouts are of one group, and the place of the first of each's."""
    same = groups.unsqueeze(0) == groups.unsqueeze(1)
    return same, same.to(torch.int8).argmax(dim=1)
