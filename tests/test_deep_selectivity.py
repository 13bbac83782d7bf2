"""Colour in deeper banks: effective weights and grey images say what was planted."""

import numpy as np
import pytest
import torch
from support.colour import PATTERN, images
from torch import nn

from carviz.selectivity import measure_selectivity
from carviz.selectivity.indices import make_grey


def blind_and_seeing() -> nn.Sequential:
    """Two first filters, luminance and red against green; the second bank reads one, other, both.

    Luminance is that of scikit-image, so that a picture made grey has the same.
    """
    first, second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)
    luminance, opponent = [0.2125, 0.7154, 0.0721], [4.0, -4.0, 0.0]
    first.weight.data.copy_(torch.tensor([luminance, opponent, [1.0, 1, 1]])[:, :, None, None])
    second.weight.data.zero_()
    for filter, read in enumerate([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0]]):
        second.weight.data[filter] = torch.tensor(read)[:, None, None] * PATTERN.abs()
    for step in (first, second):
        step.bias.data.zero_()
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_a_deeper_bank_is_read_by_its_effective_weights_and_by_its_answers():
    table = measure_selectivity(blind_and_seeing(), "2", data=images(), images=4)
    assert table.reading == "effective weights, 4 images"
    blind, seeing, both = table.color_index
    luminance = np.array([0.2125, 0.7154, 0.0721])
    expected = np.square(luminance - luminance.mean()).sum() / np.square(luminance).sum()
    assert blind == pytest.approx(expected, abs=1e-5)
    assert seeing == pytest.approx(1, abs=1e-5)
    assert blind < both < 1
    assert table.activation_index[0] == pytest.approx(0, abs=1e-5)
    assert table.activation_index[1] == pytest.approx(1, abs=1e-5)
    assert 0.1 < table.activation_index[2] < 0.99
    assert table.energy[1] > table.energy[0]
    assert table.passport["exciting"] == 4
    assert table.passport["images"] == 20
    assert "rgb2gray" in table.passport["grey"]


def test_the_activation_index_is_the_share_that_grey_pictures_take_away():
    model, (pictures, labels) = blind_and_seeing(), images()
    table = measure_selectivity(model, "2", data=(pictures, labels), images=3)
    luminance = (pictures * torch.tensor([0.2125, 0.7154, 0.0721]).view(3, 1, 1)).sum(1)
    with torch.inference_mode():
        colour = model[:3](pictures)[:, 2].flatten(1)
        grey = model[:3](luminance[:, None].expand(-1, 3, -1, -1))[:, 2].flatten(1)
    peaks = colour.max(1)
    best = peaks.values.argsort(descending=True)[:3]
    answers = grey[best, peaks.indices[best]].clamp_min(0)
    expected = 1 - float(answers.sum() / peaks.values[best].sum())
    assert table.activation_index[2] == pytest.approx(expected, abs=1e-5)


def test_a_grey_image_that_shuts_the_filter_takes_no_more_than_all():
    """White excites it as much in grey; red, made grey, would be below zero: that is nothing."""
    bank = nn.Conv2d(3, 1, 1)
    bank.weight.data.copy_(torch.tensor([3.0, 0.0, 0.0]).view(1, 3, 1, 1))
    bank.bias.data.fill_(-1.0)
    pictures = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])[:, :, None, None]
    table = measure_selectivity(nn.Sequential(bank), "0", data=(pictures, torch.tensor([0, 0])))
    assert table.activation_index[0] == pytest.approx(0.5)


def test_a_colour_blind_network_has_indices_of_zero():
    """It reads R, G and B alike; the colours here change neither their mean nor the luminance."""
    model = blind_and_seeing()
    model[0].weight.data.copy_(torch.ones(3, 3, 1, 1))
    pictures, labels = images()
    neutral = torch.linalg.cross(torch.ones(3), torch.tensor([0.2125, 0.7154, 0.0721]))
    colours = make_grey(pictures, None).float() - pictures[:, :1] * neutral.view(3, 1, 1)
    assert float((colours - make_grey(colours, None)).abs().max()) > 0.3
    table = measure_selectivity(model, "2", data=(colours, labels))
    assert np.allclose(table.color_index, 0, atol=1e-9)
    assert np.allclose(table.activation_index, 0, atol=1e-6)
    assert measure_selectivity(blind_and_seeing(), "2", data=(colours, labels)).kind[1] == "color"


