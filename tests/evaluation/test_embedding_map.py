import base64
import hashlib
import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation import embedding_map
from anchorwise.evaluation.embedding_map import MOST_ITEMS, embedding_maps
from anchorwise.reporting.report import Report, ReportSection, Table


def _rows(num_items: int = 12, width: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(num_items, width)).astype(np.float32)


def test_rows_on_an_arc_keep_their_order_along_the_first_component():
    angles = np.linspace(0.2, 1.2, 9)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lengths = np.random.default_rng(0).uniform(0.1, 10.0, (9, 1))

    (drawn, *_) = embedding_maps(Embeddings((rows * lengths,)))

    places = [dot.x for dot in drawn.dots]
    assert places in (sorted(places), sorted(places, reverse=True))
    assert "100% of the variance" in drawn.caption


def test_places_fill_the_square_alike_along_both_axes():
    rows = _rows(40)
    (drawn, *_) = embedding_maps(Embeddings((rows,)))
    places = np.array([(dot.x, dot.y) for dot in drawn.dots])

    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    centred = units - units.mean(axis=0)
    scores = centred @ np.linalg.svd(centred)[2][:2].T
    assert places.min() >= 0
    assert places.max() <= 1
    spread = np.ptp(places, axis=0)
    assert spread.max() == pytest.approx(1.0)
    assert spread[1] / spread[0] == pytest.approx(np.ptp(scores[:, 1]) / np.ptp(scores[:, 0]), rel=1e-4)


def test_neighbours_are_those_of_the_whole_space():
    rows = _rows()
    (drawn, *_) = embedding_maps(Embeddings((rows,)))

    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    for number, dot in enumerate(drawn.dots):
        assert [other for other, _ in dot.near] == np.argsort(-cosines[number])[:5].tolist()
        assert [cosine for _, cosine in dot.near] == pytest.approx(
            np.sort(cosines[number])[::-1][:5].tolist(), abs=1e-5
        )


def test_of_many_items_some_are_drawn_and_always_the_same():
    rows = Embeddings((_rows(MOST_ITEMS + 200, 3),))
    first, second = (embedding_maps(rows)[0] for _ in range(2))
    assert len(first.dots) == MOST_ITEMS
    assert first == second
    assert len({dot.name for dot in first.dots}) == MOST_ITEMS


def test_items_that_may_not_be_drawn_are_not():
    rows = _rows()
    rows[3] = np.nan
    kept = np.delete(np.arange(12), 3)
    (drawn, *_) = embedding_maps(Embeddings((rows,)), kept=kept)
    assert [dot.name for dot in drawn.dots] == [str(item) for item in kept]


def test_classes_stand_in_the_legend_in_the_order_of_their_numbers():
    labels = np.arange(12)[::-1].copy()
    (drawn, *_) = embedding_maps(Embeddings((_rows(),), labels=labels))
    assert [name for _, name in drawn.legend] == [str(number) for number in range(12)]
    assert len({colour for colour, _ in drawn.legend}) == 12
    assert [drawn.groups[dot.group] for dot in drawn.dots] == [str(label) for label in labels]


def test_collapsed_rows_make_a_map():
    (drawn, *_) = embedding_maps(Embeddings((np.ones((6, 4)),)))
    assert {(round(dot.x, 3), round(dot.y, 3)) for dot in drawn.dots} == {(0.5, 0.5)}


def test_two_items_make_no_map():
    with pytest.raises(ValueError, match="at least 3 items, got 2"):
        embedding_maps(Embeddings((_rows(2),)))


def test_every_item_has_its_picture_in_the_sheet_and_one_without_an_empty_place():
    def picture(item: int) -> torch.Tensor | None:
        return None if item == 4 else torch.full((1, 8, 8), 20 * item, dtype=torch.uint8)

    (drawn, *_) = embedding_maps(Embeddings((_rows(),), image=picture))

    assert drawn.pictures is not None
    sheet = Image.open(io.BytesIO(base64.b64decode(drawn.pictures.uri.partition(",")[2])))
    cell = sheet.width // drawn.pictures.columns
    assert sheet.height == cell * drawn.pictures.rows
    for item in range(12):
        x, y = item % drawn.pictures.columns, item // drawn.pictures.columns
        assert sheet.getpixel((x * cell + 3, y * cell + 3)) == (0 if item == 4 else 20 * item,) * 3


def test_items_none_of_which_has_a_picture_have_no_sheet():
    (drawn, *_) = embedding_maps(Embeddings((_rows(),), image=lambda item: None))
    assert drawn.pictures is None


def test_a_name_cannot_write_into_the_page():
    names = ['"><script>alert(1)</script>', *map(str, range(11))]
    maps = embedding_maps(Embeddings((_rows(),), names=names))
    page = Report("Title", "Summary.", [ReportSection("Map", maps)]).html()
    assert "<script>alert" not in page
    assert page.count("<circle") == 12 * len(maps)


def test_a_page_with_a_map_and_a_table_to_sort_runs_both_scripts_and_no_other():
    blocks = [*embedding_maps(Embeddings((_rows(),))), Table(("a",), [["1"]], is_sortable=True)]
    page = Report("Title", "Summary.", [ReportSection("Both", blocks)]).html()
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert "table.sortable" in script
    assert ".map" in script
    (asked,) = re.findall(r"script-src '(sha256-[^']*)'", page)
    assert asked == "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def test_where_umap_is_installed_there_is_a_second_map_of_the_same_items(monkeypatch):
    class Mirrored:
        def __init__(self, **settings) -> None:
            assert settings["metric"] == "cosine"
            assert settings["n_neighbors"] < 12

        def fit_transform(self, rows):
            return -rows[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Mirrored))
    monkeypatch.setattr(embedding_map, "is_installed", lambda module: module == "umap")
    rows = _rows()
    components, umap = embedding_maps(Embeddings((rows,)), of="pixels")

    assert (components.title, umap.title) == ("pixels: Two principal components", "pixels: UMAP")
    assert [dot.near for dot in components.dots] == [dot.near for dot in umap.dots]
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.argsort([dot.x for dot in umap.dots]).tolist() == np.argsort(-units[:, 0]).tolist()
