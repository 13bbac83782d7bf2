"""A saved page in a real browser, from a file: clicked through, printed, full of hostile names."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from support.hostile import ALERT, LAYERS, NAMES, HostileData, hostile_network
from support.jupyterlab import LAPTOP, browser, chromium_path

import carviz
from carviz.screen import save_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium_path() is None, reason="needs Chromium"),
]


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Two banks of the bundled network, the first one pruned and pictured."""
    session = carviz.open_session("shapes", carviz.load_data("shapes", limit=5))
    session.layer = "features.3"
    session.compute()
    session.wait()
    session.layer = "features.0"
    session.compute()
    session.wait()
    session.prune(6)
    session.wait()
    session.see_all(("weights", "patches"), siblings=True)
    session.filter = 3
    session.look(view="filter")
    path = save_page(session, tmp_path_factory.mktemp("page") / "page.html")
    session.close()
    return path


class Reader:
    """Somebody who has opened a page: what goes wrong, or leaves the file, is noted down."""

    def __init__(self, chromium, file, **context):
        self.context = chromium.new_context(viewport=LAPTOP, **context)
        self.page = self.context.new_page()
        self.problems = []
        self.page.on("console", lambda said: self.problems.append(said.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("request", self._asked)
        self.page.goto(file.as_uri())
        self.screen = self.page.locator(".cv-page .carviz")
        self.screen.wait_for()

    def _asked(self, request):
        if not request.url.startswith(("data:", "blob:")) and not request.is_navigation_request():
            self.problems.append(request.url)

    def press(self, name):
        self.screen.get_by_role("button", name=name, exact=True).click()

    def field(self, label):
        named = self.page.locator("span", has_text=re.compile(f"^{label}$"))
        return self.screen.locator("label", has=named).locator("select")

    def choose(self, label, option):
        self.field(label).select_option(option)

    def shown(self, selector):
        """Whether every picture of a selector has come."""
        script = "all => all.length > 0 && all.every((i) => i.complete && i.naturalWidth > 0)"
        found = self.screen.locator(selector)
        for _ in range(100):
            if found.evaluate_all(script):
                return True
            self.page.wait_for_timeout(50)
        return False

    def says(self, words):
        self.screen.get_by_text(words).first.wait_for()


@pytest.fixture
def reader(chromium, file):
    made = Reader(chromium, file)
    yield made
    assert made.problems == []
    made.context.close()


def test_it_is_clicked_through_without_a_kernel(reader):
    screen = reader.screen
    reader.says("A saved page: measuring needs a notebook.")
    working = re.compile("Compute|Prune|Cancel|Change|Export")
    assert screen.get_by_role("button", name=working).count() == 0
    assert screen.get_by_role("heading", name="Filter 3 of 32 in features.0").count() == 1
    screen.get_by_role("option", name=re.compile("^Filter 12,")).click()
    reader.says("Filter 12")
    screen.locator(".cv-class").first.click()
    assert reader.shown(".cv-changed img")
    screen.locator(".cv-tab").nth(1).click()
    assert reader.shown(".cv-sheet img")
    reader.choose("Sort", "car")
    order = [words.split(",")[0] for words in screen.locator(".cv-left .cv-tile").evaluate_all(
        "all => all.map((tile) => tile.getAttribute('aria-label'))"
    )]  # fmt: skip
    assert len(order) == 32
    assert order != sorted(order, key=lambda words: int(words.split()[1]))
    assert reader.field("Show").locator("option").all_text_contents() == ["Weights", "Patches"]
    reader.press("▸ Nearest by answers")
    reader.says("nearest 0.")
    reader.choose("Bank", "features.3")
    reader.says("of 48 in features.3")
    reader.choose("Bank", "features.0")
    assert screen.get_by_role("heading", name="Filter 12 of 32 in features.0").count() == 1


MIDDLES = """all => all.map((dot) => {
  const box = dot.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})"""


def test_a_dot_of_the_whole_bank_chooses_its_filter(reader):
    reader.press("Whole bank")
    dots = reader.screen.locator(".cv-pick-dot")
    assert dots.count() == 32
    middles = np.array(dots.locator(".cv-dot").evaluate_all(MIDDLES))
    apart = np.hypot(*(middles[:, None] - middles).T) + 1e6 * np.eye(32)
    dot = dots.nth(int(apart.min(0).argmax()))  # several can lie on one another
    number = re.match(r"Filter (\d+),", dot.locator("title").text_content())[1]
    dot.locator(".cv-dot").click()
    reader.press("One filter")
    assert reader.screen.locator(".cv-filter h3").text_content().startswith(f"Filter {number} ")
    selected = reader.screen.locator(".cv-left [aria-selected=true]")
    assert selected.get_attribute("data-filter") == number


def test_the_slider_goes_by_keys(reader):
    reader.press("Pruning")
    slider = reader.screen.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    reader.says("Pruned first: 0 of 32")
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    reader.says("Pruned first: 2 of 32, in this order")
    reader.says("Right after 2 pruned")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_begins_as_the_reader_has_it_and_is_switched(chromium, file, scheme):
    reader = Reader(chromium, file, color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark, light = "rgb(20, 20, 20)", "rgb(255, 255, 255)"
    assert reader.page.evaluate(ground) == {"light": light, "dark": dark}[scheme]
    reader.press({"light": "Dark", "dark": "Light"}[scheme])
    assert reader.page.evaluate(ground) == {"light": dark, "dark": light}[scheme]
    assert reader.problems == []
    reader.context.close()


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext")
def test_paper_has_every_view_with_classes_open(reader, tmp_path):
    reader.screen.get_by_role("option", name=re.compile("^Filter 12,")).click()
    reader.page.wait_for_timeout(1500)
    reader.page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    words = subprocess.run(
        ["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True
    ).stdout
    words = " ".join(words.split())
    assert words.count(" lost of ") >= 3
    # The heading stands beside the table of what images became, so that its words may be apart.
    for said in ("Filter 12", "of 32 in features.0", "Patches", "Nearest by answers", "now wrong",
                 "CAR of 32 filters", "Pruned first:", "random orders"):  # fmt: skip
        assert said in words, said


def test_hostile_names_are_text(chromium, tmp_path):
    session = carviz.open_session(hostile_network(), HostileData())
    for layer in LAYERS:
        session.layer = layer
        session.compute()
        session.wait()
        session.prune()
        session.wait()
        session.see_all(("weights", "patches"), siblings=True)
    session.look(view="filter")
    reader = Reader(
        chromium, save_page(session, tmp_path / "page.html", model=ALERT, data=NAMES[1])
    )
    session.close()
    reader.says(ALERT)
    for layer in LAYERS:
        reader.choose("Bank", layer)
        for tile in reader.screen.locator(".cv-left .cv-tile").all():
            tile.click()
            for number in range(reader.screen.locator(".cv-class").count()):
                reader.screen.locator(".cv-class").nth(number).click()
        for tab in reader.screen.locator(".cv-tab").all():
            tab.click()
        for view in ("Whole bank", "Pruning", "One filter"):
            reader.press(view)
    for name in NAMES:
        assert reader.screen.locator(".cv-name", has_text=name).count() >= 1, name
    assert reader.page.title() == f"carviz: {ALERT} on {NAMES[1]}"
    reader.page.wait_for_timeout(500)
    assert reader.page.locator("img[src=x]").count() == 0
    assert reader.problems == []
    fetched = "fetch('data:,x').then(() => 'went', () => 'refused')"
    assert reader.page.evaluate(fetched) == "refused"
    reader.context.close()
