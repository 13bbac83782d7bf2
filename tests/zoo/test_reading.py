"""Images are decoded once, come out the same however they are read; unreadable ones are told."""

import os
import pickle
import sys

import numpy as np
import pytest
import torch
from support.photographs import folder_of_photographs
from torch import nn
from torch.utils.data import DataLoader, Subset, get_worker_info
from torchvision import transforms
from torchvision.datasets import ImageFolder

import carviz
from carviz.evaluate import Images, fingerprint_images
from carviz.zoo import reading

SMALL = transforms.Compose(
    [transforms.Resize(16), transforms.CenterCrop(16), transforms.ToTensor()]
)
SIZE = 3 * 16 * 16 * 4
"""Bytes of an image."""


def load(folder, transform=SMALL, **options):
    model = nn.Conv2d(3, 1, 1)
    model.transform = transform
    return carviz.load_data(folder, model=model, **{"progress": False, **options})


def stacked(data):
    return torch.stack([image for image, _ in data]), [label for _, label in data]


def in_batches(data):
    return torch.cat([images for _, images, _ in Images(data).in_batches(40)])


def folder_of_every_kind(root):
    """Return a folder of pictures of every mode that files have."""
    from PIL import Image

    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (24, 20, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    folder = root / "kinds"
    (folder / "kind").mkdir(parents=True)
    for mode, suffix in (
        *(("1", "png"), ("L", "png"), ("LA", "png"), ("P", "png"), ("RGB", "webp")),
        *(("RGBA", "png"), ("RGB", "jpg"), ("L", "jpeg"), ("CMYK", "jpg"), ("RGB", "bmp")),
    ):  # fmt: skip
        name = f"{mode}.{suffix}"
        picture.convert(mode).save(folder / "kind" / name)
    clear = picture.convert("P")
    clear.save(folder / "kind" / "clear.png", transparency=bytes(range(256)))
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    picture.save(folder / "kind" / "turned.jpg", exif=turned)
    return folder


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning:PIL")
def test_every_kind_of_picture_is_read_as_torchvisions_folders_read_it(tmp_path):
    folder = folder_of_every_kind(tmp_path)
    data, theirs = load(folder), ImageFolder(str(folder), SMALL)
    assert data.samples == theirs.samples
    assert len(data) >= 10
    ours, labels = stacked(data)
    assert data.kept
    assert torch.equal(ours, stacked(theirs)[0])
    assert labels == theirs.targets
    assert ours.shape[1:] == (3, 16, 16)


RAMP = np.tile(np.arange(64), (64, 1)) / 63
WIDE = {
    "16.png": (RAMP * 65535).astype(np.uint16),
    "16.tif": (RAMP * 65535).astype(np.uint16),
    "32.tif": (RAMP * 65535).astype(np.int32),
    "floats.tif": RAMP.astype(np.float32),
}


@pytest.mark.parametrize("name", WIDE)
def test_grey_pictures_of_more_than_8_bits_keep_their_range(tmp_path, name):
    from PIL import Image

    (tmp_path / "a").mkdir()
    Image.fromarray(WIDE[name]).save(tmp_path / "a" / name)
    image, _ = load(tmp_path, transforms.ToTensor())[0]
    assert image.shape == (3, 64, 64)
    assert torch.equal(image, torch.tensor(np.rint(RAMP * 255) / 255).float().expand(3, 64, 64))


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (RAMP.astype(np.float32) * 255, r"0 to 1 \(black to white\); found 0 to 255"),
        (np.full((4, 4), np.nan, np.float32), "found nan to nan"),
        ((RAMP * 1e6).astype(np.int32), "0 to 65,535 .* found 0 to 1e\\+06"),
        ((RAMP * 4095).astype(np.uint16), "found 0 to 4095: all but black"),  # of 12 bits
        ((RAMP * 255).astype(np.int32), "found 0 to 255: all but black"),
    ],
)
def test_pictures_whose_white_nobody_knows_are_named(tmp_path, pixels, words):
    from PIL import Image

    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "odd.tif")
    with pytest.raises(ValueError, match=rf"odd\.tif .*{words}"):
        load(tmp_path)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_pictures_whose_white_is_zero_are_turned(tmp_path, kind):
    tifffile = pytest.importorskip("tifffile")
    (tmp_path / "a").mkdir()
    most = np.iinfo(kind).max
    pixels = np.rint(RAMP * most).astype(kind)
    tifffile.imwrite(tmp_path / "a" / "1.tif", most - pixels, photometric="miniswhite")
    image, _ = load(tmp_path, transforms.ToTensor())[0]
    torch.testing.assert_close(
        image, torch.tensor(RAMP).float().expand(3, 64, 64), rtol=0, atol=0.004
    )


