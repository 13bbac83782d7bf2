"""The explorer in a real JupyterLab, driven by a real browser, without a network."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.jupyterlab import Notebook, browser, chromium_path, lab_server

import carviz

REPOSITORY = Path(__file__).parents[2]
pytest.importorskip("playwright", reason="the browser test needs the extra `browser`")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium_path() is None, reason="there is no Chromium on this machine"),
]
TILES = ".carviz .cv-left .cv-tile"
STRIP = ".carviz .cv-strip .cv-tile"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(REPOSITORY / "notebooks" / "1-explore.ipynb", folder)
    with (
        lab_server(folder, tmp_path_factory.mktemp("home")) as address,
        browser() as chromium,
    ):
        notebook = Notebook(chromium, address, "1-explore.ipynb")
        yield notebook
        notebook.close()


@pytest.fixture
def photos(tmp_path):
    """Drawings of two of the bundled network's classes, as files."""
    data = carviz.load_data("shapes", limit=4)
    for number, label in enumerate(data.targets.tolist()):
        name = data.classes[label]
        if name in ("circle", "red"):
            folder = tmp_path / "photos" / name
            folder.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray((255 * data.picture(number)).astype(np.uint8))
            picture.save(folder / f"{number}.png")
    return tmp_path / "photos"


def first_code_cell() -> int:
    cells = json.loads((REPOSITORY / "notebooks" / "1-explore.ipynb").read_text())["cells"]
    return next(i for i, cell in enumerate(cells) if cell["cell_type"] == "code")


def press(lab, name):
    lab.page.get_by_role("button", name=name).first.click()


def eventually(lab, expression, value, seconds=30):
    """Ask the kernel until it answers `value`: a trait may lag behind a key press."""
    lab.wait(lambda: lab.ask(expression) == value, f"{expression} == {value}", seconds)


def test_the_main_job(lab):
    page = lab.page
    lab.run(first_code_cell())
    lab.wait(lambda: page.locator(TILES).count() == 32, "32 filters as pictures", 60)
    # A filter by mouse, its neighbours by keyboard.
    page.locator(TILES).nth(5).click()
    eventually(lab, "explorer.filter", "5")
    page.locator(TILES).nth(5).focus()
    page.keyboard.press("ArrowRight")
    eventually(lab, "explorer.filter", "6")
    page.locator(TILES).nth(6).focus()
    page.keyboard.press("ArrowDown")
    eventually(lab, "explorer.filter > 6", "True")

    # Numbers and classes appear while another cell holds the kernel.
    press(lab, "Compute the bank")
    cell = lab.add("import time; time.sleep(4); print('slept')")
    lab.run(cell)
    numbers = page.locator(f"{TILES} .cv-tile-car")
    lab.wait(lambda: any("." in text for text in numbers.all_inner_texts()), "an estimate", 30)
    assert "slept" not in lab.text(cell)
    lab.wait(lambda: page.locator(".carviz .cv-class[aria-expanded]").count() >= 6, "classes", 30)
    eventually(lab, "explorer.busy", "False", 120)
    assert lab.ask("explorer.table.complete") == "True"
    assert all("." in text for text in numbers.all_inner_texts())

    # A class opens to the images that changed.
    page.locator(".carviz .cv-class[aria-expanded]").first.click()
    lab.wait(lambda: page.locator(".carviz .cv-class[aria-expanded=true]").count() == 1, "it opens")


