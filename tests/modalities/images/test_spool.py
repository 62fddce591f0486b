import io
from contextlib import closing

import numpy as np
import pytest
import torch

from anchorwise.modalities.images import spool as spooling
from anchorwise.modalities.images.reading import read_images
from anchorwise.modalities.images.spool import Spool

GREY, COLOUR = (np.arange(4 * c, dtype=np.uint8).reshape(c, 2, 2) + 100 * (c - 1) // 2 for c in (1, 3))


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_pictures_come_back_by_name_and_grey_ones_in_every_colour(tmp_path, is_on_disk):
    with closing(Spool(tmp_path if is_on_disk else None)) as spool:
        spool.add("b", GREY)
        spool.add("a", COLOUR)
        assert spool.shape() == (2, 3, 2, 2)
        assert (spool.stacked() == np.stack([COLOUR, np.repeat(GREY, 3, axis=0)])).all()
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_are_no_squares_are_taken_where_all_have_one_size():
    with closing(Spool(None)) as spool:
        spool.add("a", np.zeros((1, 2, 3), np.uint8))
        spool.add("b", np.zeros((1, 2, 3), np.uint8))
        assert spool.stacked().shape == (2, 1, 2, 3)
        spool.add("c", np.zeros((1, 3, 2), np.uint8))
        with pytest.raises(ValueError, match="must share one size, got 2 x 3 px in 'c' and 3 x 2 px in 'a'; set image"):
            spool.shape()


class _Full(io.FileIO):
    """A file on a disk with room for 31 bytes."""

    left = 31

    def write(self, content) -> int:
        taken = min(len(content), self.left)
        if taken == 0:
            raise OSError(28, "No space left on device")
        self.left -= taken
        return super().write(content[:taken])


def test_a_disk_that_is_full_loses_no_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(spooling.tempfile, "TemporaryFile", lambda **_: _Full(tmp_path / "spool", "w+"))
    pictures = [np.full((3, 2, 2), number, np.uint8) for number in range(5)]
    with closing(Spool(tmp_path)) as spool:
        for number, picture in enumerate(pictures):
            spool.add(str(number), picture)
        assert (spool.stacked() == np.stack(pictures)).all()


def test_what_is_kept_is_what_is_read_without_a_cache(write_files, picture, monkeypatch):
    folder = write_files({f"{name}.png": picture(value) for name, value in (("b", 3), ("a", (1, 2, 3)), ("c", 9))})
    kept = read_images(folder)
    monkeypatch.setenv("ANCHORWISE_CACHE", "/dev/null/nowhere")
    with pytest.warns(UserWarning, match="decoded images are not kept"):
        again = read_images(folder)
    assert torch.equal(kept.images, again.images)
    assert kept.images.shape == (3, 3, 8, 8)
    assert (kept.names, kept.skipped, kept.classes) == (again.names, again.skipped, again.classes)
