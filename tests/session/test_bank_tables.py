"""Which tables of a bank are kept, and which is shown."""

import dataclasses

from support.small import planted

import carviz
from carviz.session.bank_tables import BankTables, best


def part(images, filters):
    model, (pictures, labels) = planted()
    return carviz.measure_car(
        model, (pictures[:images], labels[:images]), "0", filters=filters, progress=False
    )


def test_tables_of_the_same_images_are_merged_and_others_kept_beside():
    known = BankTables()
    known.add(part(8, [0]))
    known.add(part(8, [2]))
    assert [t.filters.tolist() for t in known.tables] == [[0, 2]]
    known.add(part(6, None))
    assert len(known.tables) == 2
    assert len(best(known.tables, 0).images) == 8
    assert len(best(known.tables, 1).images) == 6
    known.add(part(8, [1, 3]))
    assert best(known.tables, 1).filters.tolist() == [0, 1, 2, 3]


def test_a_table_outdone_by_one_of_more_of_the_same_images_is_dropped():
    whole = part(8, None)
    first = dataclasses.replace(
        whole, images=whole.images[:3], targets=whole.targets[:3], baseline=whole.baseline[:3],
        predictions=whole.predictions[:, :3], image_log_prob_drop=whole.image_log_prob_drop[:, :3],
    )  # fmt: skip
    known = BankTables()
    known.add(first)
    known.add(part(8, [0]))
    assert len(known.tables) == 2, "the other filters are known of three images only"
    known.add(whole)
    assert known.tables == [whole]


def test_the_table_of_most_images_is_shown():
    few, one = part(6, None), part(8, [0])
    assert best([], 0) is None
    assert best([few, one], 0) is one
    assert best([few, one], 1) is few
    assert best([one], 1) is one, "better than none: it tells of the neighbours"