def test_pruning(lab):
    page = lab.page
    press(lab, "Prune greedily")
    out = page.locator(f"{STRIP}.cv-out")
    lab.wait(lambda: out.count() >= 1, "the first step", 60)
    lab.wait(lambda: page.locator(".cv-curve polyline").count() == 1, "a curve")
    press(lab, "Cancel")
    eventually(lab, "explorer.busy", "False", 10)
    steps = int(lab.ask("len(explorer.path)"))
    assert 1 <= steps < 32, "what there was is kept"
    lab.ask("explorer.prune(8) or explorer.wait()", 120)
    eventually(lab, "len(explorer.path)", "8")

    # A picture of the strip by mouse, its neighbour by keyboard.
    page.locator(STRIP).nth(1).click()
    eventually(lab, "explorer.filter == explorer.path.order[1]", "True")
    page.locator(STRIP).nth(1).focus()
    page.keyboard.press("ArrowRight")
    eventually(lab, "explorer.filter == explorer.path.order[2]", "True")

    # The slider by keyboard: the kernel, the strip and the classes follow.
    slider = page.locator(".carviz .cv-pruning input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    eventually(lab, "explorer.count", "0")
    slider.focus()  # asking the kernel took the focus away
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    eventually(lab, "explorer.count", "2")
    lab.wait(lambda: out.count() == 2, "two are out")
    accuracy = lab.ask("f'{explorer.path.accuracy[2]:.1%}'")
    assert accuracy in page.locator(".cv-lost").inner_text()
    lab.wait(lambda: accuracy in slider.get_attribute("aria-valuetext"), "words for it")

    press(lab, "Compare criteria")
    lab.wait(lambda: page.locator(".cv-curve polyline").count() == 7, "the rivals", 180)
    eventually(lab, "explorer.busy", "False", 30)
    press(lab, "Export without these 2")
    eventually(lab, "explorer.busy", "False", 60)
    name = lab.ask("explorer.exported.path")
    assert name == "shapes-features.0-minus-2.pt2"
    lab.wait(lambda: name in page.locator(".cv-report").inner_text(), "the report")
    assert lab.ask(f"__import__('os').path.getsize({name!r}) > 1000") == "True"


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_pruning_is_legible_and_fits(lab, theme):
    lab.theme(theme)
    assert lab.page.evaluate(CONTRAST)["ratio"] >= 4.5, lab.page.evaluate(CONTRAST)
    height = lab.page.evaluate("document.querySelector('.carviz').getBoundingClientRect().height")
    room = lab.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').clientHeight")
    assert height <= room
    assert lab.page.evaluate(CLIPPED) == []
    press(lab, "One filter")
    assert lab.page.evaluate(CONTRAST)["ratio"] >= 4.5, lab.page.evaluate(CONTRAST)
    press(lab, "Pruning")


def test_back_to_one_filter(lab):
    press(lab, "One filter")
    lab.wait(lambda: lab.page.locator(TILES).first.is_visible(), "the gallery")


def test_another_bank_and_a_cancelled_run(lab):
    lab.page.locator(".carviz select").first.select_option(index=1)
    eventually(lab, "explorer.layer", "features.3")
    lab.wait(lambda: lab.page.locator(TILES).count() == 48, "48 filters")
    press(lab, "Compute the bank")
    eventually(lab, "explorer.busy", "True")
    press(lab, "Cancel")
    eventually(lab, "explorer.busy", "False", 10)
    assert lab.ask("explorer.table is None or not explorer.table.complete") == "True"


def test_the_dark_theme_is_legible(lab):
    lab.theme("Dark")
    worst = lab.page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst


def test_two_explorers_live_side_by_side(lab):
    cell = lab.add("other = carviz.explore(layer='features.8'); other")
    lab.run(cell)
    lab.wait(lambda: lab.page.locator(TILES).count() == 48 + 64, "two galleries", 60)
    assert lab.ask("(other.layer, explorer.layer)") == "('features.8', 'features.3')"


def test_what_a_deep_filter_sees(lab):
    # The second explorer shows a deep bank: its pictures come by themselves.
    page, other = lab.page, lab.page.locator(".carviz").nth(1)
    drawn = "[...document.querySelectorAll('.carviz')][1].querySelectorAll('canvas.cv-face')"
    grey = f"[...{drawn}].filter(c => c.width === 300).length"  # as a canvas is born
    lab.wait(lambda: page.evaluate(grey) == 0, "a picture of every filter", 60)
    lab.wait(lambda: other.locator("img.cv-large").count() == 1, "the large picture")
    other.get_by_role("button", name="Patches").click()
    lab.wait(lambda: other.locator(".cv-sheet img").count() == 9, "nine patches")
    assert "response" in other.locator(".cv-sheet img").first.get_attribute("title")
    other.get_by_role("button", name="Synthesised").click()
    lab.wait(lambda: other.locator("img.cv-large").count() == 1, "a synthesised picture")
    # Filters 8 and 9 of the first bank answer alike.
    lab.ask("(setattr(other, 'layer', 'features.0'), setattr(other, 'filter', 8))")
    other.get_by_role("button", name="Nearest by answers").click()
    lab.wait(lambda: other.locator("button.cv-sibling").count() > 0, "siblings", 60)
    assert other.locator("button.cv-sibling b").first.inner_text() == "9"
    other.locator("button.cv-sibling").first.click()
    eventually(lab, "other.filter", "9")


def test_model_and_data_are_chosen_in_the_explorer(lab, photos):
    page, folder = lab.page, str(photos)
    fields = [page.locator(f".cv-field-{name} input").first for name in ("model", "data", "limit")]
    assert not fields[0].is_visible()
    press(lab, "Change…")
    lab.wait(fields[0].is_visible, "the row")
    fields[0].click()
    page.keyboard.type("tiny-alexnett")
    page.keyboard.press("Enter")
    words = page.locator(".carviz .cv-row-said").first
    lab.wait(lambda: "there is no 'tiny-alexnett'" in words.inner_text(), "an error in words")
    assert lab.ask("explorer.results().model") == "shapes"

    # The same network on a folder: it is loaded while a cell holds the kernel, opened thereafter.
    for field, typed in zip(fields, ("shapes", folder, "3"), strict=True):
        field.fill(typed)
    cell = lab.add("import time; time.sleep(3); print(explorer.results().data)")
    lab.run(cell)
    page.get_by_role("button", name="Load", exact=True).first.click()
    header = page.locator(".carviz .cv-header").first
    lab.wait(lambda: "data photos, 6 images" in header.inner_text(), "other data", 60)
    assert lab.text(cell).strip() == "shapes"
    lab.wait(lambda: not fields[0].is_visible(), "the row closes")
    eventually(
        lab, "(explorer.busy, explorer.layer, explorer.table)", "(False, 'features.0', None)"
    )
    press(lab, "Compute the bank")
    lab.wait(lambda: page.locator(".carviz img.cv-there").count() >= 2, "small pictures", 60)


def test_nothing_went_wrong_in_the_browser_and_nothing_was_fetched(lab):
    assert lab.problems == []
    assert lab.outside == []


CLIPPED = """() => {
  // What of the pruning view is wider than the place it has, or lies over its neighbour.
  const parts = ['.cv-drawn', '.cv-beside', '.cv-told'].map(n => document.querySelector(n));
  const found = [];
  parts.forEach((part, i) => {
    const next = parts[i + 1] || part.closest('.carviz');
    const end = i < 2 ? next.getBoundingClientRect().left : next.getBoundingClientRect().right;
    for (const node of part.querySelectorAll('*')) {
      const box = node.getBoundingClientRect();
      if (box.width && box.right > end + 0.5) found.push(node.tagName + ' ' + node.className);
    }
  });
  return found;
}"""
CONTRAST = """() => {
  // The lowest contrast (WCAG) of any text in the explorer with what is painted behind it.
  const curve = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const channel = v => curve(v / 255);
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const over = (top, bottom) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map(i => alpha * top[i] + (1 - alpha) * bottom[i]);
  };
  const behind = node => !node ? [255, 255, 255]
    : over(parse(getComputedStyle(node).backgroundColor), behind(node.parentElement));
  let worst = {ratio: 99};
  for (const node of document.querySelectorAll('.carviz *')) {
    const own = [...node.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const style = getComputedStyle(node);
    const hidden = style.visibility === 'hidden' || !node.getClientRects().length;
    if (!own || hidden || node.closest(':disabled')) continue;
    const ground = behind(node), ink = over(parse(style.color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const text = node.textContent.trim().slice(0, 40);
    if (ratio < worst.ratio) worst = {ratio, text, ink, ground};
  }
  return worst;
}"""
