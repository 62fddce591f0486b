import io
import re

import numpy as np
import pytest
from PIL import Image

from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.training import reading_progress as display


@pytest.fixture
def images(tmp_path, monkeypatch) -> DataConfig:
    monkeypatch.setenv("ANCHORWISE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "pictures").mkdir()
    for i in range(300):
        Image.fromarray(np.full((8, 8), i % 256, np.uint8)).save(tmp_path / "pictures" / f"{i:03}.png")
    return DataConfig(source=str(tmp_path / "pictures"))


def test_in_a_pipe_decoding_says_now_and_then_how_far_it_is_and_then_where_the_images_are(
    images, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(display, "_FIRST_AFTER_S", 0.0)
    with display.reading_progress() as show:
        load_splits(images, on_progress=show)
    first, last = capsys.readouterr().out.splitlines()
    assert first == "decoding  85%  256 files of pictures"
    assert re.match(r"decoded 300 files of pictures in \d+ s: 0\.0\d+ MiB in ", last)
    assert last.split(" in ")[-1] in map(str, (tmp_path / "cache" / "decoded").iterdir())


def test_a_quick_decoding_is_one_line_and_a_cached_one_none(images, capsys):
    for num_lines in (1, 0):
        with display.reading_progress() as show:
            load_splits(images, on_progress=show)
        assert capsys.readouterr().out.count("\n") == num_lines


def test_on_a_terminal_decoding_is_a_bar(images, monkeypatch, capsys):
    terminal = io.StringIO()
    console = display.Console(file=terminal, force_terminal=True, width=80)
    monkeypatch.setattr(display, "Console", lambda stderr: console)
    with display.reading_progress() as show:
        load_splits(images, on_progress=show)
    assert "decoding" in terminal.getvalue()
    assert "300 files of pictures" in terminal.getvalue()
    assert capsys.readouterr().out.count("\n") == 1


def test_nothing_is_shown_where_nobody_asks(images, capsys):
    with display.reading_progress(show=False) as show:
        load_splits(images, on_progress=show)
    load_splits(images.model_copy(update={"image_size_px": 4}))
    assert capsys.readouterr() == ("", "")
