"""`carviz page`, as a person types it."""

from support.command_line import run
from support.saved_page import data_of, sections_of

import carviz


def test_page_measures_prunes_and_pictures_a_bank_and_says_where_it_is(tmp_path):
    file = tmp_path / "page.html"
    out = run("page", "--limit", 1, "--layer", "features.0", "--count", 1, "--save", file)
    assert f"{file.stat().st_size / 1e6:.1f} MB" in " ".join(out.split())
    data = data_of(file.read_text("utf-8"))
    (bank,) = data["banks"]
    model, images = carviz.load_model("shapes"), carviz.load_data("shapes", limit=1)
    table = carviz.measure_car(model, images, "features.0", progress=False)
    assert data["choice"]["view"] == "filter"
    found = sections_of(data, "features.0", int(table.order[0]))
    assert (bank["layer"], bank["filter"], len(bank["places"])) == ("features.0", table.order[0], 2)
    assert "shapes" in (found["head"]["model"], found["head"]["data"])
    assert all(tab["small"] for tab in found["sight"]["tabs"][:2])
    alike = carviz.measure_siblings(model, images, "features.0", progress=False)
    near = alike.nearest(int(table.order[0]), 3, by="activation")
    shown = near["filter"][near["similarity"] >= 0.5].tolist()
    assert [item["filter"] for item in found["siblings"]["items"]] == shown != []


def test_page_refuses_before_the_work(tmp_path):
    missing = run("page", "--save", tmp_path / "none" / "page.html", code=2)
    assert "saved into a folder that exists" in " ".join(missing.split())
    wrong = run("page", "--pictures", "weight", "--save", tmp_path / "page.html", code=2)
    assert "Did you mean 'weights'?" in " ".join(wrong.split())
