"""How each piece of what is seen of a bank is made, a step at a time, by a worker."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carviz.evaluate import stratified_order
from carviz.pictures import (
    Exciting,
    clip_boxes,
    cut_patches,
    iter_effective_weights,
    iter_excite,
    iter_exciting,
    weight_pictures,
)
from carviz.results import SelectivityTable, SiblingTable, shown_names
from carviz.selectivity import Reading, iter_judge, open_case, read_weights
from carviz.session.seeing.kept import LARGE, TILE, Patch, Picture
from carviz.session.seeing.padding import checkered, outside
from carviz.session.subject import Subject
from carviz.session.thumbnails import as_bytes, png, reduced
from carviz.siblings import iter_siblings

IMAGES = 512
"""Images that are looked at for those that excite the filters, at most, spread over the classes."""
PATCHES = 9
PATCH = 140
"""Pixels of a patch's longer side: twice what is shown, for sharp screens."""
BLOCK = 16
"""Filters whose best patches are cut at a time."""


class Maker:
    """Makes pieces for one bank of a subject on one device; nothing is traced."""

    def __init__(self, subject: Subject, device: str, layer: str) -> None:
        self._network, self._images = subject.networks[device], subject.images
        self._normalization, self._normalize = subject.normalization(), subject.normalize()
        self._layer = layer

    def exciting(self) -> Generator[float, None, Exciting]:
        """Find which of some images excite the filters most."""
        images = self._images
        numbers = sorted(stratified_order(images.hints, len(images), 0)[:IMAGES].tolist())
        return iter_exciting(self._network, images, self._layer, PATCHES, numbers)

    def weights(
        self, filters: list[int], exciting: Exciting
    ) -> Generator[tuple[int, Picture, Reading], None, None]:
        """Yield pictures of the effective RGB weights of some filters, and what they say."""
        found = iter_effective_weights(
            self._network, self._images, self._layer,
            filters=filters, images=PATCHES, normalize=self._normalize, exciting=exciting,
        )  # fmt: skip
        for number, weights in found:
            picture = as_bytes(weight_pictures(weights[None])[0])
            yield number, reduced(picture, LARGE), read_weights(weights)

    def best(
        self, filters: list[int], exciting: Exciting
    ) -> Generator[dict[int, Picture], None, None]:
        """Yield the best patches of some filters, small, a block of filters at a time."""
        first = exciting.first(1)
        for start in range(0, len(filters), BLOCK):
            block = filters[start : start + BLOCK]
            pictures, _ = cut_patches(self._images, first, block, self._normalization)
            yield {
                number: _marked(reduced(as_bytes(picture[0]), TILE), first, number, 0)[0]
                for number, picture in zip(block, pictures, strict=True)
            }

    def sheet(self, filter: int, exciting: Exciting) -> list[Patch]:
        """Return the patches of one filter, each with words for its class and response."""
        pictures, labels = cut_patches(self._images, exciting, [filter], self._normalization)
        numbers, responses = exciting.image[filter], exciting.response[filter]
        sheet = []
        for rank in np.flatnonzero(numbers >= 0).tolist():
            picture = reduced(as_bytes(pictures[0, rank]), PATCH)
            picture, padded = _marked(picture, exciting, filter, rank)
            words = self._words(numbers[rank], labels[0, rank], responses[rank])
            sheet.append(Patch(png(picture), words, padded))
        return sheet

    def _words(self, number: int, label: int, response: float) -> str:
        names = shown_names(self._images.classes or ())
        name = names[label] if label < len(names) else f"class {label}"
        return f"{name}, response {response:.2f}, image {number}"

    def synthesised(
        self, filters: list[int]
    ) -> Generator[tuple[dict[int, Picture], bool], None, None]:
        """Yield ever better synthesised pictures of some filters, and whether they are final."""
        for look in iter_excite(
            self._network,
            self._layer,
            filters,
            data=self._images,
            normalize=self._normalize,
            progress=False,
        ):
            pictures = {
                number: reduced(as_bytes(picture), LARGE)
                for number, picture in zip(look.filters, look.pictures, strict=True)
            }
            yield pictures, look.finished

    def siblings(self) -> Generator[float, None, SiblingTable]:
        """Find how alike the filters of the bank are."""
        return iter_siblings(self._network, self._images, self._layer)

    def kinds(
        self, readings: Sequence[Reading], exciting: Exciting
    ) -> Generator[float, None, SelectivityTable]:
        """Tell colour from shape by what all effective weights say, and by images made grey."""
        case = open_case(
            self._network, self._layer, data=self._images, normalize=self._normalize, images=PATCHES
        )
        return iter_judge(case, readings, exciting)


def _marked(picture: Picture, exciting: Exciting, filter: int, rank: int) -> tuple[Picture, bool]:
    """Mark what of a patch lies outside of its image; return it, and whether anything does."""
    if exciting.image[filter, rank] < 0:  # no image, all grey
        return picture, False
    box = clip_boxes(exciting.box[filter, rank], exciting.size)
    where = outside(picture.shape[:2], box, exciting.size)
    return (checkered(picture, where), True) if where.any() else (picture, False)


def small(picture: NDArray[Any]) -> Picture:
    """Return a picture as it stands in the gallery."""
    return reduced(as_bytes(picture), TILE)
