import io
import struct

import numpy as np
import pytest
from PIL import Image

from anchorwise.modalities.images import decode as decoding
from anchorwise.modalities.images.decode import Picture, decode, decode_all
from anchorwise.modalities.images.folders import load_folder
from anchorwise.modalities.samples import Skipped


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_grey_has_one_channel_and_colour_three(picture):
    grey, colour = decode("a.png", picture(7)), decode("a.png", picture((1, 2, 3)))
    assert (grey.shape, colour.shape) == ((1, 8, 8), (3, 8, 8))
    assert grey.dtype == colour.dtype == np.uint8
    assert colour[:, 0, 0].tolist() == [1, 2, 3]


def test_transparent_pixels_are_laid_over_white(picture):
    half = decode("a.png", picture((0, 100, 200, 0)))
    assert half[:, 0, 0].tolist() == [255, 255, 255]
    grey = decode("a.png", saved(Image.new("LA", (4, 4), (0, 0))))
    assert grey[:, 0, 0].tolist() == [255]
    keyed = decode("a.png", saved(Image.new("L", (4, 4), 7), transparency=7))
    assert keyed[:, 0, 0].tolist() == [255]


def test_sixteen_bit_grey_is_scaled_to_the_whole_range():
    values = np.array([[0, 257], [25700, 65535]], np.uint16)
    assert decode("a.png", saved(Image.fromarray(values))).tolist() == [[[0, 1], [100, 255]]]


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("P", 3), ("CMYK", 3), ("HSV", 3)])
def test_other_colour_models_become_grey_or_rgb(mode, channels):
    kind = "PNG" if mode in ("1", "P") else "TIFF"
    image = Image.new("RGB", (4, 4), (255, 0, 0)).convert(mode) if mode != "HSV" else Image.new("CMYK", (4, 4))
    assert decode(f"a.{kind.lower()}", saved(image, kind)).shape == (channels, 4, 4)


def test_a_photograph_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # Stored lying on its side.
    assert decode("a.jpg", saved(Image.new("RGB", (8, 4)), "JPEG", exif=exif)).shape == (3, 8, 4)


def test_a_size_is_reached_by_scaling_the_shorter_side_and_cropping_the_centre():
    stripes = np.zeros((8, 24), np.uint8)
    stripes[:, 8:16] = 200
    assert decode("a.png", saved(Image.fromarray(stripes)), 8).min() == 200
    assert decode("a.png", saved(Image.fromarray(stripes)), 4).shape == (1, 4, 4)


def test_arrays_hold_any_number_of_channels(npy):
    array = np.random.default_rng(0).integers(0, 256, (6, 6, 5), np.uint8)
    assert np.array_equal(decode("a.npy", npy(array)), array.transpose(2, 0, 1))
    assert decode("a.npy", npy(array), 3).shape == (5, 3, 3)


def test_what_cannot_be_read_is_named_with_its_reason_among_the_others(picture, npy):
    files = [
        ("good.png", picture(5)),
        ("cut.png", picture(5, size=(64, 64), kind="PNG")[:60]),
        ("text.jpg", b"no image"),
        ("pickle.npy", npy(np.array([{}], dtype=object))),
        ("float.npy", npy(np.zeros((4, 4)))),
        ("float.tiff", saved(Image.new("F", (4, 4)), "TIFF")),
    ]
    (name, pixels), *others = decode_all(files, None)
    assert name == "good.png"
    assert isinstance(pixels, Picture)
    reasons = {name: item.reason for name, item in others if isinstance(item, Skipped)}
    assert set(reasons) == {name for name, _ in files[1:]}
    assert "no picture in one of the formats PNG, JPEG" in reasons["text.jpg"]
    assert "must be uint8" in reasons["pickle.npy"]
    assert "must be uint8" in reasons["float.npy"]
    assert "no agreed range" in reasons["float.tiff"]


