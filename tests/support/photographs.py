"""A folder of small photographs in the ImageFolder layout."""

from pathlib import Path

import numpy as np


def folder_of_photographs(root: Path, names: list[str], each: int = 2) -> Path:
    """Return a folder with `each` JPEGs for each class name."""
    from PIL import Image

    generator = np.random.default_rng(0)
    folder = root / "photographs"
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            pixels = generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.jpg")
    return folder
