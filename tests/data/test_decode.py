import io

import numpy as np
import pytest
from PIL import Image

from anchorwise.data import decode as decoding
from anchorwise.data.decode import decode, decode_all
from anchorwise.data.images import SkippedImage


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


def test_what_cannot_be_read_is_named_with_its_reason_among_the_others(picture, npy, tmp_path):
    files = [
        ("good.png", picture(5)),
        ("cut.png", picture(5, size=(64, 64), kind="PNG")[:60]),
        ("text.jpg", b"no image"),
        ("pickle.npy", npy(np.array([{}], dtype=object))),
        ("float.npy", npy(np.zeros((4, 4)))),
        ("float.tiff", saved(Image.new("F", (4, 4)), "TIFF")),
        ("gone.png", tmp_path / "gone.png"),
    ]
    (name, pixels), *others = decode_all(files, None)
    assert name == "good.png"
    assert isinstance(pixels, np.ndarray)
    reasons = {name: item.reason for name, item in others if isinstance(item, SkippedImage)}
    assert set(reasons) == {name for name, _ in files[1:]}
    assert "cannot identify" in reasons["text.jpg"]
    assert "allow_pickle" in reasons["pickle.npy"]
    assert "must be uint8" in reasons["float.npy"]
    assert "no agreed range" in reasons["float.tiff"]


def test_a_truncated_jpeg_is_skipped_not_filled_with_grey():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = saved(Image.fromarray(noise), "JPEG")
    [(_, item)] = decode_all([("a.jpg", data[: len(data) // 2])], None)
    assert isinstance(item, SkippedImage)
    assert "truncated" in item.reason


def test_an_image_of_too_many_pixels_is_skipped_before_it_is_decoded(picture, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_IMAGE_PIXELS", 100)
    [(_, item)] = decode_all([("a.png", picture(0, size=(11, 10)))], None)
    assert isinstance(item, SkippedImage)
    assert "11 x 10 pixels are more than the 100 allowed" in item.reason


def test_many_images_come_back_in_the_order_they_went_in(picture):
    results = decode_all(((f"{i}.png", picture(i % 256)) for i in range(700)), None)
    assert [name for name, _ in results] == [f"{i}.png" for i in range(700)]
    assert [int(pixels[0, 0, 0]) for _, pixels in results if not isinstance(pixels, SkippedImage)] == [
        i % 256 for i in range(700)
    ]
