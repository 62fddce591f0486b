"""Candidates by common words, for rerankers."""

import pytest

from anchorwise.modalities.text.config import TextData
from anchorwise.modalities.text.tables import Texts

pytest.importorskip("sklearn", reason='not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.text.mining import with_candidates

PAIRS = (
    ("a red dog", "the red dog runs"),
    ("a red cat", "the red cat sleeps"),
    ("two boats", "boats on a lake"),
    ("a dog on a lake", "dogs at a lake"),
)


def test_hard_negatives_are_the_positives_of_others_with_most_words_in_common():
    made = with_candidates(Texts(PAIRS, names=("0", "1", "2", "3")), 3)
    assert [row[:2] for row in made.rows] == list(PAIRS)
    # "red" is shared with one, "lake" and "a" with two; no row has its own positive among the negatives.
    assert made.rows[0][2] == "the red cat sleeps"
    assert set(made.rows[3][2:]) == {"boats on a lake", "the red dog runs"}
    assert made.names == ("0", "1", "2", "3")
    for row, pair in zip(made.rows, PAIRS, strict=True):
        assert pair[1] not in row[2:]


def test_of_texts_that_say_the_same_the_first_two_are_query_and_positive():
    made = with_candidates(Texts(tuple((*pair, "another") for pair in PAIRS), are_alike=True), 2)
    assert not made.are_alike
    assert [len(row) for row in made.rows] == [3] * 4


def test_a_positive_of_two_queries_is_a_hard_negative_of_neither():
    made = with_candidates(Texts((*PAIRS, ("a red fox", "the red dog runs"))), 3)
    assert "the red dog runs" not in made.rows[0][2:]
    assert "the red dog runs" not in made.rows[4][2:]
    assert "the red dog runs" in made.rows[1][2:]


def test_of_the_candidates_some_are_drawn_at_random_among_those_that_are_left():
    hard = with_candidates(Texts(PAIRS), 3).rows
    drawn = [with_candidates(Texts(PAIRS), 3, num_random=1, seed=seed).rows for seed in range(8)]
    assert drawn[0] == with_candidates(Texts(PAIRS), 3, num_random=1, seed=0).rows
    for number, row in enumerate(hard):
        found = {rows[number][3] for rows in drawn}
        assert {rows[number][:3] for rows in drawn} == {row[:3]}
        assert found == {pair[1] for pair in PAIRS} - {row[1], row[2]}
    alone = with_candidates(Texts(PAIRS), 4, num_random=3).rows
    assert [set(row[1:]) for row in alone] == [{pair[1] for pair in PAIRS}] * 4


def test_more_candidates_at_random_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"data.num_random_candidates must be below data.num_candidates=3, .* got 3"):
        TextData(num_candidates=3, num_random_candidates=3)


def test_what_has_no_candidates_is_refused():
    with pytest.raises(ValueError, match="at most the 4 positives there are, got 5"):
        with_candidates(Texts(PAIRS), 5)
    with pytest.raises(ValueError, match="samples of one text; leave it out"):
        with_candidates(Texts((("alone",), ("too",))), 2)
    with pytest.raises(ValueError, match=r"is for pairs, .* got samples of 3 columns; leave it"):
        with_candidates(Texts(tuple((*pair, "wrong") for pair in PAIRS)), 2)


def test_no_other_positive_of_a_query_is_its_hard_negative():
    rows = (("a dog", "dogs"), ("a dog", "a dog barks"), ("a cat", "cats"), ("a car", "cars"))
    made = with_candidates(Texts(rows), 3).rows
    assert set(made[0][2:]) == set(made[1][2:]) == {"cats", "cars"}
    with pytest.raises(ValueError, match="must leave 3 positives that are not"):
        with_candidates(Texts(rows), 4)
