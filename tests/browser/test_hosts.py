"""The explorer in every host that shows notebooks: `make hosts`, which prints a dated table."""

import contextlib
import datetime
import importlib.metadata
import json
import subprocess
import sys

import nbformat
import pytest
from support.jupyterlab import LAPTOP, Notebook, browser, chromium_path, lab_server, private, served

pytest.importorskip("playwright", reason="hosts are driven by the extra `browser`")
pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(chromium_path() is None, reason="there is no Chromium on this machine"),
]
CELL = "import carviz\nexplorer = carviz.explore()\nexplorer"
MARIMO = """import marimo

app = marimo.App()


@app.cell
def _():
    import carviz

    explorer = carviz.explore()
    explorer
    return
"""
TILES = ".cv-left .cv-tile"
LINE = ".carviz .cv-life"
LEAST_STATE, MOST_STATE = 10_000, 1_000_000
SAVE_STATE = {"@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True}}


@pytest.fixture(scope="module")
def table():
    """What was seen, a row each: host, its version, what was done there. It is printed."""
    rows = []
    yield lambda package, what: rows.append((package, what))
    print(f"\n\nSeen on {datetime.date.today()}, with anywidget", end=" ")
    print(f"{importlib.metadata.version('anywidget')} and Chromium:")
    for package, what in rows:
        print(f"  {package:>10} {importlib.metadata.version(package):9} {what}")


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path):
    """A folder with one notebook, a.ipynb, of one cell."""
    (tmp_path / "notebooks").mkdir()
    write(tmp_path / "notebooks" / "a.ipynb", CELL)
    return tmp_path / "notebooks"


def write(path, *cells):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel}), path)


def wait(page, true, what, seconds=60):
    """Poll until something is true, letting the browser's events flow."""
    for _ in range(int(20 * seconds)):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


@contextlib.contextmanager
def page_of(chromium, address):
    """Open a page that no network is asked for; yield it and what it complains of."""
    page, problems = chromium.new_page(viewport=LAPTOP), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address, wait_until="domcontentloaded", timeout=120_000)
    yield page, problems
    page.close()


def the_main_job(page):
    """Choose a filter, measure the bank, open a class: words, numbers and pictures come."""
    screen = page.locator(".carviz").first
    tiles = screen.locator(TILES)
    wait(page, lambda: tiles.count() == 32, "32 filters", 120)
    wait(page, lambda: drawn_tiles(screen) == 32, "pictures of them")
    tiles.nth(5).click()
    wait(page, lambda: "Filter 5" in screen.inner_text(), "the chosen filter")
    screen.get_by_role("button", name="Compute the bank").click()
    words = screen.locator(".cv-words")
    wait(page, lambda: "% done" in words.inner_text(), "progress while no cell runs")
    wait(page, lambda: "Done in" in words.inner_text(), "the end", 120)
    screen.locator(".cv-class").first.click()
    thumbs = screen.locator(".cv-thumb img")
    wait(page, lambda: thumbs.count() > 0 and thumbs.first.get_attribute("src"), "images")


def drawn_tiles(screen):
    """Return how many tiles have their picture: a canvas is born 300 pixels wide."""
    canvases = screen.locator(f"{TILES} canvas")
    return canvases.evaluate_all("found => found.filter(c => c.width !== 300).length")


# -- JupyterLab's parts


