"""What lies in a folder of records: read by kind, in order, the rest told."""

from support.results_examples import car_table, pruning_path, selectivity_table

from carviz.results import CarTable, SelectivityTable, read_folder


def test_records_are_read_by_kind_in_the_order_of_their_numbers(tmp_path):
    for name in ("a.10.npz", "a.9.npz"):
        car_table().save(tmp_path / name)
    selectivity_table().save(tmp_path / "a.9b.npz")
    pruning_path().save(tmp_path / "path.npz")
    (tmp_path / "notes.txt").write_text("no record")
    records, problems = read_folder(tmp_path, [CarTable, SelectivityTable], ["PruningPath"])
    assert list(records) == ["a.9.npz", "a.9b.npz", "a.10.npz"]
    assert [type(record) for record in records.values()] == [CarTable, SelectivityTable, CarTable]
    assert problems == []


def test_what_is_no_such_record_is_told_with_its_name(tmp_path):
    car_table().save(tmp_path / "good.npz")
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:-99])
    pruning_path().save(tmp_path / "path.npz")
    (tmp_path / "folder.npz").mkdir()
    records, problems = read_folder(tmp_path, [CarTable])
    assert list(records) == ["good.npz"]
    assert len(problems) == 3
    for name in ("damaged.npz", "folder.npz", "path.npz"):
        assert sum(name in problem for problem in problems) == 1
