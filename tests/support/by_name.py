"""Fixtures: a folder of photographs, and small networks by name."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from support.loadable import MODELS, NAMES
from support.waiting import WAIT

from carviz.session import loading


@pytest.fixture
def photos(tmp_path):
    """Six photographs of each of five classes."""
    generator = np.random.default_rng(0)
    for name in NAMES:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(6):
            pixels = generator.integers(0, 255, (12, 10, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.jpg")
    return tmp_path / "photos"


@pytest.fixture
def named(monkeypatch):
    """Load small networks by name, and note down in which thread."""
    threads = []

    def load_model(name, weights="DEFAULT"):
        threads.append(threading.current_thread())
        if name not in MODELS:
            raise ValueError(f"A model is one of {list(MODELS)}; there is no {name!r}.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return MODELS[name]().eval()

    monkeypatch.setattr(loading, "load_model", load_model)
    return threads


@pytest.fixture
def held_up(named, monkeypatch):
    """Hold up every network that is loaded: what says that one is, and what lets it go on."""
    reached, go_on = threading.Event(), threading.Event()
    load_model = loading.load_model

    def slow(name, weights="DEFAULT"):
        reached.set()
        assert go_on.wait(WAIT)
        return load_model(name, weights=weights)

    monkeypatch.setattr(loading, "load_model", slow)
    return reached, go_on
