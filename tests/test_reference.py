"""The judge is judged: does it ablate what it says, and would it notice an engine that does not?"""

import copy
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import torch
from support.families import ROWS, Row, cases, fingerprint, truth
from support.reference import TOLERANCE, agree, baseline, own_log_probs, reference_logits
from support.woken import CLASSES, NAMES, family, smooth_images, wake
from torch import Tensor, nn


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Thousands of small operations: on a busy machine, threads wait for one another for longer
    than they compute (ten times longer, seen with another job on both of two cores)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Judged(NamedTuple):
    """What the reference says of one row of the table."""

    row: Row
    targets: Tensor
    unablated: Tensor
    """Logits (filter, image, class), the same for every filter."""
    ablated: Tensor
    wrong_side: Tensor | None
    """Two filters zeroed at the convolution's output, where that is not the site."""
    untouched: bool


@pytest.fixture(scope="module", params=cases())
def judged(request: pytest.FixtureRequest) -> Judged:
    row: Row = request.param
    model, images, targets = family(row.family)
    unablated, ablated, untouched = truth(row)
    wrong = None
    if row.has_own_norm:
        wrong = reference_logits(model, images, row.bank, row.filters[:2])
    return Judged(row, targets, unablated.expand_as(ablated), ablated, wrong, untouched)


def check(
    reference: Tensor, logits: Tensor, targets: Tensor, *, log_probs: Tensor | None = None
) -> None:
    """`agree`, told what an engine with these logits would answer."""
    if log_probs is None:
        log_probs = own_log_probs(logits, targets)
    agree(reference, logits.argmax(-1), log_probs, targets)


# --- every row of the table -------------------------------------------------------------------


def test_every_ablation_moves_something(judged: Judged) -> None:
    scale = judged.ablated.abs().amax(-1)
    before = own_log_probs(judged.unablated, judged.targets)
    after = own_log_probs(judged.ablated, judged.targets)
    moved = ((after - before).abs() / scale).amax(1)
    for number, share in zip(judged.row.filters, moved, strict=True):
        assert share > 50 * TOLERANCE, f"filter {number} moves {share:.2g} of the scale"
    assert (judged.ablated.argmax(-1) != judged.unablated.argmax(-1)).any()


def test_returning_the_unablated_prediction_is_noticed(judged: Judged) -> None:
    for right, lazy in zip(judged.ablated, judged.unablated, strict=True):
        check(right[None], right[None], judged.targets)
        with pytest.raises(AssertionError, match="disagree with the reference"):
            check(right[None], lazy[None], judged.targets)
    # Each half of the judge notices by itself.
    own = own_log_probs(judged.ablated, judged.targets)
    with pytest.raises(AssertionError, match="predictions disagree"):
        check(judged.ablated, judged.unablated, judged.targets, log_probs=own)
    lazy_own = own_log_probs(judged.unablated, judged.targets)
    with pytest.raises(AssertionError, match="log-probabilities disagree"):
        check(judged.ablated, judged.ablated, judged.targets, log_probs=lazy_own)


def test_zeroing_at_the_wrong_side_of_the_batchnorm_is_noticed(judged: Judged) -> None:
    if judged.wrong_side is None:
        pytest.skip("this bank has no BatchNorm of its own")
    # Judged together: what a depthwise convolution makes of one filter's constant, its own ReLU may
    # hide.
    with pytest.raises(AssertionError, match="disagree with the reference"):
        check(judged.ablated[:2], judged.wrong_side, judged.targets)


def test_the_given_model_is_untouched(judged: Judged) -> None:
    assert judged.untouched


def test_zero_weights_give_the_same_logits(judged: Judged) -> None:
    """The other way to the same zero: no hook, but the channel's own weights and shift gone."""
    row = judged.row
    model, images, _ = family(row.family)
    network = copy.deepcopy(model)
    site = network.get_submodule(row.site)
    with torch.no_grad():
        site.weight[row.filters[0]] = 0
        if site.bias is not None:
            site.bias[row.filters[0]] = 0
    torch.testing.assert_close(baseline(network, images), judged.ablated[0])


