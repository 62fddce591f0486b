"""Classes by prompts, and the gap between two encoders, in cases by hand."""

import math

import pytest
import torch

from anchorwise.evaluation.modality_gap import ModalityGap
from anchorwise.evaluation.partners import Pairs
from anchorwise.evaluation.zero_shot import ZeroShot, class_rows, nearest_is_own
from anchorwise.modalities.own.samples import as_samples


def test_a_class_is_the_mean_direction_of_its_prompts():
    said = []

    def encode(texts):
        said.extend(texts)
        return torch.tensor([[1.0, 0.0], [0.0, 3.0], [-2.0, 0.0], [-1.0, 0.0]])

    rows = class_rows(encode, ["dog", "cat"], ["a {}", "the {} of {}"])
    assert said == ["a dog", "the dog of dog", "a cat", "the cat of cat"]
    torch.testing.assert_close(rows, torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)], [-1.0, 0.0]]))


def test_ties_and_a_collapsed_encoder_are_no_answers():
    scores = torch.tensor([[0.9, 0.1, 0.2], [0.5, 0.5, 0.1], [0.1, 0.3, 0.2]])
    assert nearest_is_own(scores, torch.tensor([0, 0, 1])).tolist() == [True, False, True]
    assert not nearest_is_own(torch.ones(4, 3), torch.tensor([0, 1, 2, 0])).any()


def test_a_prompt_without_a_place_for_the_name_is_refused():
    with pytest.raises(ValueError, match=r"every prompt must have {} in the place of a class's name, got 'a photo'"):
        ZeroShot.Config(prompts=("a photo",))


def test_the_gap_is_the_distance_of_the_mean_directions():
    first, second = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    samples = as_samples(torch.zeros(2, 3, 4, 4))
    answer = ModalityGap(ModalityGap.Config()).answer(Pairs(first, second, torch.arange(2)), samples)
    assert answer.numbers == pytest.approx({"modality_gap": math.sqrt(2.0), "pair_cosine": 0.0})
