import math

import numpy as np
import pytest

from anchorwise.diagnostics import stream
from anchorwise.diagnostics.rows import usable_rows
from anchorwise.diagnostics.stream import sampled_anchors, stream_tails
from anchorwise.embeddings import Embeddings


def views(num=1, n=210, d=3, seed=0):
    rng = np.random.default_rng(seed)
    first = rng.standard_normal((n, d))
    return tuple(first + 0.1 * index * rng.standard_normal((n, d)) for index in range(num))


def negatives_reference(embeddings, anchor):
    """The (cosine, key) of all negatives of a row, hardest first, in plain Python."""
    rows = [(view, item, row) for view, array in enumerate(embeddings.views) for item, row in enumerate(array.tolist())]
    ids = list(range(len(embeddings.views[0]))) if embeddings.ids is None else embeddings.ids.tolist()
    view, item, own = rows[anchor]
    found = []
    for key, (other_view, other, row) in enumerate(rows):
        if ids[other] != ids[item] and not (embeddings.across and other_view == view):
            dot = math.fsum(x * y for x, y in zip(own, row, strict=True))
            found.append((dot / math.sqrt(math.fsum(x * x for x in own) * math.fsum(y * y for y in row)), key))
    return sorted(found, reverse=True)


def test_reference_matches_a_hand_worked_case():
    axes = Embeddings((np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]),))
    found = negatives_reference(axes, 0)
    assert [key for _, key in found] == [2, 1]
    assert [score for score, _ in found] == pytest.approx([1 / math.sqrt(2), 0.0])


@pytest.mark.parametrize(
    "embeddings",
    [
        Embeddings(views(1)),
        Embeddings(views(2)),
        Embeddings(views(2), across=True),
        Embeddings(views(1), ids=np.arange(210) // 3),
    ],
    ids=["one view", "two views", "two encoders", "ids"],
)
def test_tails_equal_the_reference_however_they_are_cut(embeddings, monkeypatch):
    rows = usable_rows(embeddings)
    anchors = sampled_anchors(rows, 12, np.random.default_rng(1))
    expected = [negatives_reference(embeddings, anchor) for anchor in anchors.tolist()]
    everything = sorted((score for found in expected for score, _ in found), reverse=True)
    for chunk_keys, chunk_anchors in ((1 << 14, 512), (37, 5)):
        monkeypatch.setattr(stream, "CHUNK_KEYS", chunk_keys)
        monkeypatch.setattr(stream, "CHUNK_ANCHORS", chunk_anchors)
        tails = stream_tails(rows, anchors, num_tail=20)
        # Float32 rows and sums of 3 products: a few units of 6e-8.
        assert tails.scores == pytest.approx(np.array([[s for s, _ in found[:20]] for found in expected]), abs=5e-7)
        for keys, found in zip(tails.keys.tolist(), expected, strict=True):
            assert len(set(keys) ^ {key for _, key in found[:20]}) <= 2  # Rounding may swap two that tie.
        assert tails.num_negatives == tails.histogram.sum() == len(everything)
        assert tails.pooled.scores == pytest.approx(np.array(everything), abs=5e-7)


def test_the_pool_keeps_the_largest_scores_of_all_anchors(monkeypatch):
    monkeypatch.setattr(stream, "CHUNK_KEYS", 20)
    monkeypatch.setattr(stream, "MAX_POOLED", 50)
    embeddings = Embeddings(views(1))
    rows = usable_rows(embeddings)
    anchors = sampled_anchors(rows, 30, np.random.default_rng(0))
    everything = sorted((s for a in anchors.tolist() for s, _ in negatives_reference(embeddings, a)), reverse=True)
    pooled = stream_tails(rows, anchors, num_tail=5).pooled
    assert pooled.scores == pytest.approx(np.array(everything[:50]), abs=5e-7)
    direct = (rows.units(anchors[pooled.anchors]) * rows.units(pooled.keys)).sum(axis=1)
    assert pooled.scores == pytest.approx(direct, abs=5e-7)


def test_exact_duplicates_are_listed_and_left_out_and_positives_are_no_negatives():
    view0, view1 = views(2)
    view0[5] = 3.0 * view0[2]
    rows = usable_rows(Embeddings((view0, view1)))
    tails = stream_tails(rows, np.array([5, 10]), num_tail=30)
    assert (tails.duplicates.anchors.tolist(), tails.duplicates.keys.tolist()) == ([0], [2])
    assert 2 not in tails.keys[0]
    assert tails.num_negatives == 2 * 418 - 1
    assert sorted(tails.positives.keys.tolist()) == [210 + 5, 210 + 10]


def test_progress_ends_at_one(monkeypatch):
    monkeypatch.setattr(stream, "CHUNK_KEYS", 100)
    shares = []
    rows = usable_rows(Embeddings(views(1)))
    stream_tails(rows, np.array([0]), num_tail=3, progress=shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_anchors_are_drawn_once_each_and_reproducibly():
    rows = usable_rows(Embeddings(views(1)))
    first, again = (sampled_anchors(rows, 100, np.random.default_rng(3)) for _ in range(2))
    assert len(set(first.tolist())) == 100
    assert first.tolist() == again.tolist()
    assert len(sampled_anchors(rows, 10_000, np.random.default_rng(3))) == 210
