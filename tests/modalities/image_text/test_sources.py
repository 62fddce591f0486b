"""What images with captions are read from, and what is refused before anything is trained."""

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("transformers", reason='transformers is not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.image_text.config import ImageTextData
from anchorwise.modalities.image_text.glyph_names import FACES, read_glyph_names
from anchorwise.modalities.image_text.pairs import grouped
from anchorwise.modalities.image_text.sources import _parted, read_parts
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.text.tables import Texts

pytestmark = [pytest.mark.usefixtures("as_users_call"), pytest.mark.whole]  # transformers takes seconds to import.


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORWISE_CACHE", str(tmp_path / "cache"))


def picture(number: int, size_px: int = 8) -> bytes:
    """Return a PNG that no other number gives."""
    pixels = np.random.default_rng(number).integers(0, 255, (size_px, size_px, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def folder_of(tmp_path, rows, *, name="captions.csv", num_images=None):
    """Write images and a table of lines beside them."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    for number in range(len(rows) if num_images is None else num_images):
        (folder / "images" / f"{number}.png").write_bytes(picture(number))
    (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def rows_of(number: int) -> list[str]:
    return ["image,caption", *(f"images/{each}.png,thing number {each}" for each in range(number))]


def test_a_table_names_images_with_one_caption_or_several(tmp_path):
    rows = ["image,caption", "images/0.png,a red dot", "images/1.png,two lines", "images/0.png,a dot"]
    train = read_parts(ImageTextData(source=str(folder_of(tmp_path, rows, num_images=2)))).train
    assert train.texts.rows == (("a red dot", "a dot"), ("two lines",))
    assert train.images.names == ("images/0.png", "images/1.png")
    expected = torch.from_numpy(np.array(Image.open(io.BytesIO(picture(1))))).permute(2, 0, 1)
    assert torch.equal(train.images.images[1], expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pairs.tsv", "filepath\ttitle\nimages/0.png\tone\nimages/1.png\ttwo\n"),
        ("pairs.jsonl", '{"image": "images/0.png", "text": "one"}\n{"image": "images/1.png", "text": "two"}\n'),
    ],
)
def test_tables_of_all_kinds_are_read_by_the_path_of_the_file_too(tmp_path, name, text):
    folder = folder_of(tmp_path, text.splitlines(), name=name)
    texts = read_parts(ImageTextData(source=str(folder / name))).train.texts
    assert texts.rows == (("one",), ("two",))


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (["image,caption", "images/0.png, "], {}, "nothing may be empty, got nothing in column 'caption' of row 1"),
        (["image,caption", "images/0.png"], {}, "every row must have 2 columns, got 1 in row 1"),
        (["image", "images/0.png"], {}, "must have a column of image files and one of captions, got image alone"),
        (rows_of(1), {"columns": ("image", "captoin")}, r"got 'captoin'.*'caption'"),
        (
            ["images/0.png,one", "images/1.png,two"],
            {},
            r"the first row of .* must name the columns, got images/0.png, one",
        ),
        (
            [*rows_of(2), "images/9.png,none"],
            {},
            "1 of 3 images with captions are not in .*, such as 'images/9.png'",
        ),
        (rows_of(3), {"num_train": 9}, "data.num_train must be at most the 3 images there are, got 9"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_words(tmp_path, rows, settings, message):
    with pytest.raises(ValueError, match=message):
        read_parts(ImageTextData(source=str(folder_of(tmp_path, rows, num_images=3)), **settings))


def test_a_name_that_several_folders_have_is_refused_unless_it_says_which(tmp_path):
    folder = folder_of(tmp_path, ["image,caption", "0.png,one", "1.png,two"])
    (folder / "more").mkdir()
    (folder / "more" / "1.png").write_bytes(picture(9))
    (folder / "._captions.csv").write_bytes(b"\x00\x05\x16\x07")  # As macOS leaves them.
    with pytest.raises(
        ValueError, match=r"'1.png' has a caption and is the name of 2 images in folders of .*; name im"
    ):
        read_parts(ImageTextData(source=str(folder)))
    (folder / "captions.csv").write_text("image,caption\n0.png,one\nmore/1.png,two\n", encoding="utf-8")
    images = read_parts(ImageTextData(source=str(folder))).train.images
    assert images.names == ("images/0.png", "more/1.png")


def test_other_counts_and_empty_captions_are_refused():
    images = ImageSet(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), None, (), ("a", "b"))
    with pytest.raises(ValueError, match="captions for each image, got 2 images and 1"):
        grouped(images, Texts((("x",),)))
    with pytest.raises(ValueError, match="must not be empty, got an empty one of b"):
        grouped(images, Texts((("x",), ())))


def test_an_image_that_cannot_be_read_is_left_out_and_named(tmp_path):
    folder = folder_of(tmp_path, rows_of(3), num_images=3)
    (folder / "images" / "1.png").write_bytes(b"no picture")
    train = read_parts(ImageTextData(source=str(folder))).train
    assert train.texts.rows == (("thing number 0",), ("thing number 2",))
    assert [each.name for each in train.images.skipped] == ["images/1.png"]


def test_equal_captions_make_a_group_and_no_group_is_on_both_sides(tmp_path):
    rows = ["image,caption", *(f"images/{n}.png,thing {n // 2}" for n in range(40)), "images/5.png,thing 30"]
    parts = read_parts(ImageTextData(source=str(folder_of(tmp_path, rows, num_images=40))))
    assert len(parts.train.images) + len(parts.test.images) == 40
    assert 2 <= len(parts.test.images) <= 4
    train, test = ({text for row in part.texts.rows for text in row} for part in (parts.train, parts.test))
    assert not train & test
    shared = grouped(
        ImageSet(torch.zeros(4, 1, 4, 4, dtype=torch.uint8), None, (), tuple("abcd")),
        Texts((("x",), ("y", "X"), ("y",), ("z",))),
    )
    assert shared.images.groups.tolist() == [0, 0, 0, 1]


def test_a_folder_of_train_and_test_tables_is_its_parts(tmp_path):
    folder = folder_of(tmp_path, rows_of(2), name="train.csv", num_images=4)
    (folder / "test.csv").write_text("image,caption\nimages/3.png,last\n", encoding="utf-8")
    parts = read_parts(ImageTextData(source=str(folder)))
    assert (parts.train.texts.rows[0], parts.test.texts.rows) == (("thing number 0",), (("last",),))


def shard(path, numbers, *, captions=True):
    with tarfile.open(path, "w") as archive:
        for number in numbers:
            files = {f"{number:04}.png": picture(number)}
            files |= {f"{number:04}.txt": f"thing number {number}".encode()} if captions else {}
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def test_shards_are_read_one_by_one_or_as_a_folder(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    shard(folder / "0.tar", range(2))
    shard(folder / "1.tar", range(2, 3))
    alone = read_parts(ImageTextData(source=str(folder / "0.tar"))).train
    assert alone.texts.rows == (("thing number 0",), ("thing number 1",))
    both = read_parts(ImageTextData(source=str(folder))).train
    assert both.texts.rows[2] == ("thing number 2",)
    assert both.images.names[2] == "1.tar/0002.png"
    shard(folder / "1.tar", range(2, 3), captions=False)
    with pytest.raises(ValueError, match=r"must have a caption in a file such as 0001.txt beside 0001.jpg"):
        read_parts(ImageTextData(source=str(folder)))


def test_images_with_classes_are_read_without_captions():
    parts = read_parts(ImageTextData(source="digits", image_size_px=16, num_test=20))
    assert parts.train.texts is None
    assert parts.test.images.images.shape == (20, 1, 16, 16)
    assert parts.test.images.labels is not None


def test_glyphs_are_parted_by_character_and_every_word_of_a_test_name_is_known():
    parts = read_glyph_names()
    assert len(parts.train.images) > 20_000
    assert len(parts.test.images) > 600
    train, test = ([row[0] for row in part.texts.rows] for part in (parts.train, parts.test))
    assert not set(train) & set(test)
    assert {word for name in test for word in name.split()} <= {word for name in train for word in name.split()}
    assert len(set(test)) == len(test)
    assert bool(parts.train.images.images.flatten(1).any(dim=1).all())
    place = parts.train.images.names.index("DejaVuSans/U+00E9")
    assert train[place] == "latin small letter e with acute"
    groups = parts.train.images.groups
    assert int((groups == groups[place]).sum()) == len(FACES)


def _captioned(captions):
    names = tuple(map(str, range(len(captions))))
    images = ImageSet(torch.zeros(len(names), 1, 2, 2, dtype=torch.uint8), None, (), names)
    return grouped(images, Texts(tuple((each,) for each in captions), are_alike=True, names=names))


def test_the_test_part_is_a_tenth_and_of_several_captions():
    for seed in range(5):
        parts = _parted(_captioned(["no description"] * 400 + [f"caption {n}" for n in range(600)]), seed)
        assert len(parts.test.images) == 100
        whole = _parted(_captioned([f"class {n % 10}" for n in range(200)]), seed)
        assert whole.test is whole.train
