"""Everything that the claims of the paper on CAR are judged by, for any network, in one folder.

Abbasi-Asl and Yu, arXiv 1711.02329 and 1705.07356. What is in the folder already is kept, so that a
run that was cut off goes on where it was.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import nn
from torch.utils.data import Subset

from carviz.ablation import Run
from carviz.banks import list_banks
from carviz.car import measure_car
from carviz.evaluate import Images, fingerprint_images, fingerprint_model
from carviz.pictures import rgb_weights
from carviz.pruning import prune_filters
from carviz.results import (
    CarTable,
    PruningPath,
    Record,
    SelectivityTable,
    SiblingTable,
    write_whole,
)
from carviz.selectivity import measure_selectivity
from carviz.siblings import measure_siblings

SHOWN = 24
"""Filters of a deeper bank whose pictures are saved: those that greedy CAR prunes first."""
CRITERIA = ("car", "car-once", "l1", "l2", "taylor", "apoz", "random")
"""The paper's measure and what it is held against."""
TELLING = 12
"""Filters of the last bank whose classes are measured on all images: those with the highest CAR."""
UNFINISHED = "unfinished"
"""Folder of the steps of a pruning that is not done yet."""

Kind = TypeVar("Kind", bound=Record)


@dataclasses.dataclass(frozen=True, eq=False)
class Claims:
    """The claims, put to one network.

    Parameters
    ----------
    network
        The network.
    data
        Labelled images with ``targets``, as `carviz.load_data` gives them.
    folder
        Where the tables go.
    banks
        Two banks that are pruned, and one whose filters' classes are told.
    choosing, held_out
        How many images of each class filters are chosen on, and how many others judge the choice.
    steps
        How many filters of the second bank are pruned; None for all by greedy CAR, half by others.
    device
        Where to run; None for where the network is.
    tell
        Told in words what comes next.
    """

    network: nn.Module
    data: Any
    folder: Path
    banks: Sequence[str]
    choosing: int = 3
    held_out: int = 5
    steps: int | None = None
    device: str | None = None
    tell: Callable[[str], None] = print

    def __post_init__(self) -> None:
        if not len(self.judges):
            raise ValueError(
                f"Other images judge what the first {self.choosing} of each class have chosen; "
                "there are none. Choose on fewer with --choosing."
            )

    def put(self) -> None:
        """Make every table that is missing.

        Raises
        ------
        ValueError
            If the folder holds tables of another network, other images or other settings.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for bank, steps in zip(self.banks[:2], (None, self.steps), strict=True):
            greedy = self._prune(bank, steps)
            self._describe(bank, greedy)
        self._tell_classes(self.banks[-1])
        shutil.rmtree(self.folder / UNFINISHED, ignore_errors=True)

    @cached_property
    def choosers(self) -> Subset[Any]:
        """The images on which filters are chosen: the first of each class."""
        return self._images(0, self.choosing)

    @cached_property
    def judges(self) -> Subset[Any]:
        """The images on which the choice is judged: the next of each class."""
        return self._images(self.choosing, self.choosing + self.held_out)

    def _images(self, first: int, end: int) -> Subset[Any]:
        targets = np.asarray(self.data.targets)
        places = np.zeros(len(targets), dtype=int)  # of each image among those of its class
        for label in np.unique(targets):
            members = np.flatnonzero(targets == label)
            places[members] = np.arange(len(members))
        return Subset(self.data, np.flatnonzero((places >= first) & (places < end)).tolist())

    @cached_property
    def _model_digest(self) -> str:
        return fingerprint_model(self.network)

    def _keep(self, name: str, kind: type[Kind], images: Any, make: Callable[[], Kind]) -> Kind:
        """Return what is saved under a name, where it fits, else make and save it."""
        path = self.folder / f"{name}.npz"
        if not path.is_file():
            self.tell(name)
            made = make()
            made.save(path)
            return made
        kept = kind.load(path)
        passport = kept.passport
        found = (passport.get("model"), passport.get("data"))
        if found != (self._model_digest, fingerprint_images(Images(images))):
            raise self._other(path, "another network, or other images")
        self.tell(f"{name}: kept as it was")
        return kept

    def _other(self, path: Path, what: str) -> ValueError:
        return ValueError(
            f"A folder holds the tables of one network, one set of images and one number of steps; "
            f"{str(path)!r} is of {what}. Name another --folder, or delete the file."
        )

    def _prune(self, bank: str, steps: int | None) -> PruningPath:
        """Prune a bank by every criterion, judge each order, and return greedy CAR's."""
        size = int(list_banks(self.network).set_index("layer").filters[bank])
        judged = size // 2 if steps is None else min(steps, size)
        paths = {}
        for criterion in CRITERIA:
            count = size if steps is None and criterion == "car" else judged
            path = self._path(f"{bank}-{criterion}", bank, count, criterion=criterion)
            order = path.prefix(judged)
            self._path(f"{bank}-{criterion}-held-out", bank, judged, order=order)
            paths[criterion] = path
        return paths["car"]

    def _path(self, name: str, bank: str, count: int, **how: Any) -> PruningPath:
        """Return a path of so many steps: of an order on the judges, else on the choosers."""
        images = self.judges if "order" in how else self.choosers
        run = Run(checkpoint=self.folder / UNFINISHED)
        make = partial(
            prune_filters, self.network, images, bank,
            count=count, device=self.device, run=run, **how,
        )  # fmt: skip
        path = self._keep(name, PruningPath, images, make)
        if len(path) != count:
            raise self._other(self.folder / f"{name}.npz", f"{len(path)} steps, not {count}")
        return path

    def _describe(self, bank: str, greedy: PruningPath) -> None:
        """Tell colour from shape, and what is alike; picture what greedy CAR prunes first."""
        network, images = self.network, self.choosers
        measure = partial(measure_selectivity, network, bank, data=images)
        self._keep(f"{bank}-selectivity", SelectivityTable, images, measure)
        compare = partial(measure_siblings, network, images, bank, device=self.device)
        self._keep(f"{bank}-siblings", SiblingTable, images, compare)
        if not list_banks(network).set_index("layer").reads_rgb[bank]:
            self._picture(bank, greedy.order[:SHOWN].tolist())

    def _picture(self, bank: str, filters: list[int]) -> None:
        """Save pictures of a deeper bank's filters, eight bits a channel."""
        name = f"{bank}-pictures"
        target = self.folder / f"{name}.npz"
        if target.is_file():
            self.tell(f"{name}: kept as it was")
            return
        self.tell(name)
        pictures = rgb_weights(self.network, bank, filters, data=self.choosers)
        eight = np.round(pictures * 255).astype(np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, filters=np.asarray(filters), pictures=eight)
        write_whole(target, buffer.getvalue())

    def _tell_classes(self, bank: str) -> None:
        """Measure the classes of the filters that matter most, on all images."""
        measure = partial(measure_car, self.network, layer=bank, device=self.device)
        all_filters = partial(measure, self.choosers)
        few = self._keep(f"{bank}-car-of-all", CarTable, self.choosers, all_filters)
        telling = partial(measure, self.data, filters=sorted(few.order[:TELLING].tolist()))
        self._keep(f"{bank}-classes", CarTable, self.data, telling)
