"""Settings for every test."""

import gc

import pytest
import torch

# Small networks run faster on one thread, and far faster where other work holds the other core.
torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """Look less often for garbage, and not among what was imported: a tenth of the time went there.

    Figures and graphs are made of many small objects that refer to one another.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(autouse=True)
def _same_numbers():
    """Give a test the same random weights whichever tests ran before it."""
    torch.manual_seed(0)
