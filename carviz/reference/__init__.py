"""The reference that every run is audited by: the network itself, run once without some filters.

It shares nothing with the engine but the words of the definition (`carviz.banks.units`). It has no
graph and no cut; it runs a copy of the model as it is, in-place steps and all, sees by watching
one pass where the unit of every call of a convolution ends, and makes the channel zero there in a
second pass. `tests/test_random_networks.py` judges it by networks whose removal is written out by
hand.

How it sees. A forward hook on the convolution hands over the output of each call; from there on
`torch.overrides.TorchFunctionMode` sees every function that is given this very tensor. What hands
its numbers on unchanged (dropout in evaluation mode, clone, a cast) gives the tensor one name more.
If its one reader then is a batch normalisation by stored statistics, the unit ends behind that.
"""

from carviz.reference.front import NeverCalledError, Reference
from carviz.reference.watching import End

__all__ = ["End", "NeverCalledError", "Reference"]
