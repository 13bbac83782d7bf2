"""The images that excite a filter most are those that a full sort finds."""

import dataclasses

import numpy as np
import pytest
import torch
from support.results_examples import exciting
from support.small import Pooled, Residual, Stubborn, Twice, random_images
from support.woken import family, wake
from torch import Tensor, nn

from carviz.banks import open_network
from carviz.evaluate import Images
from carviz.pictures import Exciting, find_exciting
from carviz.pictures.exciting import BATCH


def detector(*weights: float, bias: float = 0.0) -> nn.Sequential:
    """1 x 1 filters of grey images."""
    conv = nn.Conv2d(1, len(weights), 1)
    conv.weight.data.copy_(torch.tensor(weights).view(-1, 1, 1, 1))
    conv.bias.data.fill_(bias)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def outputs(model: nn.Module, images: Tensor, site: str) -> Tensor:
    """What a module gives at its first call, all images at once."""
    seen: list[Tensor] = []
    module = model.get_submodule(site)
    hook = module.register_forward_hook(lambda _m, _a, out: seen.append(out.clone()))
    with torch.inference_mode():
        model(images)
    hook.remove()
    return seen[0]


CASES = [
    (Residual, "first", "first"),
    (Residual, "second", "norm"),
    (Residual, "third", "third"),
    (Pooled, "depthwise", "depthwise"),
    (Stubborn, "conv", "norm"),
    (Twice, "shared", "shared"),
]