@pytest.mark.parametrize("app", ["jupyterlab", "notebook"])
def test_two_explorers_in_two_views_and_a_page_that_is_reloaded(app, folder, home, chromium, table):
    pytest.importorskip(app)
    write(folder / "a.ipynb", CELL, "other = carviz.explore(layer='features.8'); other", "explorer")
    with lab_server(folder, home, app=app, settings=SAVE_STATE) as address:
        lab = Notebook(chromium, address, "a.ipynb")
        own = {*lab.problems}  # Notebook complains of a schema before any cell has run
        for cell in range(3):
            lab.run(cell)
        screens = lab.page.locator(".carviz")
        lab.wait(lambda: screens.count() == 3, "three screens", 120)
        the_main_job(lab.page)
        first, other, again = (screens.nth(n) for n in range(3))
        lab.wait(lambda: drawn_tiles(again) == 32, "the second view's pictures")
        assert "Filter 5" in again.inner_text()
        assert again.locator(".cv-class").count() == first.locator(".cv-class").count() > 0
        assert other.locator(TILES).count() == 64, "the other explorer is another one"
        assert "Nothing measured yet" in other.locator(".cv-words").inner_text()
        again.locator(TILES).nth(7).click()
        lab.wait(lambda: "Filter 7" in first.inner_text(), "the first view follows")

        # Reloaded in mid-run, after saving: the same state, and it goes on.
        other.get_by_role("button", name="Compute the bank").click()
        lab.page.wait_for_timeout(1000)
        lab.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        lab.page.wait_for_timeout(1000)
        lab.page.reload(wait_until="domcontentloaded")
        lab.wait(lambda: screens.count() == 3, "three screens again", 120)
        lab.wait(lambda: drawn_tiles(screens.nth(0)) == 32, "pictures again")
        assert "Filter 7" in screens.nth(0).inner_text()
        assert not lab.page.locator(LINE).first.is_visible(), "its kernel is there"
        words = screens.nth(1).locator(".cv-words")
        lab.wait(lambda: "Done in" in words.inner_text(), "the run goes on", 180)
        assert {*lab.problems} <= own
        assert lab.outside == []
        lab.close()
    saved = (folder / "a.ipynb").read_text()
    state = json.loads(saved)["metadata"]["widgets"]
    assert len(json.dumps(state)) > LEAST_STATE, "the state was saved"
    assert len(saved) < MOST_STATE
    size = f"{len(saved) / 1000:.0f} kB with the state of two explorers"
    table(app, f"two explorers, two views, reloaded in mid-run; a saved notebook has {size}")


