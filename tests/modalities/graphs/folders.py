"""Small graphs on disk: papers of three classes, linked by authors and subjects."""

from pathlib import Path

import numpy as np
from scipy import sparse

NUM_PAPERS, NUM_AUTHORS, NUM_SUBJECTS, NUM_WORDS = 60, 24, 6, 30
CLASSES = np.arange(NUM_PAPERS) % 3

DESCRIBED = """
target = "paper"
labels = "labels.npy"

[nodes.paper]
features = "paper.npz"

[nodes.author]
features = "author.npz"

[edges.writes]
between = ["author", "paper"]
file = "writes.txt"

[edges.about]
between = ["paper", "subject"]
file = "about.txt"

[meta_paths]
PAP = ["paper", "author", "paper"]
PSP = ["paper", "subject", "paper"]

[splits.5]
train = "train.txt"
validation = "val.txt"
test = "test.txt"
"""


def links() -> tuple[np.ndarray, np.ndarray]:
    """Return which authors, mostly of its class, and which subject a paper has."""
    rng = np.random.default_rng(0)
    writes = [
        (author, paper)
        for paper in range(NUM_PAPERS)
        for author in rng.choice(NUM_AUTHORS // 3, 2, replace=False) * 3 + (CLASSES[paper] + (rng.random() < 0.2)) % 3
    ]
    about = [(paper, (CLASSES[paper] + 3 * (paper % 2)) % NUM_SUBJECTS) for paper in range(NUM_PAPERS)]
    return np.array(writes), np.array(about)


def words(num: int, seed: int) -> sparse.csr_array:
    """Return counted words, more of those of a node's class."""
    rng = np.random.default_rng(seed)
    rates = np.where(np.arange(NUM_WORDS) % 3 == (np.arange(num) % 3)[:, None], 0.6, 0.2)
    return sparse.csr_array((rng.random((num, NUM_WORDS)) < rates).astype(np.float64))


def parts() -> dict[str, np.ndarray]:
    """Return five papers of each class to fit on, and the rest in halves."""
    return {"train": np.arange(15), "val": np.arange(15, 37), "test": np.arange(37, NUM_PAPERS)}


def described(folder: Path) -> Path:
    """Write a graph that says itself what it is."""
    folder.mkdir(parents=True, exist_ok=True)
    writes, about = links()
    (folder / "graph.toml").write_text(DESCRIBED, encoding="utf-8")
    sparse.save_npz(folder / "paper.npz", words(NUM_PAPERS, 1))
    sparse.save_npz(folder / "author.npz", words(NUM_AUTHORS, 2))
    np.savetxt(folder / "writes.txt", writes, fmt="%d")
    np.savetxt(folder / "about.txt", about, fmt="%d", delimiter=",")
    np.save(folder / "labels.npy", CLASSES)
    for name, numbers in parts().items():
        np.savetxt(folder / f"{name}.txt", numbers, fmt="%d")
    return folder


def as_heco(folder: Path) -> Path:
    """Write the same graph in the form of HeCo and MEOW."""
    folder.mkdir(parents=True, exist_ok=True)
    writes, about = links()
    sparse.save_npz(folder / "p_feat.npz", words(NUM_PAPERS, 1))
    sparse.save_npz(folder / "a_feat.npz", words(NUM_AUTHORS, 2))
    np.savetxt(folder / "pa.txt", writes[:, ::-1], fmt="%d")
    ones = (np.ones(NUM_PAPERS), (about[:, 0], about[:, 1]))
    sparse.save_npz(folder / "nei_s.npz", sparse.coo_array(ones, shape=(NUM_PAPERS, NUM_SUBJECTS)))
    for name in ("pap", "psp"):
        (folder / f"{name}.npz").write_bytes(b"nobody reads this")
    np.save(folder / "labels.npy", CLASSES.astype(np.float64) + 1)
    for name, numbers in parts().items():
        np.save(folder / f"{name}_5.npy", numbers)
    return folder
