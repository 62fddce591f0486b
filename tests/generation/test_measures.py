import math

import pytest
import torch

from anchorwise.generation import diversity, isotropy, repetition

WORDS = ["a", "rose", "is", "a", "rose", "is", "a", "rose"]


def test_repetition_is_the_share_of_n_grams_that_stand_in_their_own_text_already():
    # a rose | rose is | is a | a rose | rose is | is a | a rose: 3 kinds of 7.
    assert repetition([WORDS], 2) == pytest.approx(1 - 3 / 7)
    # A second text that says the same repeats nothing of its own: 3 and 3 kinds of 7 and 2.
    assert repetition([WORDS, ["a", "rose", "is"]], 2) == pytest.approx(1 - 5 / 9)
    assert repetition([[1, 2, 1, 2]], 4) == repetition([[1]], 2) == 0.0


def test_diversity_is_the_product_over_two_three_and_four_grams():
    # 3 of 7 pairs, 3 of 6 triples, 3 of 5 fours.
    assert diversity([WORDS]) == pytest.approx(3 / 7 * 3 / 6 * 3 / 5)
    assert diversity([["all", "words", "differ", "here"]]) == 1.0


def test_a_text_that_is_not_split_is_refused():
    with pytest.raises(TypeError, match=r"sequences of words or tokens, got the text 'a rose'; call text.split\(\)"):
        repetition(["a rose"], 2)


def test_isotropy_is_one_minus_the_mean_cosine_over_all_pairs_of_all_texts():
    states = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], [[5.0, 5.0], [1.0, 0.0], [torch.nan, torch.nan]]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    # Cosines of 3 and of 1 pairs, each counted both ways: 1, 0, 0 and sqrt(1/2).
    assert isotropy(states, mask) == pytest.approx(1 - (1 + math.sqrt(0.5)) / 4)
    assert isotropy(torch.eye(4).unsqueeze(0)) == pytest.approx(1.0)
    assert isotropy(torch.ones(2, 3, 4)) == pytest.approx(0.0)
