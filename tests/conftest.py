"""Settings for every test."""

import torch

# Small networks run faster on one thread, and far faster where other work holds the other core.
torch.set_num_threads(1)