@pytest.mark.parametrize(("network", "layer", "site"), CASES)
def test_it_is_what_a_full_sort_finds(network, layer, site):
    images, labels = random_images(40)
    model = wake(network(), images)
    found = find_exciting(model, (images, labels), layer, count=5)
    maps = outputs(model, images, site)
    peaks = maps.flatten(2).max(2)
    for filter in range(maps.shape[1]):
        order = peaks.values[:, filter].argsort(descending=True)[:5]
        order = order[peaks.values[order, filter] > 0]
        count = len(order)
        assert found.found[filter] == count
        assert found.image[filter, :count].tolist() == order.tolist()
        places = peaks.indices[order, filter]
        width = maps.shape[3]
        assert found.row[filter, :count].tolist() == (places // width).tolist()
        assert found.column[filter, :count].tolist() == (places % width).tolist()
        expected = peaks.values[order, filter].numpy()
        assert np.allclose(found.response[filter, :count], expected, rtol=1e-4, atol=1e-5)
    assert found.found.sum() > 5
    assert found.size == (12, 12)
    assert found.images == 40


@pytest.mark.parametrize(
    ("name", "layer", "site"),
    [
        ("resnet18", "layer2.0.conv2", "layer2.0.bn2"),
        ("densenet121", "features.denseblock1.denselayer2.conv1",
         "features.denseblock1.denselayer2.norm2"),
    ],
)  # fmt: skip
def test_real_networks(name, layer, site):
    model, images, targets = family(name)
    found = find_exciting(model, (images, targets), layer, count=3)
    peaks = outputs(model, images, site).flatten(2).amax(2)
    best = peaks.sort(0, descending=True).values[:3].T.numpy()
    rises = best > 0
    assert np.allclose(found.response[rises], best[rises], rtol=1e-3, atol=1e-4)
    assert np.isnan(found.response[~rises]).all()


def test_ties_go_to_the_lowest_image_and_the_first_place():
    count = 2 * BATCH + 3
    images = torch.zeros(count, 1, 2, 3)
    images[5:, 0, 0, 2] = 1.0  # all from the fifth on are alike
    images[:, 0, 1, 0] = images[:, 0, 0, 2]
    images[-1] = 2.0
    found = find_exciting(detector(1.0), (images, torch.zeros(count).long()), "0", count=3)
    assert found.image.tolist() == [[count - 1, 5, 6]]
    assert found.row.tolist() == [[0, 0, 0]]
    assert found.column.tolist() == [[0, 2, 2]]


def test_what_does_not_excite_is_no_exciting_image():
    images = torch.tensor([-1.0, 0.0, 2.0]).view(3, 1, 1, 1)
    found = find_exciting(detector(1.0, -1.0, 0.0), (images, torch.zeros(3).long()), "0")
    assert found.image.tolist() == [[2, -1, -1], [0, -1, -1], [-1, -1, -1]]
    assert found.row.tolist() == found.column.tolist() == np.minimum(found.image, 0).tolist()
    assert np.isnan(found.response).tolist() == (found.image == -1).tolist()
    assert found.found.tolist() == [1, 1, 0]
    assert len(found) == 3


def test_only_some_images_are_looked_at():
    images = torch.arange(6.0).view(6, 1, 1, 1)
    data = (images, torch.zeros(6).long())
    found = find_exciting(detector(1.0), data, "0", count=2, numbers=[4, 1, 2, 4])
    assert found.image.tolist() == [[4, 2]]
    assert found.images == 3
    for wrong in ([], [6], [-1, 2]):
        with pytest.raises(ValueError, match="among 0 to 5"):
            find_exciting(detector(1.0), data, "0", numbers=wrong)


def test_first_keeps_the_strongest():
    model, data = Residual(), random_images()
    found = find_exciting(model, data, "second", count=6)
    assert found.first(2) == find_exciting(model, data, "second", count=2)
    assert found.first(9) == found


def test_no_more_than_a_batch_is_read_at_once(monkeypatch):
    sizes = []
    plain = Images.batches

    def watched(self, chunks):
        sizes.extend(len(chunk) for chunk in chunks)
        return plain(self, chunks)

    monkeypatch.setattr(Images, "batches", watched)
    find_exciting(detector(1.0), (torch.rand(50, 1, 2, 2), torch.zeros(50).long()), "0")
    assert max(sizes) == BATCH
    assert sizes.count(BATCH) >= 3


def test_the_model_stays_as_it_was_and_the_answer_is_the_same(tmp_path):
    model, data = Residual().train(), random_images()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = find_exciting(model, data, model.second)
    assert found == find_exciting(open_network(model), data, "second")
    assert Exciting.load(found.save(tmp_path / "exciting.npz")) == found
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(m.training and not m._forward_hooks for m in model.modules())


def test_progress_is_told_and_can_end_it():
    told: list[float] = []
    find_exciting(Residual(), random_images(40), "first", progress=told.append)
    assert told == pytest.approx([1 / 3, 2 / 3, 1])

    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_exciting(Residual(), random_images(), "first", progress=stop)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="Nearest: 'first'"):
        find_exciting(Residual(), random_images(), "frist")
    for wrong in (1.5, True, None):
        with pytest.raises(TypeError, match="how many images"):
            find_exciting(Residual(), random_images(), "first", count=wrong)
    with pytest.raises(ValueError, match="1 or more"):
        find_exciting(Residual(), random_images(), "first", count=0)
    with pytest.raises(ValueError, match=r"`row` has shape \(1, 1\)"):
        Exciting("a", 1, (2, 2), [[0]], [0], [[0]], [[1.0]], [[[0, 0, 1, 1]]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": [[2, 2], [1, -1]]}, "no image is there twice"),
        ({"image": [[2, 0], [-1, -1]]}, "all -1, or none"),
        ({"image": [[2, 0], [1, -2]]}, "or -1 for none, -1 or more; found -2"),
        ({"row": [[0, 1], [-1, -1]]}, "all -1, or none is; found `row`"),
        ({"response": [[3.5, 0.5], [1.0, 0.5]]}, "NaN where no image is"),
        ({"response": [[0.5, 3.5], [1.0, np.nan]]}, "the strongest first"),
        ({"response": [[3.5, 0.0], [1.0, np.nan]]}, "above zero"),
        ({"box": np.zeros((2, 2, 4), int)}, "as high and as wide"),
        ({"images": 0}, "1 or more; found 0"),
        ({"images": 2}, "among those looked at; found more than 2"),
        ({"size": (8, 0)}, "`size` is in pixels, 1 or more; found 0"),
        ({"size": (8, 6, 3)}, "two whole numbers"),
        ({"image": [[2, 0.5], [1, -1]]}, "`image` is whole numbers; found 0.5"),
    ],
)
def test_what_contradicts_itself_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(exciting(), **change)
