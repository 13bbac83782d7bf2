"""One image: where a filter answers on it, what the network says, and which filters that needs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carviz.banks import maps_are_images
from carviz.car import iter_tables, prepare_car
from carviz.evaluate import Images, LastSteps, find_logits, inference_mode, placed
from carviz.interrupts import whole
from carviz.pictures import ActivationMaps, field_numbers, maps_of
from carviz.reference import Reference
from carviz.results import CarTable
from carviz.session.looks import OWN
from carviz.session.one_image import Key, Needed, OneImage
from carviz.session.own_image import OwnImage, prepare
from carviz.session.state import State
from carviz.session.subject import Subject
from carviz.session.thumbnails import as_bytes, rgb_picture
from carviz.session.worker import Step

Shares = NDArray[np.float64]
CHANGED = "The network has changed since it was opened; measuring opens it anew."


class ImageLooks:
    """Looks at the image that is chosen; whoever calls holds the session's lock.

    What was found of one image is kept until another is looked at: choosing filter after filter
    runs what leads up to the bank once.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._place: tuple[Subject, str] | None = None
        self._reference: Reference | None = None
        self._read: tuple[Key, Tensor, int] | None = None
        self._maps: tuple[Key, str, NDArray[np.float32] | None] | None = None

    def next_step(self) -> Step | None:
        """Return what is to be made of the image that is looked at; None if all is there."""
        state = self._state
        if state.looks.view != "image" or state.closed:
            return None
        place = state.subject, state.device
        if place != self._place:
            self._place, self._reference, self._read, self._maps = place, None, None, None
            state.image.forget()
        key, layer, filter = state.image_key(), state.layer, state.filter
        if state.image.problem_of(key, layer, filter):
            return None
        own = state.image.own if key[0] == OWN else None
        if state.image.one_of(key, layer, filter) is None:
            return self._step(lambda: self._look(key, layer, filter, own), (key, layer, filter))
        if state.image.needed_of(key, layer) is None:
            return self._step(lambda: self._need(key, layer, own), (key, layer, filter))
        return None

    def _step(self, make: Step, asked: tuple[Key, str, int]) -> Step:
        state = self._state

        def step() -> None:
            try:
                with inference_mode(False):
                    make()
            except Exception as error:
                with state.lock:
                    state.image.problem = asked, f"{type(error).__name__}: {error}"
                    state.tell("sight")

        return step

    def _tensor(self, key: Key, own: OwnImage | None) -> tuple[Tensor, int]:
        """Return the image as the network reads it, (1, channel, height, width), and its label."""
        if self._read is None or self._read[0] != key:
            subject = self._state.subject
            if own is not None:
                tensor = prepare(own, subject.images, subject.normalization())
                self._read = key, tensor, -1
            else:
                images, labels = subject.images.read([key[0]])
                self._read = key, images, int(labels[0])
        return self._read[1], self._read[2]

    def _look(self, key: Key, layer: str, filter: int, own: OwnImage | None) -> None:
        state = self._state
        network, normalization = state.network, state.subject.normalization()
        if network.watch is not None and network.watch.soon_changed():
            raise ValueError(CHANGED)
        image, label = self._tensor(key, own)
        batch = placed(image, network.model)
        before, after = self._answers(batch, layer, filter)
        picture = as_bytes(rgb_picture(image[0], normalization))
        maps = self._where(key, layer, filter, image, picture)
        with state.lock:
            seen = state.findings.seen_of(layer).exciting
            known = np.zeros(1) if seen is None else np.nan_to_num(seen.response[filter, :1])
            here = 0.0 if maps is None else float(maps.highest[0])
            highest = max(here, float(known.max(initial=0.0)), 0.0)
            state.image.one = OneImage(
                key, layer, filter, picture, label, maps, highest, before, after
            )
            state.image.problem = None
            state.tell("sight")

    def _where(
        self, key: Key, layer: str, filter: int, image: Tensor, picture: NDArray[np.uint8]
    ) -> ActivationMaps | None:
        """Return where the filter answers on the image; None where its maps are of no image."""
        network = self._state.network
        if self._maps is None or self._maps[:2] != (key, layer):
            found = None
            if maps_are_images(network, layer, placed(image, network.model)):
                found = maps_of(network, layer, image)[0]
            self._maps = key, layer, found
        if self._maps[2] is None:
            return None
        return ActivationMaps(
            layer,
            filter,
            images=np.array([max(key[0], 0)]),
            maps=self._maps[2][filter][None],
            pictures=(picture[None] / 255).astype(np.float32),
            field=field_numbers(network, layer, (image.shape[2], image.shape[3])),
        )

    def _answers(
        self, batch: Tensor, layer: str, filter: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probabilities of the classes by the network's own forward pass."""
        if self._reference is None:
            reference = Reference(self._state.network.model)
            with whole(LastSteps) as steps:
                answer = reference.answer(torch.cat([batch, batch]))
            reference.pick = find_logits(answer, 2, steps)
            self._reference = reference
        both = (
            self._reference.logits(batch),
            self._reference.without(batch, {layer: [filter]}),
        )
        before, after = (torch.softmax(logits[0].double(), 0).cpu().numpy() for logits in both)
        return before, after

    def _need(self, key: Key, layer: str, own: OwnImage | None) -> None:
        state = self._state
        image, label = self._tensor(key, own)
        with state.lock:
            shown = state.image.one
            table = _whole_table(state)
        assert shown is not None
        target = label if label >= 0 else int(shown.before.argmax())
        place = None if table is None or own is not None else _place(table.images, key[0])
        if table is not None and place is not None and table.has_image_log_prob_drop:
            drop, answers = table.image_log_prob_drop[:, place], table.predictions[:, place]
        else:
            data = Images((image.cpu(), torch.tensor([target])))
            bank = prepare_car(state.network, data, layer)
            *_, found = iter_tables(bank)
            drop, answers = found.image_log_prob_drop[:, 0], found.predictions[:, 0]
        with state.lock:
            state.image.needed = Needed(
                key, layer, target, np.asarray(drop, np.float64), np.asarray(answers, np.int64)
            )
            state.tell("sight")


def _place(images: NDArray[np.int64], number: int) -> int | None:
    place = int(np.searchsorted(images, number))
    return place if place < len(images) and images[place] == number else None


def _whole_table(state: State) -> CarTable | None:
    """Return a table of all filters of the bank on the data at hand; None where there is none."""
    count = state.bank.filters
    tables = [t for t in state.tables() if len(t.filters) == count and state.own_data(t)]
    return max(tables, key=lambda table: len(table.images), default=None)