@pytest.mark.parametrize("end", ["restarted", "killed", "shut down"])
def test_without_its_kernel_a_line_says_so_and_the_rest_is_inert(
    end, folder, home, chromium, table
):
    with lab_server(folder, home) as address:
        lab = Notebook(chromium, address, "a.ipynb")
        lab.run(0)
        lab.wait(lambda: lab.page.locator(TILES).count() == 32, "32 filters", 120)
        height = lab.page.locator(".carviz").bounding_box()["height"]
        assert not lab.page.locator(LINE).is_visible()
        if end == "restarted":
            lab.inside("notebook.sessionContext.session.kernel.restart();")
        elif end == "shut down":
            lab.inside("notebook.sessionContext.shutdown();")
        else:
            lab.run(lab.add("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
        lab.wait(lambda: lab.page.locator(LINE).is_visible(), "a line", 60)
        assert "run this cell again" in lab.page.locator(LINE).inner_text()
        dead = "[...document.querySelectorAll('.carviz button')].every(b => b.closest('[inert]'))"
        assert lab.page.evaluate(dead), "nothing can be pressed"
        marks = """[...document.querySelectorAll('.jp-OutputArea .jupyter-widgets-disconnected')]
            .filter(e => getComputedStyle(e, '::before').content !== 'none').length"""
        assert lab.page.evaluate(marks) == 0, "none of ipywidgets' broken links"
        assert lab.page.locator(".carviz").bounding_box()["height"] < height + 60

        table("jupyterlab", f"a kernel that was {end}: told in one line")
        if end == "shut down":
            lab.close()
            return  # JupyterLab asks which kernel to begin
        # Run again, it is alive.
        dialog = lab.page.locator(".jp-Dialog button")
        lab.page.wait_for_timeout(1000)
        if dialog.count():
            dialog.last.click()
        lab.wait(lambda: lab.kernel() == "idle", "the new kernel", 60)
        lab.run(0)
        lab.wait(lambda: drawn_tiles(lab.page.locator(".carviz")) == 32, "a live one", 120)
        assert not lab.page.locator(LINE).is_visible()
        lab.close()


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("state", [True, False])
def test_a_reopened_notebook_has_words_and_the_picture(
    trusted, state, folder, home, chromium, table
):
    run(folder / "a.ipynb", home, state=state)
    if trusted:
        command = [sys.executable, "-m", "jupyter", "trust", str(folder / "a.ipynb")]
        subprocess.run(command, env=private(home), check=True, capture_output=True)
    with lab_server(folder, home) as address:
        lab = Notebook(chromium, address, "a.ipynb")
        output = lab.page.locator(".jp-OutputArea").first
        saved = output.locator(".carviz-saved, details").last
        lab.wait(lambda: saved.count(), "the saved picture")
        saved.locator("summary").click()
        assert "network shapes, data shapes" in saved.inner_text()
        assert saved.locator("img").evaluate("image => image.naturalWidth") > 600
        if trusted and state:
            lab.wait(lambda: lab.page.locator(LINE).is_visible(), "the line of a dead one")
            assert lab.page.locator(TILES).count() == 32
        elif not trusted:
            assert "run this cell" in output.inner_text()
        lab.close()
    how = f"{'trusted' if trusted else 'not trusted'}, {'with' if state else 'without'} its state"
    table("jupyterlab", f"a reopened notebook, {how}: words and the picture")


def run(path, home, *, state):
    """Execute a notebook that measures its bank, as nbconvert does."""
    write(path, CELL, "explorer.filter = 12\nexplorer.compute()\nexplorer.wait()")
    command = [
        sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace",
        f"--ExecutePreprocessor.store_widget_state={state}", str(path),
    ]  # fmt: skip
    subprocess.run(command, env=private(home), check=True, capture_output=True, timeout=180)


def test_nbconvert_s_page_has_words_and_the_picture(folder, home, chromium, table):
    run(folder / "a.ipynb", home, state=False)
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "a.ipynb"]
    subprocess.run(command, cwd=folder, env=private(home), check=True, capture_output=True)
    with page_of(chromium, (folder / "a.html").as_uri()) as (page, _):
        picture = page.locator(".carviz-saved img")
        assert picture.is_visible(), "open, though nobody has clicked"
        assert picture.evaluate("image => image.naturalWidth") > 600
        assert "Filter 12 of features.0" in picture.get_attribute("alt")
        assert "network shapes, data shapes" in page.inner_text("body")
        assert "run this cell" in page.inner_text("body")
    table("nbconvert", "a page of words and the picture")


# -- others


def test_voila(folder, home, chromium, table):
    pytest.importorskip("voila")
    write(folder / "a.ipynb", "import carviz\ncarviz.explore(change=False)")
    command = ["-m", "voila", str(folder / "a.ipynb"), "--no-browser", "--Voila.ip=127.0.0.1"]
    with (
        served(command, home, "voila/static/voila.js") as address,
        page_of(chromium, address) as (page, problems),
    ):
        the_main_job(page)
        assert page.get_by_role("button", name="Change…").count() == 0
        assert problems == []
    table("voila", "one explorer, without Change…")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marimo(theme, home, chromium, table):
    pytest.importorskip("marimo")
    config = home / "xdg" / "marimo" / "marimo.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[display]\ntheme = "{theme}"\n')
    (home / "a.py").write_text(MARIMO)
    command = ["-m", "marimo", "run", str(home / "a.py"), "--headless", "--no-token"]
    with served(command, home) as address, page_of(chromium, address) as (page, problems):
        the_main_job(page)
        dark = page.locator(".carviz.cv-dark").count() == 1
        assert dark == (theme == "dark"), "its colours are the page's"
        page.reload(wait_until="domcontentloaded")
        wait(page, lambda: drawn_tiles(page.locator(".carviz")) == 32, "pictures again", 120)
        assert problems == []
    table("marimo", f"one explorer, {theme}")
