"""The picture of how sure ranks are: legible, and saying what the table says."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from support.legible import check_legible, texts, words
from support.tables import bank_table, known_table, random_table

import carviz
from carviz.plots import plot_ranks
from carviz.wording import NOT_APART, agreement_words


def bank(filters, images=400, *, apart=True, total=None):
    g = np.random.default_rng(filters)
    strength = np.linspace(0, 0.4, filters)[g.permutation(filters), np.newaxis]
    rate = strength if apart else np.full_like(strength, 0.1)
    right = g.random((filters, images)) >= rate
    falls = strength + 0.1 * g.standard_t(3, right.shape)
    return bank_table(right, falls, classes=4, total=total)


@pytest.mark.parametrize("order", ["car", "log_prob"])
@pytest.mark.parametrize("filters", [1, 2, 16, 60, 256])
def test_it_is_legible_and_says_how_far_the_order_agrees(filters, order):
    table = bank(filters, total=1000)
    figure = plot_ranks(table, order=order)
    check_legible(figure)
    said = words(figure).replace("\n", " ").lower()
    agreement = agreement_words(table.agreement(order=order)).lower()
    for found in (said, figure.description.lower()):
        assert agreement.removesuffix(".") in found
        assert "400 of 1,000 images so far" in found
        assert (NOT_APART in found) is not table.tells_apart(order=order)
    frame = table.ranks(order=order)
    for row in (frame.iloc[0], frame.iloc[-1]):
        span = f"{row.rank_low:.0f} to {row.rank_high:.0f}"
        told = f"Filter {row['filter']:.0f}: rank {row['rank']:.0f}, 95% interval {span}"
        assert told in figure.description


def test_bars_reach_over_the_intervals_and_filters_stand_in_their_order():
    table = bank(16)
    frame = table.ranks()
    figure = plot_ranks(table)
    (bars,) = figure.findobj(LineCollection)
    ends = np.array(bars.get_segments())[:, :, 1]
    assert ends[:, 0].tolist() == (frame["rank_low"] - 0.5).tolist()
    assert ends[:, 1].tolist() == (frame["rank_high"] + 0.5).tolist()
    rows = [t.get_text() for t in texts(figure)]
    start = rows.index(str(frame["filter"][0]))
    assert rows[start : start + 16] == [str(i) for i in frame["filter"]]


def test_where_the_images_tell_nothing_it_says_so_and_offers_log_p():
    table = bank(16, apart=False)
    assert not table.tells_apart()
    said = words(plot_ranks(table))
    agreement = table.agreement(order="log_prob").shown
    assert f"These {NOT_APART[6:]}; log p does, agreement {agreement:.2f}." in said
    assert NOT_APART not in words(plot_ranks(table, order="log_prob"))


def test_where_no_two_are_told_apart_for_sure_it_says_so():
    g = np.random.default_rng(8)
    table = bank_table(g.random((16, 400)) >= np.linspace(0.1, 0.15, 16)[:, np.newaxis])
    frame = table.ranks()
    assert table.tells_apart()
    assert (frame["rank_high"] - frame["rank_low"] == 15).all()
    said = "No two filters are told apart for sure: each may have any rank"
    figure = plot_ranks(table)
    check_legible(figure)
    assert said in words(figure)
    assert said in figure.description
    assert said not in words(plot_ranks(bank(16)))


def test_some_filters_of_a_bank_are_called_measured():
    figure = plot_ranks(random_table(3, filters=[4, 9, 2]))
    check_legible(figure)
    assert "3 filters measured by CAR" in words(figure)


def test_what_it_does_not_show_is_refused():
    with pytest.raises(TypeError, match=r"shows a CarTable.*found int"):
        plot_ranks(3)
    with pytest.raises(ValueError, match=r"'car' or 'log_prob'"):
        plot_ranks(known_table(), order="l1")
    with pytest.raises(ValueError, match="each image"):
        plot_ranks(known_table(), order="log_prob")
    assert carviz.plot_ranks is plot_ranks
