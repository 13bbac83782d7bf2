"""What a bank answers to images: the outputs of its units, and what of the image they have read."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from carviz.banks.cut import part_up_to
from carviz.banks.geometry import WHOLE, Field, receptive_fields
from carviz.banks.network import Network, unit_end
from carviz.banks.readers import own_batch_norm
from carviz.evaluate import arithmetic, shadow

Answer = Callable[[Tensor], list[Tensor]]
"""Maps images to the outputs of a bank's units (image, filter, height, width), one a use."""


def answers(network: Network, layer: str, sample: Tensor) -> Answer:
    """Return what maps images to the outputs of the units of a bank, one for each use of it.

    A unit is the convolution with its own BatchNorm; its output is what comes before any ReLU.
    Only what leads up to the bank is run, where the network has a graph. Nothing is traced, so
    that a worker thread may ask; gradients flow through, if they are switched on.

    Parameters
    ----------
    sample
        An image ``(1, channel, height, width)``, to watch an untraceable network with.
    """
    if network.graph is not None:
        ends = [unit_end(network, call) for call in network.calls(layer)]
        part = part_up_to(network.graph, ends, "Units")
        return _exact(lambda images: list(part(images)))
    return _exact(_watched(network.model, layer, sample))


def _exact(answer: Answer) -> Answer:
    """Return the same in float32, whatever a GPU would do by itself."""

    def run(images: Tensor) -> list[Tensor]:
        with arithmetic("float32", images.device.type):
            return answer(images)

    return run


def _watched(model: nn.Module, layer: str, sample: Tensor) -> Answer:
    copy = shadow(model)  # of its own: another thread may run the network
    seen: list[Tensor] = []
    site = copy.get_submodule(own_batch_norm(copy, layer, sample))
    # A clone, for what works in place behind the unit.
    site.register_forward_hook(lambda _module, _args, output: seen.append(output.clone()))

    def run(images: Tensor) -> list[Tensor]:
        seen.clear()
        copy(images)
        found = list(seen)
        seen.clear()
        return found

    return run


def field_of(network: Network, layer: str) -> Field:
    """Return the receptive field of a bank at its first use; the whole image without a graph."""
    if network.graph is None:
        return WHOLE
    return receptive_fields(network.graph)[network.calls(layer)[0]]
