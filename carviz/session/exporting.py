"""The smaller network as a file, with what became smaller."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from carviz.banks import Network
from carviz.evaluate import Images

if TYPE_CHECKING:
    from carviz.compression import CompressionReport


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
    """A smaller network that was saved.

    Parameters
    ----------
    path
        Its file.
    layer, count
        The bank, and how many of its filters are gone.
    report
        What it costs beside the whole network.
    """

    path: Path
    layer: str
    count: int
    report: CompressionReport


def export_network(
    network: Network,
    layer: str,
    filters: list[int],
    images: Images,
    path: Path,
    tick: Callable[[float], None],
) -> Exported:
    """Build the network without the filters, measure it beside the whole one, and save it.

    The network was traced when it was opened, in the caller's thread; this may run in any.
    """
    # Loaded here, for it takes Torch-Pruning along and an explorer opens faster without.
    from carviz.compression import compress, measure_compression, save_compressed

    smaller = compress(network, {layer: filters}, images, progress=lambda share: tick(0.4 * share))
    report = measure_compression(network.model, smaller, images)
    tick(0.8)
    # The explorer's copy keeps channels last; whoever opens the file expects the usual layout.
    smaller.to(memory_format=torch.contiguous_format)
    save_compressed(smaller, path, images)
    return Exported(path, layer, len(filters), report)


def default_name(model: str, layer: str, count: int) -> str:
    """Return a file's name that says what it holds."""
    words = f"{model}-{layer}-minus-{count}"
    return re.sub(r"[^\w.+-]+", "-", words) + ".pt2"