# --- every family -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_networks_are_awake(name: str) -> None:
    model, images, targets = family(name)
    logits = baseline(model, images)
    predictions = logits.argmax(-1)
    counts = predictions.bincount(minlength=CLASSES)
    assert (counts > 0).sum() >= 6
    assert counts.max() <= len(images) // 2
    right = (predictions == targets).sum()
    assert len(images) // 2 <= right < len(images)
    # What float32 loses on the way is well below what `agree` lets pass.
    exact = baseline(copy.deepcopy(model).double(), images)
    rounding = ((logits - exact).abs().amax(-1) / exact.abs().amax(-1)).max()
    assert rounding < TOLERANCE / 3


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_true_of_the_networks(name: str) -> None:
    model, images, _ = family(name)
    rows = [row for row in ROWS if row.family == name]
    assert len(rows) == 3
    network = copy.deepcopy(model)
    order: list[str] = []
    made: dict[str, Tensor] = {}
    readers: dict[str, list[str]] = {row.bank: [] for row in rows}

    def watch(layer: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, nn.Conv2d):
                order.append(layer)
                made[layer] = output
            for bank in readers:
                # The very object: a concatenation or a sum would be another.
                if bank in made and inputs[0] is made[bank]:
                    readers[bank].append(layer)

        return hook

    for layer, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(watch(layer))
    with torch.inference_mode():
        network(images[:2])

    first, middle, last = (row.bank for row in rows)
    assert first == order[0]
    assert last == order[-1]
    assert 0 < order.index(middle) < len(order) - 1
    for row in rows:
        norms = [
            layer
            for layer in readers[row.bank]
            if isinstance(network.get_submodule(layer), nn.BatchNorm2d)
        ]
        assert norms == ([row.site] if row.has_own_norm else [])


@pytest.mark.parametrize("row", cases(row for row in ROWS if row.has_own_norm))
def test_nothing_but_its_batchnorm_reads_the_bank(row: Row) -> None:
    model, images, _ = family(row.family)
    images = images[:2]
    network = copy.deepcopy(model)
    convolution, norm = network.get_submodule(row.bank), network.get_submodule(row.site)
    kept: list[Tensor] = []
    with torch.inference_mode():
        hook = norm.register_forward_hook(lambda _m, _i, output: kept.append(output.clone()))
        whole = network(images)
        hook.remove()
        convolution.register_forward_hook(lambda _m, _i, output: torch.zeros_like(output))
        norm.register_forward_hook(lambda _m, _i, _o: kept[0])
        without = network(images)
    assert torch.equal(whole, without)


# --- small networks, by hand ------------------------------------------------------------------


class TwoFilters(nn.Module):
    """Two 1 x 1 filters of one pixel, an in-place ReLU, and a skip that reads before the norm."""

    def __init__(self, *, skip: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.norm = nn.BatchNorm2d(2, eps=0)
        self.relu = nn.ReLU(inplace=True)
        self.skip = skip
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -2.0]).reshape(2, 1, 1, 1))
            self.conv.bias.copy_(torch.tensor([1.0, 10.0]))
            self.norm.running_mean.copy_(torch.tensor([1.0, 2.0]))
            self.norm.running_var.copy_(torch.tensor([4.0, 1.0]))
            self.norm.weight.copy_(torch.tensor([2.0, 1.0]))
            self.norm.bias.copy_(torch.tensor([3.0, 5.0]))

    def forward(self, images: Tensor) -> Tensor:
        y = self.conv(images)
        z = self.relu(self.norm(y))
        return (z + y if self.skip else z).flatten(1)


def test_by_hand_after_the_batchnorm() -> None:
    # x = 4: conv [5, 2]; norm [(5 - 1) / 2 * 2 + 3, (2 - 2) + 5] = [7, 5].
    model, images = TwoFilters(skip=False), torch.full((1, 1, 1, 1), 4.0)
    assert baseline(model, images).tolist() == [[7, 5]]
    assert reference_logits(model, images, "norm", [0, 1]).tolist() == [[[0, 5]], [[7, 0]]]
    # At the convolution the norm answers with its constant: -1 / 2 * 2 + 3 = 2 and -2 + 5 = 3.
    assert reference_logits(model, images, "conv", [0, 1]).tolist() == [[[2, 5]], [[7, 3]]]


def test_by_hand_with_a_skip() -> None:
    model, images = TwoFilters(skip=True), torch.full((1, 1, 1, 1), 4.0)
    assert baseline(model, images).tolist() == [[12, 7]]
    assert reference_logits(model, images, "norm", [1]).tolist() == [[[12, 2]]]
    assert reference_logits(model, images, "conv", [1]).tolist() == [[[12, 3]]]