def test_pictures_are_made_grey_in_raw_rgb():
    from skimage.color import rgb2gray

    from carviz.evaluate import Normalization

    raw = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    normalization = Normalization((0.5, 0.4, 0.3), (0.1, 0.2, 0.4), "")
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (normalization.mean, normalization.std))
    grey = make_grey((raw - mean) / std, normalization) * std + mean
    expected = rgb2gray(raw.permute(0, 2, 3, 1).numpy())
    for channel in range(3):
        assert np.allclose(grey[:, channel].numpy(), expected, atol=1e-6)


def test_a_first_bank_has_the_second_reading_with_data_only():
    model = blind_and_seeing()
    alone = measure_selectivity(model, "0")
    assert np.isnan(alone.activation_index).all()
    table = measure_selectivity(model, "0", data=images())
    assert table.reading == alone.reading == "weights"
    assert np.array_equal(table.color_index, alone.color_index)
    assert table.activation_index[:2] == pytest.approx([0, 1], abs=1e-5)
    assert not table.disagrees.any()
    strict = measure_selectivity(model, "0", data=images(), threshold=1, activation_threshold=0.9)
    assert strict.disagrees.tolist() == [False, True, False]


def test_a_deeper_filter_that_never_rises_is_dead():
    model = blind_and_seeing()
    model[2].bias.data[1] = -1e6
    table = measure_selectivity(model, "2", data=images())
    assert table.kind.tolist() == ["shape", "dead", "color"]
    assert np.isnan(table.activation_index).tolist() == [False, True, False]


def test_what_was_found_before_spares_the_pass_and_may_be_of_more_images(monkeypatch):
    from carviz.pictures import find_exciting
    from carviz.selectivity import measurement

    model, data = blind_and_seeing(), images()
    found = find_exciting(model, data, "2", count=9)
    plain = measure_selectivity(model, "2", data=data)
    monkeypatch.setattr(measurement, "find_exciting", None)
    given = measure_selectivity(model, "2", data=data, exciting=found)
    assert given == plain
    with pytest.raises(ValueError, match="same bank and data"):
        measure_selectivity(model, "0", data=data, exciting=found)


def test_progress_of_a_deeper_bank_is_told_and_can_end_it():
    told: list[float] = []
    measure_selectivity(blind_and_seeing(), "2", data=images(), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_selectivity(blind_and_seeing(), "2", data=images(), progress=stop)


# -- the planted truth


@pytest.fixture(scope="module")
def planted():
    """The bundled network, 30 images a class, and which classes are colours."""
    import carviz

    model, data = carviz.load_model("shapes"), carviz.load_data("shapes", limit=30)
    return model, data, np.array([data.kinds[name] == "color" for name in data.classes])


@pytest.mark.parametrize("layer", ["features.3", "features.6", "features.8"])
def test_filters_read_as_colour_selective_cost_the_colour_classes_more(planted, layer):
    import carviz

    model, data, is_color = planted
    table = measure_selectivity(model, layer, data=data)
    assert np.corrcoef(table.color_index, table.activation_index)[0, 1] > 0.8
    assert table.disagrees.mean() < 0.15
    car = carviz.measure_car(model, data, layer, progress=False)
    for read in (table.color_index, table.activation_index):
        color = read > 0.5
        assert 5 <= color.sum() <= len(color) - 5
        # The last bank's filters stand in for one another, and a single one costs few images.
        costs = [car.log_prob_drop] if layer == "features.8" else [car.log_prob_drop, car.class_car]
        for cost in costs:
            of_color, of_shape = cost[:, is_color].mean(1), cost[:, ~is_color].mean(1)
            assert of_color[color].mean() > 1.5 * max(of_color[~color].mean(), 0)
            assert of_shape[~color].mean() > 1.5 * max(of_shape[color].mean(), 0)