def test_a_black_picture_of_16_bits_is_black(tmp_path):
    from PIL import Image

    (tmp_path / "a").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a" / "1.png")
    assert load(tmp_path, transforms.ToTensor())[0][0].max() == 0


def test_numbers_of_8_bits_below_zero_are_named(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    (tmp_path / "a").mkdir()
    tifffile.imwrite(tmp_path / "a" / "odd.tif", (RAMP * 200 - 100).astype(np.int8))
    with pytest.raises(ValueError, match=r"odd\.tif .*below zero"):
        load(tmp_path)


def test_an_augmentation_of_ones_own_is_not_frozen_by_keeping_images(many):
    def now_and_then(picture):
        image = SMALL(picture)
        return image.flip(2) if torch.rand(()) < 0.3 else image

    torch.manual_seed(0)
    assert not load(many, now_and_then).kept
    assert not load(many, transforms.Compose([SMALL, transforms.RandomErasing(0.01)])).kept


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """90 photographs of two classes: enough to start workers for."""
    return folder_of_photographs(tmp_path_factory.mktemp("many"), ["a", "b"], each=45)


def test_images_are_the_same_however_they_are_read(many):
    kept, anew, elsewhere = (
        load(many),
        load(many, memory=0, workers=0),
        load(many, memory=0, workers=2),
    )
    assert (kept.kept, anew.kept, elsewhere.kept) == (True, False, False)
    assert (kept.workers, anew.workers, elsewhere.workers) == (0, 0, 2)
    wanted = in_batches(anew)
    assert torch.equal(in_batches(kept), wanted)
    assert torch.equal(in_batches(elsewhere), wanted)
    assert torch.equal(in_batches(DataLoader(elsewhere, num_workers=1, batch_size=7)), wanted)
    assert len({fingerprint_images(Images(data)) for data in (kept, anew, elsewhere)}) == 1
    assert stacked(kept)[1] == stacked(anew)[1] == kept.targets


def test_a_measurement_does_not_depend_on_how_images_are_read(many):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(4, 2))  # fmt: skip
    tables = [
        carviz.measure_car(network, data, "0", progress=False)
        for data in (load(many), load(many, memory=0, workers=2))
    ]
    assert np.array_equal(tables[0].predictions, tables[1].predictions)
    assert tables[0].passport["data"] == tables[1].passport["data"]


def where(picture):
    """Return an image that tells whether a worker process made it."""
    return torch.full((1, 2, 2), float(get_worker_info() is not None))


def test_worker_processes_read_where_many_images_are_read(many, monkeypatch):
    data = load(many, where, memory=0, workers=1)
    assert in_batches(data).eq(1).all()
    assert in_batches(Subset(data, range(80))).eq(1).all()
    assert Images(data).read(range(8))[0].eq(0).all()
    assert in_batches(load(many, where, memory=0, workers=0)).eq(0).all()

    class Daemon:
        daemon = True

    monkeypatch.setattr("multiprocessing.current_process", lambda: Daemon)
    assert in_batches(data).eq(0).all()


def test_memory_bounds_what_is_kept(many, monkeypatch):
    assert load(many, memory=90 * SIZE).kept
    assert not load(many, memory=90 * SIZE - 1).kept
    monkeypatch.setattr(reading, "free_memory", lambda: reading.SHARE * 90 * SIZE)
    assert load(many).kept
    monkeypatch.setattr(reading, "free_memory", lambda: reading.SHARE * 90 * SIZE - reading.SHARE)
    assert not load(many).kept
    monkeypatch.setattr(reading, "free_memory", lambda: 2**60)
    monkeypatch.setattr(reading, "MOST", 90 * SIZE - 1)
    assert not load(many).kept


