"""Which tables of a bank are kept, and which is shown."""

import dataclasses
import shutil

from support.photographs import folder_of_photographs
from support.small import planted

import carviz
from carviz.screen.head import head
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


def test_the_very_images_of_saved_tables_are_opened(tmp_path):
    data = carviz.load_data("shapes", limit=2)
    table = carviz.measure_car(carviz.load_model("shapes"), data, "features.0", filters=[0])
    table.save(tmp_path / "features.0.npz")
    session = carviz.open_session(tables=tmp_path)
    assert len(session.subject.images) == 32
    assert session.snapshot().own_data
    session.close()


def test_images_of_saved_tables_that_are_gone_are_named_at_the_top(tmp_path):
    folder = folder_of_photographs(tmp_path / "data", ["circle", "ring"])
    model = carviz.load_model("shapes")
    data = carviz.load_data(folder, model=model, limit=1)
    carviz.measure_car(model, data, "features.0", filters=[0]).save(tmp_path / "features.0.npz")
    shutil.rmtree(folder)
    shown = carviz.open_session(tables=tmp_path).snapshot()
    assert (shown.data, shown.own_data) == ("shapes", False)
    assert f'carviz.load_data("{folder}", limit=1)' in head(shown)["facts"][-1][0]
