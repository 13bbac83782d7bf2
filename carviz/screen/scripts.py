"""Where the scripts and the styles of the screen lie; a browser gets them from the widget or page.

`front/` holds their sources, one file a panel. `make front` bundles them into `carviz.js`.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
SCRIPT = HERE / "carviz.js"
"""One ES module, which renders the widget; a page shows itself by it."""
STYLE = HERE / "style.css"
