"""A whole encoder trained further with a share of the labels."""

import copy

import pytest
import torch
from torch import nn

from anchorwise.evaluation import fine_tuning
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.tuning import Classified, Recipe, _moved_about, _schedule, accuracy, tuned
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.own.modality import own_frozen
from anchorwise.modalities.selection import balanced_draw, balanced_indices

RECIPE = Recipe(
    peak_lr=0.02, num_epochs=3, min_steps=20, batch_size=16, weight_decay=0.0, flip_probability=0.0, shift_fraction=0.0
)
FAST = {"name": "fine_tuning", "num_epochs": 1, "min_steps": 12, "batch_size": 16, "flip_probability": 0.0}


def images(num: int, seed: int = 0) -> ImageSet:
    """Images whose class is where a bright bar stands."""
    labels = torch.arange(num) % 3
    pixels = torch.randint(0, 60, (num, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    pixels[torch.arange(num), 0, 2 * labels] = 250
    return ImageSet(pixels, labels, ("top", "middle", "bottom"), tuple(map(str, range(num))))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU())


def test_the_encoder_learns_and_the_given_one_stays_as_it_is(network):
    train, test = images(48), images(30, seed=1)
    frozen, before = own_frozen(network, train), copy.deepcopy(network.state_dict())
    parts = [Classified(part, part.labels, 3) for part in (train, test)]
    found = tuned(frozen, parts[0], RECIPE, seed=0)
    assert accuracy(found, frozen, parts[1]) == 1.0
    assert all(torch.equal(before[name], weight) for name, weight in network.state_dict().items())
    assert not torch.equal(found[0].backbone[1].weight, network[1].weight)
    again = tuned(frozen, parts[0], RECIPE, seed=0)
    assert torch.equal(found[1].weight, again[1].weight)


def test_training_leaves_the_callers_random_state_and_rates_fall_to_zero(network):
    train = images(12)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    tuned(own_frozen(network, train), Classified(train, train.labels, 3), RECIPE, seed=1)
    assert torch.equal(torch.rand(1), expected)
    share = _schedule(100)
    assert [share(0), share(9), share(10)] == [0.1, 1.0, 1.0]
    assert share(55) == pytest.approx(0.5)
    assert share(99) < 0.001


def test_images_are_shifted_and_mirrored_one_by_one():
    pixels = torch.arange(1.0, 1 + 64 * 8 * 8).view(64, 1, 8, 8)
    moved = _moved_about(pixels, Recipe(1.0, 1, 1, 1, 0.0, 0.5, 0.25))
    offsets = set()
    for one, other in zip(moved, pixels, strict=True):
        for flip in (False, True):
            padded = nn.functional.pad(other.flip(2) if flip else other, (2, 2, 2, 2))
            for top in range(5):
                for left in range(5):
                    if torch.equal(one[0], padded[0, top : top + 8, left : left + 8]):
                        offsets.add((flip, top, left))
    assert {flip for flip, _, _ in offsets} == {False, True}
    assert {top for _, top, _ in offsets} == {left for _, _, left in offsets} == set(range(5))
    assert torch.equal(_moved_about(pixels, RECIPE), pixels)


@pytest.mark.whole
def test_every_share_of_the_labels_has_an_accuracy_and_its_rate_was_chosen_on_validation(network):
    judge = {**FAST, "label_shares": [0.1, 1.0], "peak_lrs": [1e-6, 0.02], "seeds": [0, 1], "min_steps": 40}
    result = evaluate(images(120), images(30, seed=1), judge, encoder=network)
    judged = result.judged["fine_tuning"]
    assert list(judged.numbers) == ["fine_tuned@10%", "fine_tuned@100%"]
    assert judged.chosen["fine_tuned@100%"] == (0.02, 0.02)
    assert min(judged.numbers["fine_tuned@100%"]) > 0.9
    assert len(judged.validation["fine_tuned@10%"]) == 2
    assert judged.notes == ("Fine-tuning: 10 % of the labels are 12, 100 % of the labels are 120.",)
    assert result.rows()[0][0] == "fine-tuned, 100 % of labels %"
    assert "interval over 2 draws of the labels: which are drawn" in result.what_intervals_cover()


def test_finished_trainings_are_kept_and_other_samples_train_anew(network, tmp_path, monkeypatch):
    judge = {**FAST, "label_shares": [1.0], "peak_lrs": [0.02]}
    first = evaluate(images(24), images(9, seed=1), judge, encoder=network, kept=tmp_path)
    monkeypatch.setattr(fine_tuning, "tuned", None)
    assert evaluate(images(24), images(9, seed=1), judge, encoder=network, kept=tmp_path) == first
    with pytest.raises(TypeError):
        evaluate(images(24), images(9, seed=2), judge, encoder=network, kept=tmp_path)


def test_draws_are_balanced_lie_in_each_other_and_part_no_group():
    labels = torch.arange(300) % 3
    assert torch.equal(balanced_draw(labels, 30, seed=1), balanced_indices(labels, 30, seed=1))
    groups = torch.arange(300) // 15 * 3 + labels  # 20 groups of five in every class.
    few, many = (balanced_draw(labels, num, seed=1, groups=groups) for num in (30, 120))
    assert labels[few].bincount().tolist() == [10, 10, 10]
    assert labels[many].bincount().tolist() == [40, 40, 40]
    assert set(few.tolist()) < set(many.tolist())
    assert groups[few].bincount()[groups[few].unique()].tolist() == [5] * 6
    assert labels[balanced_draw(labels, 3, seed=0, groups=groups)].bincount().tolist() == [10, 10, 10]


def test_one_image_of_each_class_leaves_nothing_to_choose_by(network):
    three = images(3)
    with pytest.raises(ValueError, match="labels must name a class of two or more rows, got 3 rows of different"):
        evaluate(three, images(9), FAST, encoder=network)
