"""Several filters, two filters, one image and one's own, in a real JupyterLab."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from support.jupyterlab import Notebook, browser, chromium_path, lab_server

pytest.importorskip("playwright", reason="the browser test needs the extra `browser`")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium_path() is None, reason="there is no Chromium on this machine"),
]


NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "1-explore.ipynb"
TILES = ".carviz .cv-left .cv-tile"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(NOTEBOOK, folder)
    with lab_server(folder, tmp_path_factory.mktemp("home")) as address, browser() as chromium:
        notebook = Notebook(chromium, address, "1-explore.ipynb")
        notebook.run(notebook.add("import carviz; explorer = carviz.explore(); explorer"))
        notebook.wait(lambda: notebook.page.locator(TILES).count() == 32, "32 filters", 60)
        notebook.ask("explorer.compute() or explorer.wait()", 120)
        yield notebook
        notebook.close()


def press(lab, name):
    lab.page.get_by_role("button", name=name).first.click()


def eventually(lab, expression, value, seconds=30):
    """Ask the kernel until it answers `value`: it may lag behind a click."""
    lab.wait(lambda: lab.ask(expression) == value, f"{expression} == {value}", seconds)


def choose(lab, filter):
    lab.page.locator(f"{TILES}[data-filter='{filter}']").click()


def view(lab, name):
    lab.page.get_by_role("button", name=name, exact=True).first.click()


def test_filters_are_picked_by_mouse_and_keyboard_and_removed_together(lab):
    page = lab.page
    view(lab, "Several")
    for filter in (8, 12, 3):
        choose(lab, filter)  # faster than the kernel answers
    page.locator(f"{TILES}[data-filter='3']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    eventually(lab, "explorer.session.picked", "(8, 12, 3, 4)")
    page.locator(".carviz .cv-chip").nth(2).click()
    eventually(lab, "explorer.session.picked", "(8, 12, 4)")
    press(lab, "Remove these 3 together")
    lab.wait(lambda: page.locator(".carviz .cv-several .cv-car b").count() == 1, "a number", 30)
    number = page.locator(".carviz .cv-several .cv-car b").inner_text()
    car = lab.ask("f'{100 * explorer.results().joint.car[0]:+.1f}'")
    assert number == car.strip("'")
    assert page.locator(".carviz .cv-several .cv-class").count() >= 2
    page.locator(".carviz .cv-several .cv-class").first.click()
    lab.wait(lambda: page.locator(".carviz .cv-several .cv-thumb img").count() > 0, "images")


def test_filters_are_found_by_kind_number_and_where_one_was(lab):
    page = lab.page
    view(lab, "One filter")
    choose(lab, 5)
    eventually(lab, "explorer.filter", "5")
    press(lab, "Colour filters only")
    lab.wait(lambda: page.locator(TILES).count() == 16, "colour filters")
    assert "16 of 32" in page.locator(".carviz .cv-find").inner_text()
    go = page.locator(".carviz .cv-go")
    go.fill("117")
    go.press("Enter")
    assert "Filters are 0 to 31." in page.locator(".carviz .cv-find").inner_text()
    go.fill("20")
    go.press("Enter")
    eventually(lab, "explorer.filter", "20")
    page.get_by_label("Back to the filter looked at before").click()
    eventually(lab, "explorer.filter", "5")
    press(lab, "All filters")
    lab.wait(lambda: page.locator(TILES).count() == 32, "all of them")
    line = page.locator(".carviz .cv-strip-line")
    box = line.bounding_box()
    line.click(position={"x": box["width"] * 12.5 / 32, "y": 10})
    eventually(lab, "explorer.filter", "12")


def test_it_is_taken_along(lab):
    page = lab.page
    press(lab, "Save…")
    with page.expect_download() as download:
        page.locator(".carviz .cv-take").get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename.endswith("filter-12.png")
    page.locator(".carviz .cv-take").get_by_role("button", name="Python").click()
    lab.wait(lambda: "measure_car" in page.locator(".carviz .cv-code").inner_text(), "the lines")
    press(lab, "Save…")


def test_a_twin_is_asked_for_by_a_click(lab):
    page = lab.page
    view(lab, "One filter")
    choose(lab, 8)
    page.locator(".carviz .cv-opener").click()
    twin = page.locator(".carviz .cv-kin .cv-small-button").first
    twin.wait_for(timeout=60_000)
    assert twin.get_attribute("aria-label").startswith("Does ")
    twin.click()
    lab.wait(lambda: page.locator(".carviz .cv-answer").first.is_visible(), "an answer", 30)
    eventually(lab, "len(explorer.session.picked)", "2")


def test_a_pinned_filter_stands_beside_the_chosen_one(lab):
    page = lab.page
    view(lab, "One filter")
    choose(lab, 12)
    eventually(lab, "explorer.filter", "12")
    press(lab, "Pin filter 12")
    eventually(lab, "explorer.session.pinned", "12")
    choose(lab, 9)
    lab.wait(lambda: page.locator(".carviz .cv-class-two").count() >= 2, "rows of both")
    headings = page.locator(".carviz .cv-detail .cv-filter h3").all_inner_texts()
    assert [heading.split()[1] for heading in headings] == ["9", "12"]
    page.get_by_role("button", name="Only 12 loses").click()
    lab.wait(lambda: page.locator(".carviz .cv-only .cv-thumb").count() > 0, "images")
    page.get_by_role("button", name="Unpin", exact=True).click()
    lab.wait(lambda: page.locator(".carviz .cv-class").first.is_visible(), "its own classes")


def test_an_image_and_one_of_ones_own(lab, tmp_path):
    page = lab.page
    page.locator(".carviz .cv-detail .cv-class").first.click()
    page.locator(".carviz .cv-detail .cv-look").first.click()
    eventually(lab, "explorer.view", "image")
    shown = page.locator(".carviz .cv-view-of")
    lab.wait(lambda: shown.nth(1).evaluate("n => n.naturalWidth") > 0, "a map")
    assert "Without filter" in page.locator(".carviz .cv-answers .cv-answer").inner_text()
    before = page.locator(".carviz .cv-image h3").inner_text()
    press(lab, "The next image")
    lab.wait(lambda: page.locator(".carviz .cv-image h3").inner_text() != before, "another")
    Image.effect_noise((300, 200), 90).convert("RGB").save(tmp_path / "noise.png")
    page.locator(".carviz .cv-file input").set_input_files(tmp_path / "noise.png")
    title = page.locator(".carviz .cv-image h3")
    lab.wait(lambda: title.inner_text() == "Your image: noise.png", "its name")
    lab.wait(lambda: page.locator(".carviz .cv-need").count() > 0, "filters that it needs")
    (tmp_path / "no.png").write_text("no picture")
    page.locator(".carviz .cv-file input").set_input_files(tmp_path / "no.png")
    lab.wait(lambda: "no.png is no picture" in page.locator(".cv-own-said").inner_text(), "why")
    page.get_by_role("button", name="Draw", exact=True).click()
    box = page.locator(".carviz .cv-board").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 120, steps=5)
    page.mouse.up()
    lab.wait(lambda: title.inner_text() == "Your image: drawn", "a drawing")


def test_nothing_went_wrong_and_nothing_was_fetched(lab):
    assert lab.problems == []
    assert lab.outside == []
