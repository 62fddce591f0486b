"""Graphs read from folders, and what is wrong with them said in words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from anchorwise.modalities.graphs.config import GraphData
from anchorwise.modalities.graphs.graph import graph_of
from anchorwise.modalities.graphs.sources import read_graph
from anchorwise.modalities.graphs.splits import drawn_splits
from tests.modalities.graphs.folders import CLASSES, NUM_AUTHORS, NUM_PAPERS, as_heco, described, links


def _read(folder: Path, **settings):
    return read_graph(GraphData(source=str(folder), **settings))


def test_a_folder_says_what_is_linked_and_features_of_a_row_sum_to_one(tmp_path: Path):
    read = _read(described(tmp_path))
    graph, (writes, _) = read.graph, links()
    dense = np.zeros((NUM_PAPERS, NUM_AUTHORS))
    dense[writes[:, 1], writes[:, 0]] = 1.0
    assert np.array_equal(graph.meta_paths["PAP"].half.toarray(), dense)
    assert graph.meta_paths["PAP"].middle == "author"
    assert graph.sizes == {"paper": NUM_PAPERS, "author": NUM_AUTHORS, "subject": 6}
    np.testing.assert_allclose(graph.features["paper"].sum(axis=1), 1.0)
    assert "subject" not in graph.features
    assert read.labels is not None
    assert read.labels.tolist() == CLASSES.tolist()
    assert graph.what == "60 nodes (paper) on PAP, PSP"


def test_the_form_of_heco_gives_the_same_graph_under_its_own_letters(tmp_path: Path):
    ours, theirs = _read(described(tmp_path / "ours")), _read(as_heco(tmp_path / "theirs"))
    assert theirs.graph.target == "p"
    assert theirs.class_names == ("1", "2", "3")
    assert torch.equal(theirs.labels, ours.labels)
    for name, path in ours.graph.meta_paths.items():
        assert (path.half != theirs.graph.meta_paths[name].half).nnz == 0
    assert torch.equal(theirs.splits[5].validation, ours.splits[5].validation)


def test_pickled_neighbours_are_never_opened(tmp_path: Path):
    folder = as_heco(tmp_path)
    np.save(folder / "nei_a.npy", np.array([[1], [2, 3]], dtype=object), allow_pickle=True)
    np.save(folder / "labels.npy", np.array([{}] * NUM_PAPERS, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"labels\.npy cannot be used: Object arrays cannot be loaded"):
        _read(folder)


def test_a_longer_meta_path_counts_the_ways_to_its_middle(tmp_path: Path):
    folder = described(tmp_path)
    (folder / "lives.txt").write_text("\n".join(f"{author} {author % 4}" for author in range(NUM_AUTHORS)))
    text = (folder / "graph.toml").read_text()
    edges = '[edges.lives]\nbetween = ["author", "city"]\nfile = "lives.txt"\n\n[meta_paths]\n'
    way = 'PACAP = ["paper", "author", "city", "author", "paper"]\n'
    (folder / "graph.toml").write_text(text.replace("[meta_paths]\n", edges + way))
    graph = _read(folder, meta_paths=("PACAP", "PAP")).graph
    city = np.eye(4)[np.arange(NUM_AUTHORS) % 4]
    expected = graph.meta_paths["PAP"].half.toarray() @ city
    assert np.array_equal(graph.meta_paths["PACAP"].half.toarray(), expected)
    assert list(graph.meta_paths) == ["PACAP", "PAP"]


def test_a_graph_is_its_tensors(tmp_path: Path):
    graph = _read(described(tmp_path)).graph
    again = graph_of({**graph.tensors(), "fine": torch.zeros(2)})
    assert again.number == graph.number
    assert (again.target, again.sizes, list(again.meta_paths)) == (graph.target, graph.sizes, ["PAP", "PSP"])


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("labels.npy", lambda _: np.arange(7), "for each of the 60 nodes 'paper', .* got 7; .* with nodes.paper.num"),
        ("labels.npy", lambda _: np.array(["ml", "db"]), "must hold whole numbers, got others, of <U2; number names"),
        ("labels.npy", lambda _: np.full(60, np.nan), "must hold whole numbers, got others, of float64"),
        ("labels.npy", lambda _: np.zeros(60), "must have two classes or more, got 1"),
        ("writes.txt", "0 1\n2\n", r"writes\.txt cannot be used: every line must have 2 numbers, got 1 in line 2"),
        ("writes.txt", "0 1\n\n2 one\n", "must hold whole numbers, got 'one' in line 3"),
        ("writes.txt", "0 1\n-1 2\n", "node numbers begin at 0, got -1 in link 2"),
        ("writes.txt", "0 1\n24 2\n", "must name nodes that are there, got number 24 of 24 'author'"),
        (
            "about.txt",
            "0,1\n1,900\n",
            "numbers of 'subject' in .* have gaps: 2 are in use, up to 900; number",
        ),
        ("writes.txt", "", r"writes\.txt cannot be used: it must have two node numbers in every line"),
        ("graph.toml", ('"author", "paper"]\nPSP', '"autor", "paper"]\nPSP'), "did you mean 'author'"),
        ("graph.toml", ('"author", "paper"]\nPSP', '"author"]\nPSP'), "and the same way back"),
        (
            "graph.toml",
            ("[edges.about]", "[edges.also]\nbetween=['author','paper']\nfile='writes.txt'\n[edges.about]"),
            "one list of edges between 'paper' and 'author' on a meta-path, got writes, also",
        ),
        ("graph.toml", ('features = "paper.npz"', "num = 50"), "got number 59 of 50 'paper'"),
        ("graph.toml", ("labels =", "label ="), "unknown setting 'label'"),
        ("val.txt", "3\n20\n", "a node must be in one part, got number 3 in two"),
        ("val.txt", "60\n20\n", "validation must name at least 2 of the 60 nodes"),
    ],
)
def test_what_is_wrong_is_said_in_words(tmp_path: Path, file: str, change, words: str):
    path = described(tmp_path) / file
    if isinstance(change, str):
        path.write_text(change)
    elif isinstance(change, tuple):
        assert change[0] in path.read_text()
        path.write_text(path.read_text().replace(*change, 1))
    else:
        np.save(path, change(None))
    with pytest.raises(ValueError, match=words):
        _read(tmp_path)


def test_features_that_are_not_finite_are_refused(tmp_path: Path):
    folder = described(tmp_path)
    features = np.ones((NUM_PAPERS, 3))
    features[7, 1] = np.nan
    sparse.save_npz(folder / "paper.npz", sparse.csr_array(features))
    with pytest.raises(ValueError, match="its numbers must be finite, got another in row 7"):
        _read(folder)


def test_nodes_that_nothing_is_known_of_are_refused_and_others_without_links_are_counted(tmp_path: Path):
    folder = described(tmp_path)
    writes, about = links()
    np.savetxt(folder / "writes.txt", writes[writes[:, 1] > 3], fmt="%d")
    assert _read(folder).graph.what == "60 nodes (paper) on PAP (4 alone), PSP"
    np.savetxt(folder / "about.txt", about[about[:, 0] > 2], fmt="%d", delimiter=",")
    features = sparse.lil_array((NUM_PAPERS, 3))
    features[2:] = 1.0
    sparse.save_npz(folder / "paper.npz", sparse.csr_array(features))
    with pytest.raises(ValueError, match=r"link on a meta-path or features, got 2 of 60 .* the first is number 0"):
        _read(folder)


def test_a_folder_without_a_graph_and_one_that_is_not_there_are_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"must hold graph\.toml, or labels\.npy with meta-paths"):
        _read(tmp_path)
    with pytest.raises(FileNotFoundError, match="which is not there"):
        _read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"data\.meta_paths must be one of 'PAP', 'PSP', got 'PXP'"):
        _read(described(tmp_path), meta_paths=("PXP",))


def test_parts_are_drawn_where_the_folder_has_none():
    labels = torch.tensor(CLASSES).where(torch.arange(NUM_PAPERS) > 4, -1)
    how = {"num_validation": 20, "num_test": 1000, "seed": 3}
    splits = drawn_splits(labels, (2, 4), **how)
    assert torch.equal(splits[4].train, drawn_splits(labels, (2, 4), **how)[4].train)
    for number, split in splits.items():
        split.check("splits", labels)
        assert labels[split.train].bincount().tolist() == [number] * 3
    assert set(splits[2].train.tolist()) < set(splits[4].train.tolist())
    assert (len(splits[4].validation), len(splits[4].test)) == (20, 21)
    with pytest.raises(ValueError, match="got 18, and the smallest class has 18 labelled nodes; lower it"):
        drawn_splits(labels, (18,), **how)
