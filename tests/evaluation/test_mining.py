"""Hard negatives found by an encoder."""

import pytest
import torch

from anchorwise.evaluation.mining import Mining, mine
from anchorwise.evaluation.partners import Pairs
from anchorwise.pairs import unit_rows


def pairs(number=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    first, second = (unit_rows(torch.randn(number, 4, generator=generator)) for _ in range(2))
    return Pairs(first, second, torch.arange(number))


def slowly(pairs, groups, settings):
    """Sort all others one by one."""
    found = []
    for number, anchor in enumerate(pairs.first):
        own = float(anchor @ pairs.second[number])
        others = [other for other in range(len(pairs.second)) if groups[other] != groups[number]]
        near = sorted(others, key=lambda other: -float(anchor @ pairs.second[other]))
        kept = []
        for other in near[settings.range_min : settings.num_looked_at]:
            score = float(anchor @ pairs.second[other])
            if settings.max_score is not None and score > settings.max_score:
                continue
            if settings.absolute_margin is not None and score > own - settings.absolute_margin:
                continue
            if settings.relative_margin is not None and score > own - settings.relative_margin * abs(own):
                continue
            kept.append(other)
        kept = kept[: settings.num_negatives]
        found.append(kept + [-1] * (settings.num_negatives - len(kept)))
    return found


@pytest.mark.parametrize(
    "settings",
    [
        Mining(),
        Mining(num_negatives=3, range_min=2),
        Mining(num_negatives=2, range_max=6, max_score=0.7),
        Mining(num_negatives=2, absolute_margin=0.1),
        Mining(relative_margin=0.05, range_max=8),
    ],
)
def test_hard_negatives_are_those_of_sorting_all_others(settings):
    given, groups = pairs(), torch.tensor([0, 0, *range(2, 12)])
    found = mine(given, groups, settings)
    assert found.negatives.tolist() == slowly(given, groups.tolist(), settings)
    assert found.is_whole.tolist() == [min(row) >= 0 for row in found.negatives.tolist()]


def test_nothing_of_a_samples_own_group_is_a_hard_negative():
    given = pairs()
    same = Pairs(given.first, given.first[[1, 0, *range(2, 12)]], given.of)
    alone, grouped = (mine(same, groups, Mining()).negatives for groups in (None, torch.tensor([0, 0, *range(2, 12)])))
    assert alone[0, 0] == 1
    assert grouped[0, 0] != 1
    assert mine(same, None, Mining(max_score=0.999)).num_refused >= 2


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"range_max must be at least range_min \+ num_negatives = 3, got 2"):
        Mining(num_negatives=2, range_min=1, range_max=2)
    with pytest.raises(ValueError, match=r"12 nearest others are looked at, and there are 11"):
        mine(pairs(), None, Mining(num_negatives=12))


def test_one_text_is_mined_once():
    unit = torch.eye(6)
    near, second = unit[0] * 0.6 + unit[4] * 0.8, unit[0] * 0.5 + unit[5] * 0.75**0.5
    found = Pairs(unit[:4], torch.stack([unit[0], near, near, second]), torch.arange(4))
    groups = torch.tensor([0, 1, 1, 2])
    assert mine(found, groups, Mining(2, range_max=3), same=groups).negatives[0].tolist() == [1, 3]
