"""Agreement of an order with itself: alpha as the books have it, and words where there is none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from carviz.results.agreement import check_order, measure_agreement

NO_CLASSES = {"order": "car", "p_value": 1.0}


def judged(values, classes=1):
    values = np.asarray(values)
    return measure_agreement(values, np.arange(values.shape[1]) % classes, **NO_CLASSES)


def cronbach(values):
    """As Cronbach has it, of items (images) and their sum."""
    items = np.asarray(values, dtype=float)
    k = items.shape[1]
    return k / (k - 1) * (1 - items.var(axis=0, ddof=1).sum() / items.sum(axis=1).var(ddof=1))


@pytest.mark.parametrize("seed", range(3))
def test_alpha_is_cronbachs(seed):
    g = np.random.default_rng(seed)
    right = g.random((9, 70)) < g.random((9, 1)) * g.random(70)
    falls = g.normal(size=(9, 1)) + g.standard_t(2, (9, 70)) + 100 * g.normal(size=70)
    for values in (right, falls, falls.astype(np.float32)):
        found = judged(values)
        assert found.alpha == pytest.approx(cronbach(values), rel=1e-4)
        assert (found.filters, found.images) == (9, 70)
        assert found.low < found.alpha < found.high <= 1


def interval(alpha, freedom, images):
    ends = (stats.f.ppf(q, freedom, freedom * (images - 1)) for q in (0.975, 0.025))
    return [1 - (1 - alpha) * end for end in ends]


def test_what_the_interval_is():
    """Feldt's with the degrees of freedom that Box gives, of images in pairs."""
    g = np.random.default_rng(1)
    loads = g.normal(size=(12, 2))
    alike = loads @ g.normal(size=(2, 40)) + 0.3 * g.normal(size=(12, 40))
    for values in (g.normal(size=(12, 1)) + g.normal(size=(12, 40)), alike):
        found = judged(values)
        own = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
        shared = own.T @ own
        pairs = [shared[i, j] ** 2 for i in range(40) for j in range(40) if i != j]
        freedom = min(11, (np.trace(shared) / 39) ** 2 / np.mean(pairs))
        assert [found.low, found.high] == pytest.approx(interval(found.alpha, freedom, 40))
    assert freedom < 3


@pytest.mark.parametrize("alike", [0, 1])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_its_interval_holds_the_true_alpha_in_19_draws_of_20(spread, alike):
    """Of filters that go by themselves, as Feldt has them, or act alike on kinds of images."""
    g, F, M = np.random.default_rng(2), 20, 60
    loads = alike * 2 * g.normal(size=(F, 2))
    noise = (loads**2).sum(axis=1).mean() - (loads.mean(axis=0) ** 2).sum()
    effects = g.normal(size=F)
    effects *= spread / effects.std(ddof=1)
    noise = 9 + noise * F / (F - 1)
    true = spread**2 / (spread**2 + noise / M)
    held = 0
    for _ in range(300):
        values = effects[:, np.newaxis] + g.normal(size=M) + 3 * g.normal(size=(F, M))
        found = judged(values + loads @ g.normal(size=(2, M)), classes=M)  # so without halves
        held += found.low <= true <= found.high
    assert held >= 273


def test_images_needed_give_the_agreement_that_is_wanted():
    g = np.random.default_rng(3)
    few = judged(g.normal(size=(200, 1)) + 3 * g.normal(size=(200, 20)))
    assert few.images_needed == pytest.approx(4 * 20 * (1 - few.alpha) / few.alpha)
    assert few.images_needed_low < few.images_needed < few.images_needed_high
    M = round(few.images_needed)
    many = judged(g.normal(size=(200, 1)) + 3 * g.normal(size=(200, M)))
    assert many.alpha == pytest.approx(0.8, abs=0.08)


def test_an_alpha_of_rounding_is_none():
    """Both mean squares are the same, but for rounding."""
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=(4, 6))
        rows = values.mean(axis=1, keepdims=True) - values.mean()
        rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
        between = 6 * np.square(rows).sum() / 3
        found = judged(rows + rest * np.sqrt(between / (np.square(rest).sum() / 15)))
        assert found.alpha == 0
        assert found.images_needed == math.inf


def test_halves_agree_less_than_the_whole_would_and_are_the_same_when_asked_again():
    g = np.random.default_rng(4)
    strength = np.linspace(0, 0.5, 12)[:, np.newaxis]
    found, again = (judged(strength + h * g.normal(size=(12, 400)), classes=4) for h in (1, 50))
    assert 0.9 < found.halves <= 1
    assert abs(again.halves) < 0.7
    flips = g.random((12, 400)) < strength
    assert judged(flips, 4) == judged(flips, 4)
    assert judged(flips, 4).halves > 0.9


def test_halves_have_as_many_of_each_class():
    """Filter f is right on class f alone: halves that differ in classes would order them."""
    right = np.arange(6)[:, np.newaxis] == np.arange(120) % 6
    found = judged(right, classes=6)
    assert math.isnan(found.halves)
    assert found.why == "All filters are alike on a half of the images."
    assert found.alpha == -math.inf
    assert found.shown == 0


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.ones((1, 8), bool), "One filter has no order."),
        (np.eye(3, dtype=bool)[:, :1], "One image has no other to agree with."),
        (np.zeros((4, 8), bool), "All filters are alike on every image."),
        (np.tile(np.random.default_rng(0).normal(size=8), (4, 1)), "All filters are alike on"),
    ],
)
def test_where_there_is_no_agreement_it_says_why(values, why):
    found = judged(values)
    assert all(math.isnan(v) for v in (found.alpha, found.low, found.shown, found.images_needed))
    assert found.why.startswith(why)
    assert found.told_apart is (len(values) == 1)


def test_filters_of_one_mean_agree_in_nothing_however_many_images_there_are():
    found = judged(np.tile(np.eye(4, dtype=bool), 5))
    assert (found.alpha, found.low, found.high, found.shown) == (*[-math.inf] * 3, 0)
    assert found.images_needed == math.inf


def test_filters_in_one_order_on_every_image_need_two_images():
    found = judged(np.tile([[True], [False], [False]], 6))
    assert (found.alpha, found.low, found.high, found.images_needed) == (1, 1, 1, 2)


def test_few_images_of_a_class_make_no_halves():
    found = judged(np.random.default_rng(0).random((4, 7)) < 0.5, classes=4)
    assert found.why == "Halves want two images of a class; found 7 of 4 classes."
    assert math.isnan(found.halves)
    assert not math.isnan(found.alpha)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.integers(2, 30), st.integers(0, 10**6))
def test_what_an_image_adds_to_all_filters_changes_nothing_nor_does_their_order(
    filters, images, seed
):
    g = np.random.default_rng(seed)
    values = g.normal(size=(filters, images)) + g.normal(size=(filters, 1))
    found = judged(values)
    for same in (
        values + 10 * g.normal(size=images),
        values[:, g.permutation(images)],
        values[::-1],
    ):
        assert judged(same).alpha == pytest.approx(found.alpha, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("order", ["CAR", None, 3])
def test_other_orders_are_refused(order):
    with pytest.raises(ValueError, match=r"'car' or 'log_prob'.*found"):
        check_order(order)