def test_a_truncated_jpeg_is_skipped_not_filled_with_grey():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = saved(Image.fromarray(noise), "JPEG")
    [(_, item)] = decode_all([("a.jpg", data[: len(data) // 2])], None)
    assert isinstance(item, Skipped)
    assert "truncated" in item.reason


def test_an_image_of_too_many_pixels_is_skipped_before_it_is_decoded(picture, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_IMAGE_PIXELS", 100)
    [(_, item)] = decode_all([("a.png", picture(0, size=(11, 10)))], None)
    assert isinstance(item, Skipped)
    assert "11 x 10 pixels are more than the 100 allowed" in item.reason


def test_many_images_come_back_in_the_order_they_went_in(picture):
    results = list(decode_all(((f"{i}.png", picture(i % 256)) for i in range(700)), None))
    assert [name for name, _ in results] == [f"{i}.png" for i in range(700)]
    assert [int(item.pixels[0, 0, 0]) for _, item in results if isinstance(item, Picture)] == [
        i % 256 for i in range(700)
    ]


def test_no_decoder_but_the_known_ones_is_tried_whatever_a_file_is_called(tmp_path, monkeypatch):
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    [(_, item)] = decode_all([("a.png", script)], None)
    assert isinstance(item, Skipped)
    assert item.reason.startswith("no picture in one of the formats PNG, JPEG, BMP")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("suffix", "kind"), [("jfif", "JPEG"), ("jpe", "JPEG"), ("avif", "AVIF"), ("jp2", "JPEG2000"), ("pbm", "PPM")]
)
def test_pictures_are_read_by_their_rarer_suffixes_too(write_files, picture, suffix, kind):
    folder = write_files({f"1.{suffix}": picture(200, kind=kind), "2.png": picture(200)})
    assert load_folder(folder).train.names == (f"1.{suffix}", "2.png")


def test_several_pictures_in_one_file_give_the_first():
    first, second = Image.new("RGB", (4, 4), (200, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 200))
    for kind in ("GIF", "PNG", "TIFF", "WEBP", "MPO"):
        data = saved(first, kind, save_all=True, append_images=[second])
        assert abs(decode("a.jpg", data)[:, 0, 0].astype(int) - [200, 0, 0]).max() < 5


def test_colour_is_kept_by_every_colour_model():
    red = Image.new("RGB", (4, 4), (200, 30, 40))
    for mode, kind in (("CMYK", "JPEG"), ("CMYK", "TIFF"), ("P", "PNG"), ("P", "GIF"), ("YCbCr", "TIFF")):
        image = red.convert(mode, palette=Image.Palette.ADAPTIVE) if mode == "P" else red.convert(mode)
        # As it is, Pillow reads YCbCr in a TIFF from 13 on only.
        packed = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
        assert abs(decode("a.png", saved(image, kind, **packed))[:, 0, 0].astype(int) - [200, 30, 40]).max() < 5


def test_a_transparent_colour_of_a_palette_or_of_sixteen_bits_is_laid_over_white():
    palette = Image.new("RGB", (4, 4), (200, 30, 40)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert decode("a.gif", saved(palette, "GIF", transparency=0))[:, 0, 0].tolist() == [255, 255, 255]
    deep = Image.fromarray(np.array([[700, 25700]], np.uint16))
    assert decode("a.png", saved(deep, transparency=700)).tolist() == [[[255, 100]]]


def tiff_of_12_bits(values: list[int]) -> bytes:
    """One row of grey, two values in three bytes."""
    bits = "".join(f"{value:012b}" for value in values)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    tags = [(256, len(values)), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_a_tiff_that_declares_twelve_bits_is_scaled_to_the_whole_range():
    assert decode("a.tif", tiff_of_12_bits([0, 4095, 2048, 16])).tolist() == [[[0, 255, 128, 1]]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_every_format_with_an_orientation_is_turned_upright(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode("a.png", saved(Image.new("RGB", (8, 4)), kind, exif=exif)).shape == (3, 8, 4)


def test_damaged_metadata_neither_spoil_a_picture_nor_are_spoken_of():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.new("RGB", (8, 4)), "JPEG", exif=exif)
    start = data.index(b"Exif\0\0") + 6
    for damage in (b"garbage!", data[start : start + 4] + b"\xff\xff\xff\xff"):
        broken = data[:start] + damage + data[start + len(damage) :]
        [(_, item)] = decode_all([("a.jpg", broken)], None)
        assert isinstance(item, Picture)


def test_an_array_that_claims_more_than_it_holds_asks_for_no_memory(npy):
    header = npy(np.zeros((10, 10, 9), np.uint8)).replace(b"(10, 10, 9)", b"(8000,8000,9999)")
    [(_, item)] = decode_all([("a.npy", header.replace(b"     \n", b"\n", 1))], None)
    assert isinstance(item, Skipped)
