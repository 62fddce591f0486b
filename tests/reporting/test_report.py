import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
import torch

from anchorwise.reporting.pictures import figure_uri, image_uri, sheet_uri
from anchorwise.reporting.report import (
    Code,
    Facts,
    Figures,
    Picture,
    PictureRow,
    PictureRows,
    Report,
    ReportSection,
    Table,
    Text,
)

DOT = image_uri(torch.zeros(1, 2, 2, dtype=torch.uint8))
BLOCKS = (
    Text(["One.", "Two & three <b>."]),
    Table(["name", "value"], [["a", "1"], ["<script>", "2"]], caption="Numbers."),
    Figures([DOT], ["a dot"], caption="Figures."),
    PictureRows([PictureRow("query", [Picture(DOT, "7", "query"), Picture(DOT, "1", "wrong")])], caption="Pictures."),
    Facts({"torch": "2.15"}),
    Code("anchorwise demo"),
    Code("a = 1", summary="All settings"),
)


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page():
    html = Report("A & B", "What <it> is.", [ReportSection("First", BLOCKS), ReportSection("Second", [])]).html()
    return html, Page()


def test_the_page_is_well_formed_and_complete(page):
    html, parser = page
    parser.feed(html)
    assert parser.open == []
    for text in ("First", "Second", "One.", "Numbers.", "Figures.", "Pictures.", "2.15", "anchorwise demo", "a = 1"):
        assert text in html


def test_the_page_asks_for_nothing_from_anywhere(page):
    html, parser = page
    parser.feed(html)
    assert parser.addresses
    assert all(address.startswith(("data:", "#")) for address in parser.addresses)
    assert "script" not in parser.tags
    assert "link" not in parser.tags
    assert not re.search(r"url\(|@import|https?://", html)


def test_every_text_is_escaped(page):
    html, _ = page
    assert "Two &amp; three &lt;b&gt;." in html
    assert "&lt;script&gt;" in html
    assert "A &amp; B" in html


def test_a_report_is_written_to_its_path(tmp_path):
    path = tmp_path / "new" / "report.html"
    Report("T", "S", []).write(path)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_table_with_a_missing_cell_is_refused():
    with pytest.raises(ValueError, match=r"rows must have 2 cells, one per column, got \['a'\]"):
        Table(["name", "value"], [["a"]])


@pytest.mark.parametrize("num_channels", [1, 2, 3])
def test_an_image_keeps_its_pixels(num_channels):
    import io

    import numpy as np
    from PIL import Image

    image = torch.randint(0, 256, (num_channels, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    encoded = image_uri(image, size_px=20).removeprefix("data:image/png;base64,")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    assert shown.shape[:2] == (24, 24)
    expected = image.permute(1, 2, 0).numpy() if num_channels == 3 else image[0].numpy()
    assert np.array_equal(shown[::3, ::3], expected)


def test_a_picture_on_a_sheet_keeps_its_form():
    import io

    import numpy as np
    from PIL import Image

    encoded = sheet_uri([torch.full((1, 4, 8), 255, dtype=torch.uint8)], columns=1, size_px=8)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded.removeprefix("data:image/png;base64,")))))
    assert (shown[2:6] == 255).all()
    assert shown[[0, 1, 6, 7]].max() == 0


def test_a_figure_lies_on_the_ground_of_its_page():
    from anchorwise.reporting.figures import panel

    figure, axes = panel("title", "x", "y")
    axes.plot([0, 1], [0, 1], label="a line")
    svg = base64.b64decode(figure_uri(figure).partition(",")[2]).decode()
    assert not re.search(r"fill: #ffffff(?!; opacity: 0)", svg), "white paper in a dark page"


def test_a_curve_of_one_point_is_a_dot():
    from anchorwise.reporting.figures import curve_figure

    curves = {"one": ([3.0], [0.5]), "two": ([3.0, 4.0], [0.5, 0.6])}
    one, two = curve_figure(curves, {"one": "k", "two": "k"}, title="", x_label="", y_label="").axes[0].lines
    assert (one.get_marker(), two.get_marker()) == ("o", "None")


def test_a_column_of_long_texts_is_set_in_lines_and_numbers_are_not():
    table = Table(["name", "value", "verdict"], [["a", "1", "b"], ["c", "2", "undecided; judge again in a new study"]])
    page = Report("T", "S", [ReportSection("First", [table])]).html()
    assert page.count('class="words"') == 3  # The heading and both cells of one column.


def test_a_table_with_a_summary_is_folded_away(page):
    table = Table(["name"], [["a"]], summary="All of them")
    html = Report("T", "S", [ReportSection("First", [table])]).html()
    assert re.search(r"<details><summary>All of them</summary>.*<table>.*</table>.*</details>", html, re.DOTALL)
    assert "<details><summary>All of them" not in page[0]


def test_the_same_figure_gives_the_same_text():
    from matplotlib.figure import Figure

    def draw():
        figure = Figure()
        figure.subplots().plot([1, 2], [3, 4])
        return figure_uri(figure)

    assert draw() == draw()


def test_only_a_table_that_can_be_sorted_brings_a_script_and_only_that_one_may_run():
    def written(*, is_sortable: bool) -> str:
        table = Table(["run", "loss"], [["</script>", "1"]], is_sortable=is_sortable)
        return Report("Runs", "", [ReportSection("All", [table])]).html()

    assert "<script" not in written(is_sortable=False)
    assert "script-src" not in written(is_sortable=False)
    html = written(is_sortable=True)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in html or f"script-src 'sha256-{digest}'" in html
