import os

import numpy as np
import pytest
from PIL import Image

from anchorwise.diagnostics.item_pictures import with_images
from anchorwise.embeddings import Embeddings

ROWS = np.ones((3, 2))


def test_pictures_are_found_by_the_names_of_the_items(tmp_path):
    Image.new("RGB", (80, 90), (255, 0, 0)).save(tmp_path / "0.png")
    embeddings = with_images(Embeddings((ROWS,), names=["0.png", "1.png", "2.png"]), tmp_path)
    assert embeddings.image(0).shape == (3, 64, 64)


def test_a_picture_that_is_missing_damaged_or_a_pipe_is_none(tmp_path):
    (tmp_path / "0.png").write_bytes(b"no picture")
    os.mkfifo(tmp_path / "1.png")
    embeddings = with_images(Embeddings((ROWS,), names=["0.png", "1.png", "2.png"]), tmp_path)
    assert [embeddings.image(item) for item in range(3)] == [None] * 3


@pytest.mark.parametrize("name", ["../secret.png", "a/../../secret.png", "/etc/hostname"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    (tmp_path / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match=f"must lie in .*, got '{name}'; name them relative to it"):
        with_images(Embeddings((ROWS,), names=["0.png", "1.png", name]), tmp_path)


@pytest.mark.parametrize("names", [(), ("0.png", "1.png", "2.png")])
def test_names_that_are_no_files_are_refused(tmp_path, names):
    first = repr(names[0]) if names else "nothing"
    with pytest.raises(ValueError, match=f"the names of the items must be image files in .* got {first}"):
        with_images(Embeddings((ROWS,), names=names), tmp_path)
