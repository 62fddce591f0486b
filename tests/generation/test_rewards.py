"""GRACE's reward: values of its source's functions, a slow twin, and what is left of hard negatives."""

import math

import pytest
import torch

from anchorwise.generation import rewards


def rows(number: int, shift: float) -> torch.Tensor:
    i, j = torch.arange(number, dtype=torch.float64)[:, None], torch.arange(3, dtype=torch.float64)
    made = torch.sin(1 + 3 * i + 7 * j + 0.5 * i * j + shift)
    return made / made.norm(dim=1, keepdim=True)


QUERIES, DOCUMENTS, NEGATIVES = rows(4, 0), rows(4, 0.3), rows(4, 2)
GROUPS = torch.tensor([7, 7, 3, 3])


def test_rewards_and_advantages_are_those_of_the_source():
    found = rewards.contrastive(QUERIES, DOCUMENTS, NEGATIVES, groups=GROUPS)
    assert found.tolist() == pytest.approx([14.1871722787, 13.2707981382, 8.5587590092, 7.6888286448], abs=1e-9)
    centred = rewards.advantages(found, GROUPS).tolist()
    assert centred == pytest.approx([0.4581870703, -0.4581870703, 0.4349651822, -0.4349651822], abs=1e-9)


def test_hard_negatives_change_no_advantage():
    expected = rewards.advantages(rewards.contrastive(QUERIES, DOCUMENTS, groups=GROUPS), GROUPS)
    for shift in (2.0, 3.1, 4.7):
        given = rewards.contrastive(QUERIES, DOCUMENTS, rows(4, shift), groups=GROUPS)
        torch.testing.assert_close(rewards.advantages(given, GROUPS), expected, atol=1e-12, rtol=0)
        assert (given - rewards.contrastive(QUERIES, DOCUMENTS, groups=GROUPS)).abs().max() > 1


def slow_rewards(q, d, neg, groups, temperature, same_weight, cross_weight):
    def s(a, b):
        return math.fsum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    found = []
    for i, g in enumerate(groups):
        own = [j for j, other in enumerate(groups) if other == g]
        rest = [s(d[i], d[j]) for j in own if j != i]
        best = [
            max(s(q[i], d[j]) for j, other in enumerate(groups) if other == h) for h in dict.fromkeys(groups) if h != g
        ]
        reward = s(q[i], d[i]) - s(q[own[0]], neg[own[0]])
        reward += same_weight * (math.fsum(rest) / len(rest) if rest else 0.0)
        reward -= cross_weight * (math.fsum(best) / len(best) if best else 0.0)
        found.append(reward / temperature)
    return found


@pytest.mark.parametrize("groups", [[0, 1, 0, 2, 2, 2, 1], [5, 5, 5, 5, 5, 5, 5], [0, 1, 2, 3, 4, 5, 6]])
def test_groups_of_any_size_and_order_get_what_the_slow_twin_gives(groups):
    drawn = torch.Generator().manual_seed(0)
    q, d, neg = torch.randn(3, 7, 5, dtype=torch.float64, generator=drawn)
    weights = {"temperature": 0.7, "consistency_weight": 0.3, "cross_weight": 0.4}
    found = rewards.contrastive(q, d, neg, groups=torch.tensor(groups), **weights)
    expected = slow_rewards(q.tolist(), d.tolist(), neg.tolist(), groups, *weights.values())
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.usefixtures("as_users_call")
def test_what_does_not_belong_together_is_refused():
    with pytest.raises(ValueError, match="queries and documents must have the same shape"):
        rewards.contrastive(QUERIES, DOCUMENTS[:3], groups=GROUPS)
    with pytest.raises(ValueError, match="groups must have one id for each of the 4 rollouts"):
        rewards.contrastive(QUERIES, DOCUMENTS, groups=GROUPS[:3])
    with pytest.raises(ValueError, match="temperature"):
        rewards.contrastive(QUERIES, DOCUMENTS, groups=GROUPS, temperature=0.0)
