"""Patches are what the filter read: planted detectors find what they were planted for."""

import numpy as np
import pytest
import torch
from support.small import Residual, Stubborn, random_images
from support.woken import family
from torch import Tensor, nn

from carviz.pictures import find_exciting, top_patches

BLOB = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])


def cross_detector(padding: int = 0, stride: int = 1, **kwargs) -> nn.Sequential:
    """Answers most to a red cross of 3 x 3, and a little less to anything else."""
    conv = nn.Conv2d(3, 2, 3, padding=padding, stride=stride, bias=False, **kwargs)
    conv.weight.data.zero_()
    conv.weight.data[0, 0] = 2 * BLOB - 1
    conv.weight.data[1, 2] = 1.0
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def scene(row: int, column: int, size: tuple[int, int] = (9, 11)) -> Tensor:
    """An image with the cross whose top left corner is at (row, column); parts may be outside."""
    image = torch.zeros(3, *size)
    for y in range(3):
        for x in range(3):
            if 0 <= row + y < size[0] and 0 <= column + x < size[1]:
                image[0, row + y, column + x] = BLOB[y, x]
    image[1] = 0.25
    return image


def test_a_planted_pattern_is_found_wherever_it_is():
    places = [(0, 0), (4, 5), (6, 8), (2, 0)]
    images = torch.stack([scene(*place) for place in places])
    data = (images, torch.tensor([2, 0, 1, 0]))
    patches = top_patches(cross_detector(), data, "0", 0, count=4)
    assert patches.pictures.shape == (4, 3, 3, 3)
    assert patches.pictures.dtype == np.float32
    assert patches.images.tolist() == [0, 1, 2, 3]
    assert patches.boxes.tolist() == [[r, c, r + 3, c + 3] for r, c in places]
    assert (patches.responses == 5).all()
    for picture in patches.pictures:
        assert np.array_equal(picture[..., 0], BLOB.numpy())
        assert (picture[..., 1] == 0.25).all()
    assert patches.labels.tolist() == [2, 0, 1, 0]
    assert patches.names.tolist() == ["2", "0", "1", "0"]


@pytest.mark.parametrize("place", [(-1, -1), (-1, 4), (7, 4), (3, 9), (3, -1)])
def test_outside_the_image_it_is_grey(place):
    row, column = place
    images = scene(row, column)[None]
    patches = top_patches(cross_detector(padding=1), (images, torch.tensor([0])), "0", 0)
    assert patches.boxes[0].tolist() == [row, column, row + 3, column + 3]
    picture = patches.pictures[0]
    for y in range(3):
        for x in range(3):
            if 0 <= row + y < 9 and 0 <= column + x < 11:
                assert picture[y, x].tolist() == images[0, :, row + y, column + x].tolist()
            else:
                assert picture[y, x].tolist() == [0.5, 0.5, 0.5]


def test_stride_and_dilation_cut_elsewhere():
    images = scene(2, 4)[None]
    strided = top_patches(cross_detector(stride=2), (images, torch.tensor([0])), "0", 0)
    assert strided.boxes.tolist() == [[2, 4, 5, 7]]
    assert np.array_equal(strided.pictures[0, ..., 0], BLOB.numpy())
    far = torch.zeros(1, 3, 9, 11)
    far[0, :, 1:6:2, 3:8:2] = scene(0, 0, (3, 3))
    dilated = top_patches(cross_detector(dilation=2), (far, torch.tensor([0])), "0", 0)
    assert dilated.boxes.tolist() == [[1, 3, 6, 8]]
    assert np.array_equal(dilated.pictures[0, ::2, ::2, 0], BLOB.numpy())


def test_a_deeper_detector_of_two_crosses():
    """Behind a pool and a convolution the patch holds both, and nothing above or below."""
    model = nn.Sequential(
        *cross_detector()[:2], nn.MaxPool2d(3, 3), nn.Conv2d(2, 1, (1, 2), bias=False)
    )
    model[3].weight.data.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(1, 2, 1, 2))
    image = scene(0, 0, (14, 14)) + scene(4, 3, (14, 14)) + scene(4, 8, (14, 14))
    patches = top_patches(model, (image[None], torch.tensor([0])), "3", 0)
    # Of the pool, row 1 sees rows 3 to 7 of the image, and columns 1 and 2 see columns 3 to 10.
    assert patches.boxes.tolist() == [[3, 3, 8, 11]]
    assert patches.pictures.shape == (1, 5, 8, 3)
    expected = image[:, 3:8, 3:11].clamp(0, 1).permute(1, 2, 0).numpy()
    assert np.array_equal(patches.pictures[0], expected)
    assert patches.responses.tolist() == [10.0]


def test_a_field_larger_than_the_image_is_the_image():
    model = nn.Sequential(nn.Conv2d(3, 2, (9, 3), padding=4), nn.Conv2d(2, 1, 1))
    data = (torch.rand(3, 3, 5, 8), torch.zeros(3).long())
    model[1].bias.data.fill_(100)
    patches = top_patches(model, data, "1", 0, count=2)
    assert patches.pictures.shape == (2, 5, 3, 3)
    assert (patches.boxes[:, [0, 2]] == [0, 5]).all()
    assert (patches.boxes[:, 3] - patches.boxes[:, 1] == 3).all()