@pytest.mark.parametrize(
    "options", [{"memory": -1}, {"memory": 1.5}, {"workers": True}, {"unreadable": "ignore"}]
)
def test_values_that_mean_nothing_are_told(many, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        load(many, **options)


def test_files_are_read_once(many, monkeypatch):
    data = load(many)
    monkeypatch.setattr(type(data.source), "picture", None)
    assert in_batches(data).shape == (90, 3, 16, 16)


def test_what_is_kept_is_safe_from_writing(many):
    data = load(many, limit=1)
    before = data[0][0].clone()
    data[0][0].zero_()
    assert torch.equal(data[0][0], before)


@pytest.mark.parametrize("memory", [None, 0])
def test_data_can_be_pickled(many, memory, tmp_path):
    data = load(many, limit=2, memory=memory)
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(stacked(again)[0], stacked(data)[0])
    assert (again.classes, again.targets, again.samples) == (
        data.classes,
        data.targets,
        data.samples,
    )
    assert repr(again) == repr(data)


# -- what cannot be read


def spoil(folder):
    """Spoil three of a folder's photographs, each in another way; return them."""
    spoilt = [folder / "a" / "1.jpg", folder / "b" / "0.jpg", folder / "b" / "2.jpg"]
    spoilt[0].write_bytes(spoilt[0].read_bytes()[:900])
    spoilt[1].write_text("no picture")
    spoilt[2].write_bytes(b"")
    return [str(path) for path in spoilt]


def test_unreadable_files_are_named_with_the_reason(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a", "b"], each=3)
    spoilt = spoil(folder)
    with pytest.raises(ValueError, match="3 of 6 cannot be read") as error:
        load(folder)
    told = str(error.value)
    assert all(path in told for path in spoilt)
    assert "truncated" in told
    assert "UnidentifiedImageError" in told
    assert 'unreadable="skip"' in told


def test_no_more_than_five_are_named(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a"], each=9)
    for number in range(8):
        (folder / "a" / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"8 of 9 cannot be read: .* and 3 more") as error:
        load(folder)
    assert str(error.value).count(".jpg (") == 5


@pytest.mark.parametrize("memory", [None, 0])
def test_unreadable_files_are_left_out_when_asked(tmp_path, memory):
    folder = folder_of_photographs(tmp_path, ["a", "b"], each=3)
    whole = dict(
        zip([path for path, _ in load(folder).samples], stacked(load(folder))[0], strict=True)
    )
    spoilt = spoil(folder)
    with pytest.warns(UserWarning, match="Left out: 3 of 6 cannot be read") as caught:
        data = load(folder, unreadable="skip", memory=memory)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert data.skipped == tuple(spoilt)
    assert data.targets == [0, 0, 1]
    assert len(data) == len(data.samples) == 3
    assert all(
        torch.equal(image, whole[path])
        for (path, _), (image, _) in zip(data.samples, data, strict=True)
    )
    assert "3 unreadable left out" in repr(data)
    assert load(folder_of_photographs(tmp_path / "good", ["a"])).skipped == ()


@pytest.mark.parametrize("unreadable", ["raise", "skip"])
def test_a_folder_without_any_readable_image_is_told(tmp_path, unreadable):
    folder = folder_of_photographs(tmp_path, ["a"])
    for path in folder.glob("a/*"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="2 of 2 cannot be read"):
        load(folder, unreadable=unreadable)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_does_not_fit_is_checked_while_it_is_used(tmp_path, workers):
    folder = folder_of_photographs(tmp_path, ["a", "b"], each=40)
    (folder / "b" / "7.jpg").write_bytes(b"no picture")
    data = load(folder, memory=0, workers=workers)
    with pytest.raises(ValueError, match=r"b.7\.jpg\) is not: UnreadableError: Unidentified"):
        in_batches(data)


def test_a_file_that_went_away_is_told(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a"])
    data = load(folder, memory=0)
    os.remove(folder / "a" / "1.jpg")
    with pytest.raises(ValueError, match=r"1\.jpg\) is not: UnreadableError: FileNotFoundError"):
        in_batches(data)


# -- transforms that are not what they should be


def test_a_random_transform_is_not_frozen_but_refused(many):
    data = load(many, transforms.Compose([SMALL, transforms.RandomErasing(1.0)]))
    assert not data.kept
    with pytest.raises(ValueError, match="found RandomErasing"):
        Images(data)


def test_a_transform_that_leaves_sizes_unlike_is_refused_where_it_matters(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a"], each=8)
    from PIL import Image

    Image.new("RGB", (20, 30)).save(folder / "a" / "5.jpg")
    data = load(folder, transforms.ToTensor())
    assert not data.kept
    with pytest.raises(ValueError, match="one size"):
        in_batches(data)


def test_a_transform_that_fails_is_told_with_the_file(tmp_path):
    folder = folder_of_photographs(tmp_path, ["a"])
    with pytest.raises(ValueError, match=r"on .*a.0\.jpg it failed with ValueError: no") as error:
        load(folder, failing)
    assert "model.transform" in str(error.value)


def failing(_picture):
    raise ValueError("no")


def test_a_transform_without_tensors_is_refused_where_it_matters(many):
    with pytest.raises(TypeError, match="ToTensor"):
        Images(load(many, transforms.Resize(16)))


# -- progress


def test_progress_is_told_and_can_end_the_loading(many):
    told = []
    load(many, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0

    def enough(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        load(many, progress=enough)


def test_a_bar_is_shown_only_when_asked(many, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    load(many, progress=True)
    assert "Reading images" in capsys.readouterr().err
    load(many)
    assert capsys.readouterr().err == ""
