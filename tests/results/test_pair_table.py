"""Redundancy, compensation, and what is not told apart from chance."""

import dataclasses

import pytest
from support.results_examples import joint_table, pair_table

from carviz.results import PairTable


def test_what_is_told_of_pairs():
    table = pair_table()
    assert table.pairs.tolist() == [[2, 3], [2, 7], [3, 7]]
    assert table.interaction.tolist() == [0.75, -0.5, 0.0]
    assert table.kind.tolist() == ["redundancy", "compensation", "not told apart from chance"]
    assert table.low[2] < 0 < table.high[2]
    frame = table.to_frame()
    assert frame["interaction"].tolist() == table.interaction.tolist()
    assert frame["car_other"].tolist() == [0.0, 0.5, 0.5]
    assert frame[["filter", "other"]].to_numpy().tolist() == table.pairs.tolist()
    assert "log_prob_interaction" in frame
    assert frame["log_prob_kind"].tolist()[0] == "redundancy"
    assert repr(table).startswith("<PairTable of 'conv': 3 pairs of 3 filters, 40 images")


def test_what_is_no_pair_is_refused():
    table = pair_table()
    with pytest.raises(ValueError, match=r"a pair has two filters; found sets of \[1, 2, 3\]"):
        dataclasses.replace(table, sizes=[3, 1, 2], members=[0, 1, 2, 0, 1, 2])
    values = {f.name: getattr(joint_table(), f.name) for f in dataclasses.fields(PairTable)}
    with pytest.raises(ValueError, match="pairs are of one bank; found 2 banks"):
        PairTable(**values)
