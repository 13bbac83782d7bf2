"""Take the README's pictures of the explorer: `make screenshot`."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from support.jupyterlab import Notebook, browser, lab_server

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def main(folder: Path) -> None:
    """Measure and prune the default's first bank in a real JupyterLab and save what is seen."""
    with tempfile.TemporaryDirectory() as temporary:
        notebooks, home = Path(temporary, "notebooks"), Path(temporary, "home")
        notebooks.mkdir()
        home.mkdir()
        shutil.copy(NOTEBOOKS / "1-explore.ipynb", notebooks)
        with lab_server(notebooks, home) as address, browser() as chromium:
            lab = Notebook(chromium, address, "1-explore.ipynb")
            lab.run(1)
            lab.wait(lambda: lab.page.locator(".carviz .cv-left .cv-tile").count() == 32, "filters")
            take_filter(lab, folder / "explorer.png")
            take_pruning(lab, folder / "pruning.png")


def take_filter(lab: Notebook, path: Path) -> None:
    """Measure the bank, and show the filter with the highest CAR."""
    lab.ask("explorer.compute() or explorer.wait()", 120)
    lab.ask("setattr(explorer, 'filter', int(explorer.table.order[0]))")
    take(lab, path)


def take_pruning(lab: Notebook, path: Path) -> None:
    """Prune the bank to its end, by every criterion; the slider stays where little is lost."""
    lab.ask("explorer.prune() or explorer.wait()", 240)
    lab.ask("explorer.compare() or explorer.wait()", 240)
    take(lab, path)


def take(lab: Notebook, path: Path) -> None:
    """Save what the browser shows, the explorer on top."""
    lab.page.evaluate("() => document.querySelector('.carviz').scrollIntoView({block: 'start'})")
    lab.page.wait_for_timeout(1500)
    picture = Image.open(io.BytesIO(lab.page.screenshot()))
    picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOKS)
