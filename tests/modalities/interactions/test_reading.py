"""Folders of users and items: every layout, what is left out, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anchorwise import _files
from anchorwise.modalities.interactions.pairs import held_out, sorted_pairs
from tests.modalities.interactions.tables import listed, pairs_of, read

TRAIN = {("5", "7"), ("5", "30"), ("9", "7"), ("9", "8")}


def _reasons(splits) -> list[tuple[str, str]]:
    return [(each.name, each.reason) for each in splits.pretrain.skipped]


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        (("train", "test"), "5 7 30\n\n9 8 7\n", "5 8\n9 30\n"),
        (("train", "test"), "5 7 1\n5 30 1\n9 8 1\n9 7 1\n", "5 8 1\n9 30 1\n"),
        (("data1", "test1"), "5\t7\t13883\n5\t30\t3.2466e+05\n9\t8\t2\n9\t7\t1\n", "5\t8\t7\n9\t30\t1\n"),
        (("train", "test"), "5,7\n5,30\n9,8\n9,7", "5,8\n9,30"),
        (("train", "test"), "5, 7, 30\n9, 8, 7\n", '5\t"8"\n9\t30\n'),
    ],
    ids=["lists", "weights", "counts", "pairs", "parted"],
)
def test_a_folder_is_read_in_every_layout(tmp_path: Path, names, train: str, test: str):
    splits = read(listed(tmp_path, **dict(zip(names, (train, test), strict=True))))
    assert pairs_of(splits.pretrain) == TRAIN
    assert pairs_of(splits.test) == {("5", "8"), ("9", "30")}
    assert _reasons(splits) == []
    assert splits.pretrain.what == "4 interactions of 2 users and 3 items"
    assert splits.pretrain.fingerprint() == read(tmp_path).pretrain.fingerprint()


def test_names_with_blanks_stay_whole_where_tabs_or_commas_part_them(tmp_path: Path):
    splits = read(listed(tmp_path, train='u1,"Heat, The",Alien\nu2,Jaws,"Heat, The"\n', test="u1\tJaws\n"))
    assert pairs_of(splits.pretrain) == {
        ("u1", "Heat, The"),
        ("u1", "Alien"),
        ("u2", "Jaws"),
        ("u2", "Heat, The"),
    }


def _save_matrix(path: Path, edges: list[tuple[int, int]], size: int) -> None:
    dense = np.zeros((size, size), np.float32)
    for user, item in edges:
        dense[user, item] = dense[item, user] = 1.0
    rows, columns = dense.nonzero()
    starts = np.searchsorted(rows, np.arange(size + 1)).astype(np.int32)
    parts = {"indices": columns.astype(np.int32), "indptr": starts, "data": dense[rows, columns]}
    np.savez(path, **parts, shape=np.array([size, size]), format=np.array(b"csr"))


def test_a_matrix_over_users_and_then_items_is_read(tmp_path: Path):
    _save_matrix(tmp_path / "s_adj_mat.npz", [(0, 2), (0, 3), (1, 3), (1, 4)], 5)
    splits = read(listed(tmp_path, test="0 2\n1 0\n"))
    assert pairs_of(splits.pretrain) == {("0", "0"), ("0", "1"), ("1", "1"), ("1", "2")}
    assert pairs_of(splits.test) == {("0", "2"), ("1", "0")}


@pytest.mark.parametrize(
    ("edges", "size", "words"),
    [
        ([(0, 1), (1, 2)], 3, "its first nodes must be users and the others items"),
        ([(0, 2), (0, 3)], 4, r"nodes 1 \.\. 1 have no interactions, .*write the interactions as train\.txt"),
        ([], 3, "it must be square and have interactions, got 0 in 3 x 3"),
    ],
)
def test_a_matrix_that_does_not_say_what_is_an_item_is_refused(tmp_path: Path, edges, size: int, words: str):
    _save_matrix(tmp_path / "s_adj_mat.npz", edges, size)
    with pytest.raises(_files.UnusableFileError, match=f"s_adj_mat.npz cannot be used: {words}"):
        read(tmp_path)


def test_nothing_pickled_is_read(tmp_path: Path):
    np.savez(tmp_path / "s_adj_mat.npz", indices=np.array([{}]), indptr=np.array([0]), shape=[1, 1], format=b"csr")
    with pytest.raises(_files.UnusableFileError, match=r"s_adj_mat\.npz cannot be used"):
        read(tmp_path)


def test_what_nobody_can_be_asked_about_is_left_out_and_counted(tmp_path: Path):
    splits = read(listed(tmp_path, train="5 7 30 7\n9 8 7\n77\n", test="5 8 7 41\n4 7\n9 30 30"))
    assert pairs_of(splits.pretrain) == TRAIN
    assert pairs_of(splits.test) == {("5", "8"), ("9", "30")}
    assert dict(_reasons(splits)) == {
        "user 5, item 7 of the training": "it stands there before",
        "user 5, item 7 of test.txt": "it is known already",
        "user 5, item 41 of test.txt": "the training has no such item",
        "user 4, item 7 of test.txt": "the training has no such user",
        "user 9, item 30 of test.txt": "it stands there before",
    }


def test_a_file_of_validation_items_is_asked_for_and_known_to_the_test(tmp_path: Path):
    splits = read(listed(tmp_path, train="a x\nb y z\nc z w v\n", valid="a y\n", test="a y z\n"))
    assert pairs_of(splits.train) == {("a", "y")}
    assert pairs_of(splits.test) == {("a", "z")}
    assert splits.test.known.of(torch.tensor([0]))[1].tolist() == [2, 3]
    with pytest.raises(ValueError, match=r"validation_share must be 0 where valid\.txt is there, got 0\.2"):
        read(tmp_path, validation_share=0.2)


def test_held_out_items_are_a_share_of_each_users_by_seed_and_never_all():
    users, items = (
        torch.arange(12).repeat_interleave(torch.arange(1, 13)),
        torch.cat([torch.arange(n) for n in range(1, 13)]),
    )
    pairs = sorted_pairs(users, items, 12, 12)
    held = [torch.bincount(pairs.users[held_out(pairs, share, 0)], minlength=12).tolist() for share in (0.25, 0.99)]
    assert held == [[round(0.25 * n) for n in range(1, 13)], list(range(12))]
    assert held_out(pairs, 0.25, 0).equal(held_out(pairs, 0.25, 0))
    assert not held_out(pairs, 0.25, 0).equal(held_out(pairs, 0.25, 1))


def test_a_validation_part_takes_nothing_from_the_test(tmp_path: Path):
    lines = [" ".join(map(str, [user, *range(user, user + 8)])) for user in range(6)]
    folder = listed(tmp_path, train="\n".join(lines), test="0 9\n1 0\n5 0 2 4\n")
    whole, parted = read(folder), read(folder, validation_share=0.25)
    assert pairs_of(parted.pretrain) | pairs_of(parted.train) <= pairs_of(whole.pretrain)
    assert not pairs_of(parted.pretrain) & pairs_of(parted.train)
    assert len(pairs_of(parted.train)) >= 6
    assert pairs_of(parted.test) <= pairs_of(whole.test)


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        ({}, FileNotFoundError, "must be a folder with data1.txt and test1.txt, with train.txt and test.txt"),
        ({"train": "  \n"}, ValueError, "train.txt cannot be used: it has no line"),
        (
            {"data1": "1 2 x\n1 3 5\n"},
            ValueError,
            "data1.txt cannot be used: line 1 must be a user, an item and a number, got",
        ),
        ({"train": "u,i,r\n1,5,4\n1,6,5\n"}, ValueError, "train.txt cannot be used: line 1 names columns, got 'u i r'"),
        ({"train": "u i\n1 5\n1 6\n"}, ValueError, "line 1 names columns, got 'u i'; leave it out"),
        ({"train": "1::5::4\n2::6::5\n"}, ValueError, "no line has an item behind its user, got '1::5::4' first"),
        (
            {"train": "1 5 4 88125\n1 6 5 88126\n2 5 1 88127\n"},
            ValueError,
            "users stand on several lines, each of 4 words; .* got '1 5 4 88125' in line 1; leave the other columns",
        ),
        ({"train": "1 5\n"}, ValueError, "at least two users and two items, got 1 and 1"),
        ({"train": "1 5 6\n2 5\n"}, ValueError, "user '1' has all 2 items, so that none is left to rank below hers"),
        ({"train": "1 5\n2 6\n", "test": "3 5\n"}, ValueError, "got none among 1 interactions"),
    ],
)
def test_what_nothing_can_be_learnt_of_is_refused_in_words(tmp_path: Path, files, error, words: str):
    with pytest.raises(error, match=words):
        read(listed(tmp_path, **files))


def test_without_a_test_file_nothing_is_judged(tmp_path: Path):
    assert read(listed(tmp_path, train="1 5\n2 6\n")).test is None
