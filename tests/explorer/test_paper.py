"""The page that save_html writes: of what is shown, and of the data at hand only."""

import pytest
from support.gated import data, network
from support.waiting import WAIT

import carviz
from carviz.explorer import explore


def test_save_html_writes_what_is_shown(tmp_path):
    explorer = explore(network(), data())
    explorer.filter = 2
    explorer.compute()
    explorer.wait(WAIT)
    page = explorer.save_html(tmp_path / "page.html").read_text()
    assert "<h1>Filter 2 of first</h1>" in page
    assert "Filter by filter, highest CAR first" in page
    changed = explorer.table.flips(2)["change"].value_counts()
    assert page.count('class="thumbnail"') == changed.clip(upper=24).sum() > 0
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    explorer.close()
    again = explorer.save_html(tmp_path / "closed.html").read_text()
    assert again == page, "what was measured stays"


def test_a_page_of_other_images_shows_none(tmp_path):
    table = carviz.measure_car(network(), data(0), "first", progress=False)
    table.save(tmp_path / "table.npz")
    assert len(table.flips(0)) > 0
    for seed, shown in ((0, True), (1, False)):
        explorer = explore(network(), data(seed), tables=tmp_path)
        page = explorer.save_html(tmp_path / "page.html").read_text()
        assert ('class="thumbnail"' in page) == shown


def test_nothing_measured_makes_no_page(tmp_path):
    explorer = explore(network(), data())
    with pytest.raises(ValueError, match="measured first"):
        explorer.save_html(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []
