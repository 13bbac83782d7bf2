"""`carviz joint` and `carviz pairs`, as a person types them."""

from support.command_line import run

import carviz
from carviz import JointTable, PairTable
from carviz.wording import points


def flat(out):
    return " ".join(out.split())


def test_joint_tells_sets_beside_their_sums(tmp_path):
    path, figure = tmp_path / "table.npz", tmp_path / "figure.png"
    out = run(
        "joint", "--layer", "features.0", "--sets", "1,2;16,17,28", "--limit", 4,
        "--save", path, "--figure", figure, "--checkpoint", tmp_path / "kept",
    )  # fmt: skip
    table = JointTable.load(path)
    assert table.sets == [[1, 2], [16, 17, 28]]
    rows = [line.split() for line in out.splitlines() if line.startswith("16, 17, 28")]
    told = [points(v[1], unit=False) for v in (table.car, table.sum_of_cars, table.excess)]
    assert rows[0][3:6] == told
    assert "64 images" in flat(out)
    assert f"Sets of filters × images: {table.passport['sets']['ran']} of 128 ran" in flat(out)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "kept").is_dir()


def test_joint_of_several_banks(tmp_path):
    path = tmp_path / "table.npz"
    sets = "features.0:1,2|features.3:0;features.3:4"
    out = run("joint", "shapes", "shapes", "all", "--sets", sets, "--limit", 1, "--save", path)
    assert JointTable.load(path).sets == [
        {"features.0": [1, 2], "features.3": [0]},
        {"features.3": [4]},
    ]
    assert "features.0: 1, 2; features.3: 0" in flat(out)


def test_pairs_tell_what_is_beyond_chance_and_what_all_of_them_cost(tmp_path, monkeypatch):
    path = tmp_path / "pairs.npz"
    out = run("pairs", "--limit", 1, "--save", path, "--shown", 3)  # of the first bank
    table = PairTable.load(path)
    assert table.passport["chosen"] == "siblings"
    assert f"of {len(table)} pairs are redundant" in flat(out)
    assert sum(" and " in line and line[0].isdigit() for line in out.splitlines()) == 3
    asked = []
    monkeypatch.setattr(carviz, "measure_pairs", lambda *_, **o: asked.append(o["pairs"]) or table)
    out = run(
        "pairs", "shapes", "shapes", "features.0", "--limit", 1, "--pairs", "all", "--shown", 0
    )
    assert asked == ["all"]
    assert "All 496 pairs: " in flat(out)
    assert "15.5 times the filters alone" in flat(out)


def test_what_is_no_set_is_told():
    def told(*words):
        return flat(run(*words, "--limit", 1, code=2))

    shapes = "shapes", "shapes", "features.0"
    assert "e.g. '1,2;3,4'; found '1,a'" in told("joint", *shapes, "--sets", "1,a")
    assert "has filters 0 to 31; found 32" in told("joint", *shapes, "--sets", "1,32")
    assert "name each bank once" in told("joint", "shapes", "shapes", "all", "--sets", "1,2")
    assert "A figure is a .png" in told("joint", *shapes, "--sets", "1", "--figure", "a.xyz")
    assert "A pair has two filters; found [1, 2, 3]" in told("pairs", *shapes, "--pairs", "1,2,3")
    twice = told("joint", *shapes, "--layer", "features.3", "--sets", "1")
    assert "The bank is named once; found 'features.0', and --layer features.3" in twice
    assert "there is no 'conv'" in told("pairs", "shapes", "shapes", "conv")
