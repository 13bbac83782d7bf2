"""The training script: penalties, start, folding, and a small run from end to end."""

import pytest
import torch
from safetensors.torch import load_file

from carviz.zoo.bundled import empty, randomise
from carviz.zoo.shapes_and_colors import ShapesAndColors, draw_labels, draw_pictures
from carviz.zoo.shapes_network import ShapesNetwork
from recipes import first_bank, train
from recipes.judging import judge, zeroed
from recipes.shapes import start_shapes, train_shapes
from recipes.shapes_card import Making, shapes_card
from recipes.training import Order, Schedule, save_weights, with_batch_norm, without_batch_norm


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_color_index_of_known_filters():
    grey = torch.ones(1, 3, 2, 2)
    opponent = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    primary = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    index = first_bank.color_index(torch.cat([grey, opponent, primary]))
    assert index.tolist() == pytest.approx([0, 1, 2 / 3], abs=1e-6)


def test_start_is_half_grey_half_chromatic_and_of_one_spread():
    start = first_bank.smooth_start(32, 9, spread=0.1, generator=generator())
    index = first_bank.color_index(start)
    assert index[:16].max() < 1e-6
    assert index[16:].min() > 1 - 1e-6
    assert start.std(dim=(1, 2, 3)) == pytest.approx(torch.full((32,), 0.1), rel=1e-4)


def test_impurity_sees_mixtures_whatever_their_size():
    pure = first_bank.smooth_start(32, 9, spread=0.1, generator=generator())
    mixed = torch.randn(32, 3, 9, 9, generator=generator())
    assert first_bank.impurity(pure).item() == pytest.approx(0, abs=1e-4)
    assert first_bank.impurity(mixed) > 0.3
    size = first_bank.impurity(100 * mixed) / first_bank.impurity(mixed)
    assert size.item() == pytest.approx(1, rel=1e-4)


def test_roughness_sees_noise_whatever_its_size():
    smooth = first_bank.smooth_start(32, 9, spread=0.1, generator=generator())
    noise = torch.randn(32, 3, 9, 9, generator=generator())
    assert first_bank.roughness(noise) > 2 * first_bank.roughness(smooth)
    size = first_bank.roughness(9 * noise) / first_bank.roughness(noise)
    assert size.item() == pytest.approx(1, rel=1e-4)


def test_penalties_have_finite_gradients_at_pure_filters():
    pure = first_bank.smooth_start(4, 9, spread=0.1, generator=generator()).requires_grad_()
    (first_bank.impurity(pure) + first_bank.roughness(pure)).backward()
    assert pure.grad.isfinite().all()


def test_folding_batch_norm_changes_no_logit():
    network = empty(ShapesNetwork)
    randomise(network, seed=1)
    names = [name for name, _ in network.named_parameters()]
    with_batch_norm(network.features, first=1)
    images = torch.randn(16, 3, 64, 64, generator=generator())
    network.train()
    for _ in range(3):
        network(images)
    network.eval()
    before = network(images)
    without_batch_norm(network.features)
    assert torch.allclose(network(images), before, atol=1e-4)
    assert [name for name, _ in network.named_parameters()] == names


def test_zeroed_zeroes_and_then_no_longer():
    network = start_shapes(0).eval()
    layer, images = network.features[0], torch.randn(2, 3, 64, 64, generator=generator())
    before = layer(images)
    with zeroed(layer, [3]):
        during = layer(images)
    assert during[:, 3].abs().sum() == 0
    assert torch.equal(during[:, :3], before[:, :3])
    assert torch.equal(layer(images), before)


def test_training_is_seeded_and_ends_pure_and_in_half_precision():
    pictures = torch.from_numpy(draw_pictures(9, 0, 64)).permute(0, 3, 1, 2)
    targets = torch.from_numpy(draw_labels(9, 0, 64))
    schedule = Schedule(epochs=2, batch_size=32)
    first, again = (train_shapes(pictures, targets, schedule) for _ in range(2))
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, one.half().float())
    assert not [m for m in first.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    start = start_shapes(schedule.seed)
    assert not torch.equal(first.features[0].weight, start.features[0].weight)


def test_weights_come_back_from_the_file(tmp_path):
    network = start_shapes(0)
    save_weights(network, tmp_path / "new" / "shapes.safetensors")
    kept = load_file(tmp_path / "new" / "shapes.safetensors")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["shapes.safetensors"]
    for name, tensor in network.state_dict().items():
        assert torch.equal(kept[name], tensor.half())


def test_the_card_holds_what_was_measured():
    verdict = judge(start_shapes(0).eval(), ShapesAndColors(count=32, seed=5))
    card = shapes_card(verdict, Making(Schedule(epochs=3), 64, 0.5, 0.15, 1.0), images=32)
    assert f"Accuracy: {verdict.accuracy:.4f}" in card
    assert "| all 16 chromatic filters |" in card
    assert "3 epochs" in card
    assert len(verdict.single) == 32


def test_the_command_runs_a_recipe(monkeypatch, tmp_path):
    called = []
    monkeypatch.setitem(train.RECIPES, "shapes", called.append)
    threads = torch.get_num_threads()
    try:
        train.main(["shapes", "--folder", str(tmp_path / "there"), "--epochs", "2"])
    finally:
        torch.set_num_threads(threads)
    assert called == [Order(tmp_path / "there", epochs=2)]
    with pytest.raises(SystemExit):
        train.main(["no-such-network"])
