"""Rows that belong together, such as photographs of one patient, are never on both sides of a split."""

import numpy as np
import pytest

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.classification import Classification

# 200 tracks of five near-equal rows each; a track says nothing about the others of its class.
NUM_TRACKS, LENGTH = 200, 5


def tracks(groups: bool) -> Embeddings:
    rng = np.random.default_rng(0)
    track = np.arange(NUM_TRACKS).repeat(LENGTH)
    rows = rng.normal(size=(NUM_TRACKS, 16))[track] + 0.01 * rng.normal(size=(len(track), 16))
    labels = rng.permutation(np.arange(NUM_TRACKS) % 4)[track]
    return Embeddings((rows.astype(np.float32),), labels=labels, groups=track if groups else None)


@pytest.fixture
def judge() -> Classification:
    return Classification(Classification.Config(split_seeds=(0, 1), penalties=(1.0,), knn_max_neighbors=5))


def test_a_split_across_tracks_finds_each_row_its_neighbour_and_a_split_by_track_does_not(judge: Classification):
    across, by_track = judge.choose(tracks(groups=False)), judge.choose(tracks(groups=True))
    assert min(across.validation["knn"]) > 0.99
    assert max(by_track.validation["knn"]) < 0.5
    assert max(by_track.validation["linear"]) < 0.5


def test_the_accuracy_that_is_watched_goes_by_track(judge: Classification):
    assert judge.watch(tracks(groups=False))["knn_accuracy"] > 0.99
    assert judge.watch(tracks(groups=True))["knn_accuracy"] < 0.5


def test_groups_may_be_words_and_where_each_class_is_one_nothing_is_watched(judge: Classification):
    rows = tracks(groups=False)
    words = Embeddings(rows.views, labels=rows.labels, groups=np.array([f"class {label}" for label in rows.labels]))
    assert judge.watch(words) == {}
    with pytest.raises(ValueError, match="labels must name a class of two or more groups"):
        judge.choose(words)
