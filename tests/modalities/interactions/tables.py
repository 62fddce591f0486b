"""Small tables of users and items on disk."""

from pathlib import Path

import numpy as np
import torch

from anchorwise.modalities.interactions.config import InteractionData
from anchorwise.modalities.interactions.samples import InteractionSamples, splits_of
from anchorwise.modalities.interactions.sources import read_parts
from anchorwise.modalities.samples import Samples, Splits


def listed(folder: Path, **files: str) -> Path:
    """Write `train.txt` and the like."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def two_circles(folder: Path, num_users: int = 24, num_items: int = 16) -> Path:
    """Write users of two circles, each with six of the items of its own to train on and two to be found."""
    generator = np.random.default_rng(0)
    lines = {"train": list[str](), "test": list[str]()}
    for user in range(num_users):
        own = generator.permutation(num_items // 2) + (user % 2) * num_items // 2
        lines["train"].append(" ".join(map(str, [user, *own[:6]])))
        lines["test"].append(" ".join(map(str, [user, *own[6:8]])))
    return listed(folder, **{name: "\n".join(rows) for name, rows in lines.items()})


def read(folder: Path, **settings: object) -> Splits[Samples]:
    return splits_of(read_parts(InteractionData.model_validate({"source": str(folder), **settings})))


def pairs_of(samples: Samples | None) -> set[tuple[str, str]]:
    """Return what the test part asks for, or what a training has, by name."""
    assert isinstance(samples, InteractionSamples)
    pairs = samples.graph if samples.asked is None else samples.asked
    both = torch.stack([pairs.users, pairs.items], dim=1).tolist()
    return {(samples.user_names[user], samples.item_names[item]) for user, item in both}
