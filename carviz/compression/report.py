"""What a smaller network saves: parameters, multiply-adds, bytes, and measured time."""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from carviz.ablation import count_multiply_adds
from carviz.checks import check_whole
from carviz.evaluate import Data, Images, check_model, device_of, inference_mode, placed, shadow

if TYPE_CHECKING:
    import pandas as pd

WARM_UPS = 2


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a network costs.

    Parameters
    ----------
    parameters
        How many numbers it has learnt.
    multiply_adds
        Of its convolutions and linear layers, for one image.
    bytes
        Of its parameters and buffers in memory.
    latency
        Median seconds of one batch.
    """

    parameters: int
    multiply_adds: float
    bytes: int
    latency: float


@dataclasses.dataclass(frozen=True)
class CompressionReport:
    """What a network costs before and after compression. Print it.

    Parameters
    ----------
    before, after
        The costs of the two networks.
    batch_size
        Images in the batch whose latency was measured.
    runs
        Measured runs of each network, in turns; the latency is their median.
    device
        Where they ran.
    """

    before: Cost
    after: Cost
    batch_size: int
    runs: int
    device: str

    def __str__(self) -> str:
        a, b = self.before, self.after
        time_ = f"latency, {self.batch_size} image{'s' if self.batch_size > 1 else ''}"
        rows = [
            ("", "before", "after", "left"),
            ("parameters", f"{a.parameters:,}", f"{b.parameters:,}",
             _share(a.parameters, b.parameters)),
            ("multiply-adds an image", f"{a.multiply_adds:,.0f}", f"{b.multiply_adds:,.0f}",
             _share(a.multiply_adds, b.multiply_adds)),
            ("MiB in memory", f"{a.bytes / 2**20:,.2f}", f"{b.bytes / 2**20:,.2f}",
             _share(a.bytes, b.bytes)),
            (time_, f"{1e3 * a.latency:,.2f} ms", f"{1e3 * b.latency:,.2f} ms",
             _share(a.latency, b.latency)),
        ]  # fmt: skip
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3))])
            for row in rows
        ]
        return "\n".join([*lines, f"latency: median of {self.runs} runs on {self.device}"])

    def to_frame(self) -> pd.DataFrame:
        """Return the costs as a table: one row a cost, columns before, after and left.

        Latency is in seconds; left is the share after / before.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {"before": dataclasses.asdict(self.before), "after": dataclasses.asdict(self.after)}
        )
        frame["left"] = frame["after"] / frame["before"]
        return frame


def measure_compression(
    before: nn.Module,
    after: nn.Module,
    data: Data,
    *,
    batch_size: int = 16,
    runs: int = 9,
    device: str | torch.device | None = None,
) -> CompressionReport:
    """Measure what `after` costs beside `before`.

    Parameters
    ----------
    before, after
        The two networks. They are not touched: safe copies run, in evaluation mode.
    data
        Images to run them on, as `carviz.measure_car` takes them; the first batch is read.
    batch_size
        Images of the batch whose latency is measured; fewer where the data has fewer.
    runs
        Measured runs of each network. They take turns, so that a busy moment of the machine
        falls on both.
    device
        Where to run; None for where `before` is.

    Returns
    -------
    CompressionReport

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or value.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> before, after = (
    ...     nn.Sequential(nn.Conv2d(3, filters, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    ...     for filters in (8, 6)
    ... )
    >>> data = (torch.zeros(2, 3, 6, 6), torch.tensor([0, 1]))
    >>> report = measure_compression(before, after, data)
    >>> report.before.parameters, report.after.parameters
    (224, 168)
    """
    for name, value in (("batch_size", batch_size), ("runs", runs)):
        check_whole(value, name)
    place = device_of(check_model(before), device)
    networks = [shadow(check_model(model), place) for model in (before, after)]
    images = Images(data)
    batch = images.read(range(min(batch_size, len(images))))[0]
    batches = [placed(batch, network) for network in networks]
    times = _times(networks, batches, runs)
    costs = [
        _cost(network, batch, statistics.median(measured))
        for network, batch, measured in zip(networks, batches, times, strict=True)
    ]
    return CompressionReport(costs[0], costs[1], len(batch), runs, str(place))


@inference_mode()
def _times(networks: list[nn.Module], batches: list[Tensor], runs: int) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in networks]
    for turn in range(WARM_UPS + runs):
        for network, batch, measured in zip(networks, batches, times, strict=True):
            _wait(batch)
            start = time.perf_counter()
            network(batch)
            _wait(batch)
            if turn >= WARM_UPS:
                measured.append(time.perf_counter() - start)
    return times


def _wait(batch: Tensor) -> None:
    """Wait until a GPU has finished: it runs behind the program that feeds it."""
    if batch.device.type == "cuda":
        torch.cuda.synchronize(batch.device)


@inference_mode()
def _cost(network: nn.Module, batch: Tensor, latency: float) -> Cost:
    tensors = [*network.parameters(), *network.buffers()]
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        multiply_adds=count_multiply_adds(lambda: network(batch[:1])),
        bytes=sum(t.nbytes for t in tensors),
        latency=latency,
    )


def _share(before: float, after: float) -> str:
    return f"{after / before:.0%}" if before else "-"
