"""Pairs are listed and cut on the CPU: each once, in order, and pieces lose one set each."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from carviz.ablation.batches import GATHERING, Batch, cut_into_batches, needed, take

CPU = torch.device("cpu")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_pair_comes_once_and_in_order(data):
    count, size = data.draw(st.integers(0, 60)), data.draw(st.integers(1, 25))
    fill = data.draw(st.booleans())
    rows, sets = np.arange(count), np.arange(count)[:, None] // 7
    found = list(cut_into_batches(rows, sets, size, CPU, fill=fill))
    assert sum(batch.count for batch in found) == count
    asked = [row for batch in found for row in batch.rows[: batch.count].tolist()]
    assert asked == rows.tolist()
    for batch in found:
        assert batch.channels.tolist() == batch.sets.tolist()
        assert len(batch.rows) == len(batch.sets) <= size
        # Few shapes: a full batch, or what a power of two holds; what fills up was asked for.
        if fill:
            assert len(batch.rows) == size or len(batch.rows).bit_count() == 1
            assert (batch.rows[batch.count :] == batch.rows[batch.count - 1]).all()
        else:
            assert len(batch.rows) == batch.count


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_pieces_hold_every_row_and_lose_one_set(data):
    lengths = data.draw(st.lists(st.integers(1, 150), min_size=1, max_size=6))
    sets = np.repeat(np.arange(len(lengths)), lengths)[:, None] - 1
    batch = Batch.of(np.zeros(len(sets), np.int64), sets)
    pieces = batch.pieces(len(sets))
    rows = pieces.rows.numpy()
    assert (rows.flatten()[pieces.back.numpy()] == np.arange(len(sets))).all()
    assert (sets[rows, 0] == pieces.sets.numpy()).all()
    # Neither are many more rows computed than there are, nor weights fetched for each of them.
    pieces_at_8 = sum(-(-length // 8) for length in lengths)
    assert rows.size + GATHERING * len(rows) <= (8 + GATHERING) * pieces_at_8


def test_needed_pairs_are_those_where_a_channel_is_read():
    active = torch.tensor([[True, False, True], [False, False, True]])
    places, rows = needed(active, np.array([[0], [1], [2]]), 2)
    assert list(zip(places.tolist(), rows.tolist(), strict=True)) == [(0, 0), (2, 0), (2, 1)]
    places, rows = needed(active, np.array([[1, 0], [-1, 1]]), 2)
    assert list(zip(places.tolist(), rows.tolist(), strict=True)) == [(0, 0)]
    places, rows = needed(None, np.array([[-1], [4]]), 3)
    assert list(zip(places.tolist(), rows.tolist(), strict=True)) == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip


def test_rows_are_taken_as_they_lie():
    rows = torch.tensor([4, 1, 1])
    last = torch.randn(6, 4, 3, 5).to(memory_format=torch.channels_last)
    for values in (last, last.contiguous(), last[:, :, ::2], torch.randn(6), torch.randn(6, 7).T):
        assert torch.equal(take(values, rows % len(values)), values[rows % len(values)])
    assert take(last, rows).is_contiguous(memory_format=torch.channels_last)
