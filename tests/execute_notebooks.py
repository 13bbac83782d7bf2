"""Execute the notebooks and clean them for committing: `make notebooks`.

A committed notebook shows its outputs wherever it is opened, and nothing of the machine on which
it ran: no widget state (widgets without a kernel would read "model not found"; their pictures and
words stay), no times, no paths. Pictures get a palette of 256 colours, so that a clone stays small.
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"
TIMEOUT = 600


def execute(path: Path, folder: Path) -> NotebookNode:
    """Return the notebook executed in `folder`; CellExecutionError if a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        store_widget_state=False,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


def clean(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without widgets and without what differs between machines."""
    cleaned = nbformat.from_dict(notebook)
    cleaned.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        }
    )
    for cell in cleaned.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = _joined([output for output in map(_cleaned, cell.outputs) if output])
    return cleaned


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join what a cell printed: how it came in pieces depends on the machine's speed."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        stream = last is not None and last.output_type == output.output_type == "stream"
        if last is not None and stream and last.name == output.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _cleaned(output: NotebookNode) -> NotebookNode | None:
    """Return an output without its widget; None where nothing but a widget was shown."""
    data = output.get("data", {})
    if WIDGET in data:
        del data[WIDGET]
        if not set(data) - {"text/plain"}:
            return None
    if "image/png" in data:
        data["image/png"] = _lighter(data["image/png"])
    return output


def _lighter(png: str) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    if picture.mode == "P":
        return png
    buffer = io.BytesIO()
    # Without dithering: it makes a picture larger, and flat colours uneven.
    palette = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    palette.save(buffer, format="png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def main() -> None:
    """Execute all notebooks where they are, or those that are named."""
    for path in map(Path, sys.argv[1:] or sorted(NOTEBOOKS.glob("*.ipynb"))):
        print(path, flush=True)
        nbformat.write(clean(execute(path, path.parent)), path)


if __name__ == "__main__":
    main()
