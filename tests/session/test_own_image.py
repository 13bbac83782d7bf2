"""A picture of the reader's own becomes what the network reads; what is none is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from carviz import load_data, load_model, open_session
from carviz.evaluate import Images, find_normalization
from carviz.session.own_image import BYTES, KEPT, prepare, read_picture

RED = (200, 30, 40)


def encoded(picture, kind="PNG", **how):
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **how)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "I;16"])
def test_any_mode_is_rgb(mode):
    picture = Image.new("RGB", (5, 4), RED)
    if mode == "I;16":
        picture = Image.fromarray(np.full((4, 5), 65535, np.uint16))
    else:
        picture = picture.convert(mode)
    own = read_picture(encoded(picture, "TIFF" if mode == "CMYK" else "PNG")
                       if mode != "CMYK" else encoded(picture, "JPEG"))  # fmt: skip
    assert own.picture.shape == (4, 5, 3)
    if mode in ("RGB", "RGBA", "P"):
        assert np.abs(own.picture.astype(int) - RED).max() <= 40  # a palette is coarse
    if mode == "I;16":
        assert (own.picture == 255).all()


def test_what_is_transparent_is_white():
    own = read_picture(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 0))))
    assert (own.picture == 255).all()


def test_a_turned_photograph_stands_upright_and_the_first_frame_is_taken():
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    own = read_picture(encoded(Image.new("RGB", (6, 2), RED), "JPEG", exif=exif))
    assert own.picture.shape == (6, 2, 3)
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_picture(moving).picture[0, 0].tolist() == [255, 0, 0]


def test_a_large_one_is_made_smaller():
    own = read_picture(Image.new("RGB", (3000, 100)))
    assert own.picture.shape[1] == KEPT


def header_of(width, height):
    """Return a PNG that says how large it is, and holds nothing."""

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"", "found something else"),
        (b"no picture", "found something else"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "found something else"),
        (encoded(Image.new("RGB", (64, 64), RED))[:90], "not all there"),
        (header_of(8000, 6000), "8,000 × 6,000"),
        (b"x" * (BYTES + 1), "8 MB at most"),
        (np.zeros((3, 3, 4), np.uint8), "shape"),
        (np.full((3, 3, 3), 7.0), "7"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(given, words):
    with pytest.raises(ValueError, match=words):
        read_picture(given)


def test_a_file_that_is_not_there_and_what_is_no_picture(tmp_path):
    with pytest.raises(FileNotFoundError, match="not there"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(TypeError, match="found 7"):
        read_picture(7)


def test_an_image_of_the_data_is_prepared_to_what_the_data_gives():
    data = load_data("shapes", limit=1)
    images, normalization = Images(data), find_normalization(Images(data), load_model("shapes"))
    raw = normalization.to_rgb(images.read([3])[0])[0].permute(1, 2, 0).numpy()
    own = read_picture(raw)
    tensor = prepare(own, images, normalization)
    step = 0.5 / 255 / min(normalization.std) * 1.01  # a picture has 256 steps
    assert (tensor - images.read([3])[0]).abs().max() <= step


def test_grey_images_are_made_grey_and_other_channels_refused():
    grey = Images((torch.rand(2, 1, 6, 8), torch.zeros(2).long()))
    tensor = prepare(read_picture(Image.new("RGB", (20, 20), (255, 255, 255))), grey, None)
    assert tensor.shape == (1, 1, 6, 8)
    assert (tensor == 1).all()
    four = Images((torch.rand(2, 4, 6, 8), torch.zeros(2).long()))
    with pytest.raises(ValueError, match="images of 4"):
        prepare(read_picture(Image.new("RGB", (4, 4))), four, None)


def test_without_a_word_on_the_preprocessing_there_is_no_answer():
    images = Images((torch.randn(2, 3, 6, 8), torch.zeros(2).long()))
    with pytest.raises(ValueError, match="Nothing says how the data was preprocessed"):
        prepare(read_picture(Image.new("RGB", (4, 4))), images, None)


class Transformed(torch.utils.data.Dataset):
    """Images that a transform makes of pictures, with a trick that nothing else would do."""

    def transform(self, picture):
        array = np.asarray(picture.resize((8, 6)), np.float32) / 255
        return 1 - torch.from_numpy(array.copy()).permute(2, 0, 1)

    def __len__(self):
        return 4

    def __getitem__(self, number):
        return self.transform(Image.new("RGB", (16, 12), (60 * number,) * 3)), number % 2


def test_the_datas_own_transform_is_used():
    tensor = prepare(read_picture(Image.new("RGB", (4, 4), "white")), Images(Transformed()), None)
    assert (tensor == 0).all()


def test_a_session_looks_at_it_and_keeps_it_from_bank_to_bank():
    session = open_session("shapes", load_data("shapes", limit=1))
    session.show_image(np.zeros((40, 60, 3), np.uint8), "night")
    session.settle(30)
    shown = session.snapshot()
    assert (shown.looks.view, shown.image, shown.own_image.name) == ("image", -2, "night")
    first = shown.one_image
    assert first.label == -1
    assert shown.needed.target == first.before.argmax()
    session.layer = session.banks[1].layer
    session.settle(30)
    again = session.snapshot().one_image
    np.testing.assert_allclose(again.before, first.before, atol=1e-6)
    session.close()
