"""Folders as HeCo and MEOW lay out their data sets, described by the names of their files.

    p_feat.npz, a_feat.npz      features of the kinds p and a
    pa.txt or nei_a.npz         edges between p and a
    pap.npz, psp.npz            meta-paths of p; their names alone are read, and the matrices multiplied anew
    labels.npy                  classes of the nodes at whose kind the meta-paths begin
    train_20.npy, val_20.npy, test_20.npy

Some hold the neighbours as pickled lists (`nei_a.npy`), which are never opened.

Sources: Wang et al. 2021 (HeCo), https://arxiv.org/abs/2105.09111, and Yu and Li 2023 (MEOW), released data.
"""

import re
from pathlib import Path

from anchorwise.modalities.graphs.description import Description, EdgesOf, NodesOf, SplitOf

_EDGES, _NEIGHBORS = re.compile(r"([a-z])([a-z])\.txt"), re.compile(r"nei_([a-z])\.npz")
_PATH, _FEATURES, _TRAIN = (
    re.compile(r"[a-z]{3,9}\.npz"),
    re.compile(r"([a-z])_feat\.npz"),
    re.compile(r"train_(\d+)\.npy"),
)


def is_heco(folder: Path) -> bool:
    """Return whether a folder has meta-paths and labels by such names."""
    return (folder / "labels.npy").is_file() and bool(_paths(folder))


def described_as_heco(folder: Path) -> Description:
    """Return what the files of such a folder say of the graph.

    Raises:
        ValueError: If its meta-paths do not begin at one kind of node, or links of one are not there.
    """
    paths = _paths(folder)
    targets = sorted({path[0] for path in paths})
    if len(targets) != 1:
        raise ValueError(f"meta-paths in {folder} must begin at one kind of node, got {', '.join(paths)}")
    (target,) = targets
    edges = {
        f"{target}{found[1]}": EdgesOf(between=(target, found[1]), file=found[0])
        for found in _named(folder, _NEIGHBORS)
    }
    for found in _named(folder, _EDGES):
        if not {f"{found[1]}{found[2]}", f"{found[2]}{found[1]}"} & edges.keys():
            edges[f"{found[1]}{found[2]}"] = EdgesOf(between=(found[1], found[2]), file=found[0])
    return Description(
        target=target,
        labels="labels.npy",
        nodes={found[1]: NodesOf(features=found[0]) for found in _named(folder, _FEATURES)},
        edges=edges,
        meta_paths={path.upper(): tuple(path) for path in paths},
        splits={
            int(found[1]): SplitOf(train=found[0], validation=f"val_{found[1]}.npy", test=f"test_{found[1]}.npy")
            for found in _named(folder, _TRAIN)
        },
    )


def _paths(folder: Path) -> list[str]:
    names = (found[0].removesuffix(".npz") for found in _named(folder, _PATH))
    return [name for name in names if len(name) % 2 == 1 and name == name[::-1]]


def _named(folder: Path, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    found = (pattern.fullmatch(path.name) for path in sorted(folder.iterdir()))
    return [match for match in found if match is not None]
