"""Test samples that stand among the training samples are counted, exact ones and near ones."""

import numpy as np
import pytest
import torch

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.duplicates import Duplicates, DuplicatesJudge, duplicates
from anchorwise.evaluation.embed import EmbeddedSamples
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.own.modality import own_frozen


def images(num: int, seed: int) -> ImageSet:
    pixels = torch.randint(0, 256, (num, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return ImageSet(pixels, torch.arange(num) % 2, ("a", "b"), tuple(f"{seed}_{i}" for i in range(num)))


@pytest.fixture
def parts() -> tuple[ImageSet, ImageSet]:
    """Two of ten test images are copies, a third is a copy but for its brightness."""
    train, test = images(40, 0), images(10, 1)
    test.images[3], test.images[7] = train.images[5], train.images[39]
    darker = train.images[11].float() * 0.9
    test.images[4] = darker.round().to(torch.uint8)
    return train, test


def test_exact_and_near_copies_are_counted_and_one_is_named(parts):
    found = duplicates(*parts)
    assert (found.exact, found.near, found.example) == (2, 3, ("1_3", "0_5"))
    assert str(found).startswith(
        "Of 10 test samples 2 stand among the training samples too, 3 have one there that is nearly"
    )
    alone = Duplicates(num_test=10, exact=0, near=1, example=("1", "0"))
    assert str(alone).startswith("Of 10 test samples 1 has one there that is nearly equal, such as 1 and 0 of training")


def test_a_near_copy_alone_is_named_too(parts):
    train, test = parts
    found = duplicates(train, test.subset(torch.tensor([0, 4])))
    assert (found.exact, found.near, found.example) == (0, 1, ("1_4", "0_11"))


def test_without_copies_there_is_nothing_to_say():
    assert str(duplicates(images(40, 0), images(10, 1))) == ""


def test_the_judge_gives_shares_and_the_sentence(parts):
    encoder, ones = own_frozen(torch.nn.Flatten(), parts[0]), np.ones((40, 2), np.float32)
    rows = [EmbeddedSamples((ones[: len(part)],), samples=part, frozen=encoder) for part in parts]
    judge = DuplicatesJudge(DuplicatesJudge.Config())
    judgement = judge.judge(*rows, judge.choose(rows[0]))
    assert judgement.numbers == {"exact_duplicates": (0.2,), "near_duplicates": (0.3,)}
    assert "such as 1_3 and 0_5 of training" in judgement.notes[0]


def test_rows_of_a_file_do_not_say_what_they_were_made_of():
    rows = Embeddings((np.eye(4, dtype=np.float32),))
    with pytest.raises(ValueError, match="judge 'duplicates' needs the encoder and its samples, got rows"):
        evaluate(rows, rows, "duplicates")


def test_every_evaluation_of_samples_says_so(parts):
    train, test = parts
    network = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten())
    result = evaluate(train, test, {"name": "classification", "split_seeds": [0], "penalties": [0.1]}, encoder=network)
    assert result.num_features == 12
    assert result.notes[0].startswith("Of 10 test samples 2 stand among the training samples too")
    assert list(result.judged) == ["classification"]
