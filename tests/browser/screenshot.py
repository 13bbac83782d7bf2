"""Take the README's picture of the explorer: `make screenshot`."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from driver import Notebook, browser, lab_server
from PIL import Image

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PICTURE = NOTEBOOKS / "explorer.png"


def main(path: Path) -> None:
    """Compute the default's first bank in a real JupyterLab and save what is seen."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, home = Path(temporary, "notebooks"), Path(temporary, "home")
        folder.mkdir()
        home.mkdir()
        shutil.copy(NOTEBOOKS / "1-explore.ipynb", folder)
        with lab_server(folder, home) as address, browser() as chromium:
            lab = Notebook(chromium, address, "1-explore.ipynb")
            lab.run(1)
            lab.wait(lambda: lab.page.locator(".carviz .cv-tile").count() == 32, "the filters")
            lab.ask("explorer.compute() or explorer.wait()", 120)
            lab.ask("setattr(explorer, 'filter', int(explorer.table.order[0]))")
            lab.page.locator(".carviz").first.scroll_into_view_if_needed()
            lab.page.evaluate(
                "() => document.querySelector('.carviz').scrollIntoView({block: 'start'})"
            )
            lab.page.wait_for_timeout(1000)
            picture = Image.open(io.BytesIO(lab.page.screenshot()))
    picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