def test_an_in_place_layer_behind_the_site_does_not_reach_the_skip() -> None:
    class Identity(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.site, self.relu = nn.Conv2d(1, 1, 1), nn.Identity(), nn.ReLU(True)

        def forward(self, images: Tensor) -> Tensor:
            y = self.conv(images)
            # Unablated, the ReLU writes into y; ablated, it must write into the copy.
            return (self.relu(self.site(y)) * 0 + y).flatten(1)

    model = Identity()
    with torch.no_grad():
        model.conv.weight.fill_(-1)
        model.conv.bias.fill_(0)
    images = torch.full((1, 1, 1, 1), 4.0)
    assert reference_logits(model, images, "site", [0]).tolist() == [[[-4]]]


def test_training_mode_is_left_alone_and_left_out() -> None:
    model = wake(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 5),
        ),
        images := smooth_images(6, 12),
    )
    expected = reference_logits(model, images, "1", [0, 3])
    model.train()
    model[1].eval()
    before = fingerprint(model)
    assert torch.equal(reference_logits(model, images, "1", [0, 3]), expected)
    assert fingerprint(model) == before


def test_batches_do_not_change_the_answer() -> None:
    model, images, targets = family("squeezenet1_1")
    site, filters = "features.0", [3, 5]
    whole = reference_logits(model, images, site, filters)
    split = reference_logits(model, images, site, filters, batch_size=5)
    assert split.shape == (2, len(images), CLASSES)
    check(whole, split, targets)


@pytest.mark.parametrize("number", [-1, 2])
def test_a_filter_that_is_not_there(number: int) -> None:
    with pytest.raises(IndexError):
        reference_logits(TwoFilters(skip=False), torch.ones(1, 1, 1, 1), "conv", [number])


# --- the rule for agreeing --------------------------------------------------------------------

CLEAR = torch.tensor([[[4.0, 1.0, 0.0], [0.0, 3.0, 1.0]], [[1.0, 2.0, 8.0], [5.0, 0.0, 1.0]]])
LABELS = torch.tensor([0, 1])


def test_agree_takes_numpy_and_rounding() -> None:
    noise = torch.tensor([3e-5, -3e-5, 0.0])
    logits = CLEAR + noise
    own = own_log_probs(logits, LABELS)
    agree(CLEAR, logits.argmax(-1).numpy(), own.float().numpy(), LABELS.numpy())


def test_agree_forgives_a_prediction_only_on_a_tie() -> None:
    for lead, forgiven in ((1e-4, True), (1e-3, False)):
        logits = torch.tensor([[[4.0 + lead, 4.0, 0.0]]])
        own = own_log_probs(logits, LABELS[:1])
        if forgiven:
            agree(logits, [[1]], own, LABELS[:1])
        else:
            with pytest.raises(AssertionError, match="predicted 1, reference 0"):
                agree(logits, [[1]], own, LABELS[:1])


def test_agree_says_which_filter_and_image() -> None:
    own = own_log_probs(CLEAR, LABELS)
    predictions = CLEAR.argmax(-1)
    predictions[1, 0] = 1
    with pytest.raises(AssertionError, match=r"1 of 4 predictions .* filter 17, image 0"):
        agree(CLEAR, predictions, own, LABELS, filters=[9, 17])
    own[0, 1] += 1e-3
    with pytest.raises(AssertionError, match=r"1 of 4 log-probabilities .* filter 9, image 1"):
        agree(CLEAR, CLEAR.argmax(-1), own, LABELS, filters=[9, 17])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_agree_refuses_what_is_not_finite(value: float) -> None:
    own = own_log_probs(CLEAR, LABELS)
    own[0, 0] = value
    with pytest.raises(AssertionError, match="log-probabilities"):
        agree(CLEAR, CLEAR.argmax(-1), own, LABELS)
    broken = CLEAR.clone()
    broken[0, 0, 0] = value
    with pytest.raises(AssertionError, match="not finite"):
        agree(broken, CLEAR.argmax(-1), own_log_probs(CLEAR, LABELS), LABELS)


def test_agree_refuses_shapes_that_would_broadcast() -> None:
    own = own_log_probs(CLEAR, LABELS)
    with pytest.raises(AssertionError, match="predictions"):
        agree(CLEAR, CLEAR.argmax(-1)[:1], own, LABELS)
    with pytest.raises(AssertionError, match="log_probs"):
        agree(CLEAR, CLEAR.argmax(-1), own[:, :1], LABELS)
    with pytest.raises(AssertionError, match="targets"):
        agree(CLEAR, CLEAR.argmax(-1), own, LABELS[:1])