def test_an_untraceable_network_shows_whole_images():
    images, labels = random_images()
    patches = top_patches(Stubborn(), (images, labels), "conv", count=2)
    assert patches.pictures.shape == (6, 2, 12, 12, 3)
    assert (patches.boxes == [0, 0, 12, 12]).all()


def test_pictures_are_raw_rgb():
    raw = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    normal = (raw - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    data = (normal, torch.zeros(6).long())
    patches = top_patches(Residual(), data, "second", count=2, normalize=(mean, std))
    for filter, rank in np.ndindex(*patches.images.shape):
        if patches.images[filter, rank] < 0:
            continue
        top, left, bottom, right = np.clip(patches.boxes[filter, rank], 0, 8)
        part = raw[patches.images[filter, rank], :, top:bottom, left:right]
        row, column = np.maximum(-patches.boxes[filter, rank, :2], 0)
        picture = patches.pictures[filter, rank, row:, column:][: bottom - top, : right - left]
        assert np.allclose(picture, part.permute(1, 2, 0).numpy(), atol=1e-5)


def test_one_filter_is_as_in_the_bank_and_a_pass_can_be_spared():
    model, images, targets = family("resnet18")
    data = (images, targets)
    exciting = find_exciting(model, data, "layer1.0.conv1", count=4)
    bank = top_patches(model, data, "layer1.0.conv1", count=3, exciting=exciting)
    one = top_patches(model, data, model.layer1[0].conv1, 5, count=3)
    assert one.filter == 5
    assert bank.filter is None
    for name in ("pictures", "images", "labels", "responses", "boxes"):
        assert np.array_equal(getattr(one, name), getattr(bank, name)[5], equal_nan=True), name
    assert len(set(one.images.tolist())) == 3
    assert "filter 5: 3 patches of 19 x 19" in repr(one)
    assert np.array_equal(one.labels, targets.numpy()[one.images])


def test_empty_ranks_are_grey_and_nameless():
    model = cross_detector()
    model[0].weight.data[1] = -1.0
    data = (scene(2, 2).expand(2, -1, -1, -1).abs() + 0.1, torch.tensor([1, 0]))
    patches = top_patches(model, data, "0", count=3)
    assert patches.images.tolist() == [[0, 1], [-1, -1]]
    assert (patches.pictures[1] == 0.5).all()
    assert patches.labels[1].tolist() == [-1, -1]
    assert patches.names[1].tolist() == ["", ""]


def test_class_names_come_from_the_data():
    class Named(torch.utils.data.TensorDataset):
        classes = ("cat", "dog")

        def __getitem__(self, number):
            image, label = super().__getitem__(number)
            return image, int(label)

    data = Named(torch.stack([scene(0, 0), scene(1, 1)]), torch.tensor([1, 0]))
    patches = top_patches(cross_detector(), data, "0", 0)
    assert patches.names.tolist() == ["dog", "cat"]
    assert patches.classes == ("cat", "dog")


def test_grey_images_have_grey_patches_and_other_channels_are_refused():
    model = nn.Sequential(nn.Conv2d(1, 1, 2))
    model[0].bias.data.fill_(10)
    grey = torch.rand(2, 1, 4, 4)
    patches = top_patches(model, (grey, torch.zeros(2).long()), "0", 0)
    assert patches.pictures.shape == (2, 2, 2, 3)
    assert (patches.pictures == patches.pictures[..., :1]).all()
    four = (torch.rand(2, 4, 4, 4), torch.zeros(2).long())
    many = nn.Sequential(nn.Conv2d(4, 1, 2))
    many[0].bias.data.fill_(10)
    with pytest.raises(ValueError, match=r"have 4\."):
        top_patches(many, four, "0", 0)


def test_bad_arguments_are_refused():
    model, data = Residual(), random_images()
    with pytest.raises(ValueError, match=r"0 to 5; found 6"):
        top_patches(model, data, "first", 6)
    with pytest.raises(TypeError, match="filter is a filter's number"):
        top_patches(model, data, "first", "1")
    other = find_exciting(model, data, "second")
    with pytest.raises(ValueError, match="same bank and data"):
        top_patches(model, data, "first", exciting=other)
    wider = nn.Sequential()
    wider.first = nn.Conv2d(3, 7, 3)
    of_wider = find_exciting(wider, data, "first")
    with pytest.raises(ValueError, match="with 6 filters"):
        top_patches(model, data, "first", exciting=of_wider)
    with pytest.raises(TypeError, match="find_exciting"):
        top_patches(model, data, "first", exciting=3)


def test_classes_of_one_name_are_told_apart_and_one_without_a_name_is_no_empty_rank():
    class Named(torch.utils.data.TensorDataset):
        classes = ("crane", "", "crane")

        def __getitem__(self, number):
            image, label = super().__getitem__(number)
            return image, int(label)

    data = Named(torch.stack([scene(0, 0), scene(1, 1), scene(1, 0)]), torch.tensor([2, 1, 0]))
    patches = top_patches(cross_detector(), data, "0", 0)
    assert patches.names.tolist() == ["crane (2)", "(1)", "crane (0)"]
