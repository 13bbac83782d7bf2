"""Fine-tuning: honest numbers, never in place, the same again with the same seed."""

import copy

import pandas as pd
import pytest
import torch
from support.compression_networks import CLASSES, Plain, Skipping, example
from support.woken import smooth_images
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from carviz.compression import compress, finetune


def labelled(count: int = 60):
    """Return images whose label a network can learn: which part of the image is brightest."""
    images = smooth_images(count, 12, seed=5)
    return images, images.mean(1).flatten(1).unflatten(1, (4, 36)).mean(2).argmax(1)


def accuracy(model, data):
    with torch.no_grad():
        return float((copy.deepcopy(model).eval()(data[0]).argmax(1) == data[1]).float().mean())


def test_it_learns_on_a_copy_and_says_how():
    model, data = example(Skipping)[0], labelled()
    small = compress(model, {"a1": [0, 1], "b1": [2]}, data)
    small.train()
    small.a1.eval()
    state = copy.deepcopy(small.state_dict())
    tuned, history = finetune(
        small, data, epochs=12, learning_rate=0.02, batch_size=16, progress=False, validation=data
    )
    assert all(torch.equal(v, state[k]) for k, v in small.state_dict().items())
    assert all(p.grad is None for p in [*small.parameters(), *tuned.parameters()])
    assert tuned.training
    assert not tuned.a1.training
    assert [e.epoch for e in history] == list(range(1, 13))
    assert history[-1].loss < 0.7 * history[0].loss
    # What it says of validation is what the returned network does.
    assert history[-1].validation_accuracy == pytest.approx(accuracy(tuned, data))
    assert history[-1].validation_accuracy > accuracy(small, data) + 0.2
    # BatchNorm was in training mode.
    assert not torch.equal(tuned.stem_norm.running_mean, small.stem_norm.running_mean)
    assert list(pd.DataFrame(history)) == [
        "epoch", "loss", "accuracy", "validation_loss", "validation_accuracy",
    ]  # fmt: skip


def test_one_step_is_gradient_descent_worked_out_by_hand():
    model, data = example(Plain)[0], labelled(8)
    tuned, (epoch,) = finetune(model, data, learning_rate=0.01, batch_size=8, progress=False)
    twin = copy.deepcopy(model).train()
    logits = twin(data[0])
    loss = nn.functional.cross_entropy(logits, data[1])
    loss.backward()
    assert epoch.loss == pytest.approx(loss.item(), rel=1e-5)
    assert epoch.accuracy == pytest.approx(float((logits.argmax(1) == data[1]).float().mean()))
    assert epoch.validation_loss is None
    for mine, theirs in zip(tuned.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs - 0.01 * theirs.grad, rtol=1e-4, atol=1e-6)


def test_the_same_seed_gives_the_same_network_and_leaves_torch_alone():
    data = labelled(20)
    model = nn.Sequential(example(Plain)[0], nn.Dropout(0.5))
    torch.manual_seed(11)
    state = torch.get_rng_state()

    def tune(seed):
        return finetune(model, data, batch_size=8, seed=seed, progress=False)

    (one, h1), (two, h2), (other, _) = tune(0), tune(0), tune(1)
    assert h1 == h2
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not all(
        torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )
    assert torch.equal(torch.get_rng_state(), state)


class Items(Dataset):
    """A dataset of (image, int), as folders are."""

    def __init__(self, data) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data[0])

    def __getitem__(self, number):
        return self.data[0][number], int(self.data[1][number])


def test_every_kind_of_data_gives_the_same():
    model, data = example(Plain)[0], labelled(20)
    pair, *others = (
        finetune(model, source, batch_size=8, progress=False)
        for source in (data, TensorDataset(*data), Items(data))
    )
    loader = DataLoader(Items(data), batch_size=5)
    others_ = finetune(model, loader, progress=False, validation=loader)
    for tuned in others:
        assert tuned.history == pair.history
    assert others_.history[0].validation_loss > 0


def test_frozen_parameters_stay_frozen_and_inference_tensors_train():
    model, data = example(Plain)[0], labelled(16)
    model.first.requires_grad_(False)
    tuned, _ = finetune(model, data, progress=False)
    assert torch.equal(tuned.first.weight, model.first.weight)
    assert not tuned.first.weight.requires_grad
    assert not torch.equal(tuned.last.weight, model.last.weight)
    with torch.inference_mode():
        inside, _ = finetune(model, data, progress=False)
    assert torch.equal(inside.last.weight, tuned.last.weight)
    with pytest.raises(ValueError, match="every parameter of the model is frozen"):
        finetune(model.requires_grad_(False), data, progress=False)


def test_a_last_batch_of_one_image_is_left_out():
    model = nn.Sequential(nn.Conv2d(3, 4, 12), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 4))
    model, data = model, labelled(9)
    tuned, _ = finetune(model, data, batch_size=8, progress=False)
    assert not torch.equal(tuned[3].weight, model[3].weight)


def test_progress_is_seen(capsys):
    model, data = example(Plain)[0], labelled(16)
    shares = []
    finetune(model, data, batch_size=4, epochs=2, progress=shares.append)
    assert shares == pytest.approx([i / 8 for i in range(1, 9)])
    assert capsys.readouterr() == ("", "")
    finetune(model, data, epochs=2, validation=data)
    out, err = capsys.readouterr()
    assert "epoch 2: loss" in out
    assert "validation loss" in out
    assert "fine-tuning: 100%" in err


@pytest.mark.parametrize(("wrong", "kind", "reason"), [
    ({"epochs": 0}, ValueError, "epochs is 1 or more"),
    ({"epochs": 1.5}, TypeError, "epochs is a whole number"),
    ({"batch_size": True}, TypeError, "batch_size"),
    ({"learning_rate": 0}, ValueError, "above 0"),
    ({"learning_rate": float("nan")}, ValueError, "above 0"),
    ({"learning_rate": "1"}, TypeError, "is a number"),
    ({"learning_rate": 1e30, "epochs": 5}, ValueError, "loss must stay finite"),
    ({"data": 3}, TypeError, "data is a map-style"),
    ({"data": (torch.zeros(0, 3, 12, 12), torch.zeros(0, dtype=torch.long))}, ValueError, "one im"),
    ({"data": (torch.zeros(2, 3, 12, 12), torch.tensor([0, CLASSES]))}, ValueError, "label 5"),
])  # fmt: skip
def test_arguments_are_checked(wrong, kind, reason):
    model = example(Plain)[0]
    arguments = {"data": labelled(16), "progress": False} | wrong
    with pytest.raises(kind, match=reason):
        finetune(model, **arguments)


def test_labels_are_never_cut_and_probabilities_are_no_logits():
    torch.manual_seed(0)
    images, labels = torch.rand(8, 3, 8, 8), torch.arange(8) % 2
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(4, 2))  # fmt: skip
    with pytest.raises(ValueError, match=r"image 0 has [01]\.5"):
        finetune(plain, (images, labels + 0.5), progress=False)
    tuned = [
        finetune(model, (images, labels), epochs=2, learning_rate=0.01, progress=False)[0]
        for model in (plain, nn.Sequential(*plain, nn.Softmax(1)))
    ]
    assert not torch.equal(tuned[0][4].weight, plain[4].weight)
    assert torch.equal(tuned[0][4].weight, tuned[1][4].weight)
