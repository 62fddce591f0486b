import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anchorwise.modalities.images.image_set import ImageSet


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANCHORWISE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def encoded(value: int | tuple[int, ...] = 0, size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    """One plain picture: grey for a number, RGB or RGBA for a tuple."""
    mode = "L" if isinstance(value, int) else {3: "RGB", 4: "RGBA"}[len(value)]
    buffer = io.BytesIO()
    Image.new(mode, size, value).save(buffer, kind)
    return buffer.getvalue()


def class_counts(labelled: ImageSet) -> list[int]:
    """Images of every class."""
    return torch.bincount(labelled.labels, minlength=len(labelled.class_names)).tolist()


@pytest.fixture
def picture():
    return encoded


@pytest.fixture
def write_files(tmp_path: Path):
    def write(files: dict[str, bytes], folder: str = "images") -> Path:
        for name, content in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / folder

    return write


@pytest.fixture
def npy():
    def save(array: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, array)
        return buffer.getvalue()

    return save
