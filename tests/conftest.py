"""Settings for every test."""

import pytest
import torch

# Small networks run faster on one thread, and far faster where other work holds the other core.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_numbers():
    """Give a test the same random weights whichever tests ran before it."""
    torch.manual_seed(0)
