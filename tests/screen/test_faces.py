"""The image that stands for a class: which one, and what it is with and without the filter."""

import numpy as np
from support.gated import data, network
from support.results_examples import car_table

import carviz
from carviz.screen.faces import choose_faces


def test_the_image_that_is_lost_comes_first_then_any_that_changes_then_a_right_one():
    table = car_table()
    for filter in table.filters.tolist():
        chosen = choose_faces(table, filter, range(len(table.classes)))
        after = table.predictions[table.row(filter)]
        for number in range(len(table.classes)):
            own = np.flatnonzero(table.targets == number)
            if not len(own):
                assert number not in chosen
                continue
            place = int(np.flatnonzero(table.images == chosen[number].image)[0])
            right, changed = table.baseline == table.targets, after != table.baseline
            for kind in (right & changed, changed, right, np.ones(len(own) + 999, bool)):
                if kind[own].any():
                    assert place == own[kind[own]][0]
                    break


def test_the_words_say_what_it_is_and_becomes():
    table = carviz.measure_car(network(), data(), "first", progress=False)
    filter, number = divmod(int(np.argmax(table.lost)), len(table.classes))
    face = choose_faces(table, filter, [number])[number]
    flips = table.flips(filter, number).set_index("image")
    assert flips.change[face.image] == "lost"
    assert face.words == (
        f"Image {face.image}: right; without filter {filter} taken for {flips.after[face.image]}"
    )
    same = np.flatnonzero((table.lost + table.gained)[0] == 0)
    for number in same:
        assert "with and without filter 0" in choose_faces(table, 0, [number])[number].words
