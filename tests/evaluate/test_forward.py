"""A failing forward pass is told by its cause; one that sets its layers' attributes is seen."""

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from carviz.evaluate import misfit, quiet_call, sets_attributes


def told(model, images):
    model.eval()
    with pytest.raises(Exception) as error:  # noqa: PT011 - whatever it is, that is the point
        model(images)
    return misfit(model, images, error.value)


def classic(channels=3):
    """LeNet: made for one size of images."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 5), nn.MaxPool2d(2), nn.Conv2d(4, 4, 5), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(100, 3),
    )  # fmt: skip


@pytest.mark.parametrize("size", [28, 64, 12, 6, 3])
def test_images_of_another_size(size):
    words = told(classic(), torch.rand(2, 3, size, size))
    assert words.startswith(
        f"The network must run on the data's images, 3 channels of {size} × {size} pixels;"
    )
    assert words.endswith("Resize them as the network expects.")
    assert "Error" in words


def made(forward, **layers):
    """Return a network of these layers with this forward pass."""

    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

    Made.forward = forward
    return Made()


def test_other_words_for_a_wrong_size():
    conv = nn.Conv2d(3, 2, 1)
    table = nn.Parameter(torch.rand(1, 2, 8, 8))
    for model in (
        made(lambda s, x: s.conv(x) + s.table, conv=conv, table=table),
        made(lambda s, x: torch.cat([s.conv(x), s.table.expand(2, -1, -1, -1)], 1),
             conv=conv, table=table),
        made(lambda s, x: s.conv(x).view(-1, 2 * 8 * 8), conv=conv),
    ):  # fmt: skip
        assert told(model, torch.rand(2, 3, 7, 7)).endswith("Resize them as the network expects.")

    def patches(self, x):
        assert x.shape[2] == 8, f"Input height ({x.shape[2]}) doesn't match model (8)."

    assert "Resize" in told(made(patches), torch.rand(2, 3, 7, 7))


@pytest.mark.parametrize(("wanted", "channels"), [(3, 1), (1, 3), (3, 4)])
def test_images_of_other_channels(wanted, channels):
    words = told(classic(wanted), torch.rand(2, channels, 32, 32))
    assert words.startswith(f"The network reads images of {wanted} channels; the data has")
    assert f"has {channels} (RuntimeError: Given groups=1" in words
    assert words.endswith("Convert the images (RGB: 3, grey: 1) in the data's transform.")


def test_images_that_are_read_one_by_one():
    for forward in (
        lambda s, x: torch.stack([s.conv(v) for v in x]),
        lambda s, x: torch.cat([s.conv(v) for v in x.split(1)]),
    ):
        words = told(made(forward, conv=nn.Conv2d(3, 2, 1)), torch.rand(2, 1, 5, 5))
        assert words.startswith("The network reads images of 3 channels; the data has 1")


def test_channels_that_a_normalisation_in_the_model_wants():
    model = made(lambda s, x: s.conv(x - torch.zeros(1, 3, 1, 1)), conv=nn.Conv2d(3, 2, 1))
    assert told(model, torch.rand(2, 4, 5, 5)).startswith("The network reads images of 3 channels")


def own_fault(words):
    return "itself raised" in words and "Resize" not in words and "Convert" not in words


def test_the_network_s_own_faults_are_told_as_they_are():
    images = torch.rand(2, 3, 8, 8)
    deeper = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(5, 2, 3))
    words = told(deeper, images)
    assert own_fault(words)
    assert "forward pass of Sequential itself raised RuntimeError: Given groups=1" in words
    assert "expected input[2, 4, 6, 6] to have 5 channels" in words
    # The first convolution in the list is not the one that reads the image.
    behind = made(lambda s, x: s.stem(x).no, late=nn.Conv2d(64, 2, 1), stem=nn.Conv2d(3, 4, 1))
    assert own_fault(told(behind, images))
    narrow = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    narrow.append(nn.Linear(5, 2))
    assert own_fault(told(narrow, images))
    fixed = made(lambda s, x: s.conv(x) + torch.zeros(4, 2, 1, 1), conv=nn.Conv2d(3, 2, 1))
    assert own_fault(told(fixed, images))

    def refuses(self, x):
        raise KeyError("labels")

    assert "forward pass of Made itself raised KeyError: 'labels'. Mend" in told(
        made(refuses), images
    )


def test_a_failing_graph_prints_nothing(capfd):
    graph = fx.symbolic_trace(made(lambda s, x: x.view(-1, 7)))
    images = torch.rand(2, 3, 4, 4)
    with pytest.raises(RuntimeError, match="is invalid for input"):
        quiet_call(graph, images)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    with pytest.raises(RuntimeError, match="is invalid for input"):
        graph(images)
    assert "generated forward function" in capfd.readouterr().err  # what it is called for
    assert quiet_call(graph, torch.rand(7, 1)).shape == (1, 7)
    assert quiet_call(nn.Flatten(), images).shape == (2, 48)


class Recurrent(nn.Module):
    """As CORnet-S: the stride of one layer is another in each round."""

    def __init__(self, rounds, first=(2, 2)):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.rounds, self.first = rounds, first

    def forward(self, x):
        for t in range(self.rounds):
            self.conv.stride = self.first if t == 0 else (1, 1)
            x = self.conv(x)
        return x.mean((2, 3))


def test_a_layer_s_setting_that_changes_during_the_pass_is_named():
    images = torch.rand(2, 3, 8, 8)
    model = Recurrent(2)
    hooks = [dict(m._forward_hooks) for m in model.modules()]
    for _ in range(2):  # at the second time the last pass has left its value behind
        assert sets_attributes(model, images) == "conv.stride: (2, 2), then (1, 1)"
    assert [dict(m._forward_hooks) for m in model.modules()] == hooks
    graph = fx.symbolic_trace(model)
    assert not torch.allclose(graph(images), model(images))  # why it has to be known
    model.conv = Counting(3, 3, 3, padding=1)  # a class of the user's own is one step, too
    assert sets_attributes(model, images) == "conv.stride: (2, 2), then (1, 1)"
    assert sets_attributes(Recurrent(1), images) == ""
    assert sets_attributes(Recurrent(3, (1, 1)), images) == ""
    assert sets_attributes(nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)), images) == ""


def swaps(self, x):
    x = self.conv(x)
    self.conv.weight, self.other.weight = self.other.weight, self.conv.weight
    return self.conv(x)


def freezes(self, x):
    self.drop.training = True
    x = self.drop(x)
    self.drop.eval()
    return self.drop(x)


def resets(self, x):
    self.conv.padding = (2, 2)
    x = self.conv(x)
    self.conv.padding = (1, 1)
    return x


def leaves(self, x):
    self.conv.padding = (1, 1)
    x = self.conv(x)
    self.conv.padding = (2, 2)
    return x


def narrows(self, x):
    self.pool.output_size[0] = 4
    x = self.pool(x)
    self.pool.output_size[0] = 2
    return self.pool(x)


def test_weights_modes_and_values_put_back_are_seen_too():
    images = torch.rand(2, 3, 8, 8)
    pair = {"conv": nn.Conv2d(3, 3, 1), "other": nn.Conv2d(3, 3, 1)}
    assert sets_attributes(made(swaps, **pair), images) == "conv.weight: a tensor (3, 3, 1, 1)"
    model = made(freezes, drop=nn.Dropout()).eval()
    assert sets_attributes(model, images) == "drop.training: True, then False"
    model = made(narrows, pool=nn.AdaptiveAvgPool2d([2, 2]))
    assert sets_attributes(model, images) == "pool.output_size: (4, 2), then (2, 2)"
    model = made(leaves, conv=nn.Conv2d(3, 3, 1, padding=1))
    assert sets_attributes(model, images) == "conv.padding: (1, 1), then (2, 2)"
    model = made(resets, conv=nn.Conv2d(3, 3, 1, padding=1))
    assert sets_attributes(model, images) == "conv.padding: (2, 2), then (1, 1)"


class Counting(nn.Conv2d):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


def test_what_a_layer_sets_in_its_own_calls_is_no_matter():
    images = torch.rand(2, 3, 8, 8)
    twice = made(lambda s, x: s.conv(s.conv(x)), conv=Counting(3, 3, 1))
    assert sets_attributes(twice, images) == ""
    with pytest.warns(FutureWarning, match="weight_norm"):
        normed = nn.utils.weight_norm(nn.Conv2d(3, 3, 1))
    assert sets_attributes(made(lambda s, x: s.conv(s.conv(x)), conv=normed), images) == ""


def test_the_hooks_go_when_the_pass_fails():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Linear(7, 7))
    with pytest.raises(RuntimeError):
        sets_attributes(model, torch.rand(2, 3, 4, 4))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
