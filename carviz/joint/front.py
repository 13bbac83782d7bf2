"""Measure what sets of filters cost together, beside what their members cost alone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from carviz.ablation import Run
from carviz.banks import Model, Network, find_layer, open_network
from carviz.car import Measurement, prepare_banks
from carviz.checks import found_words
from carviz.evaluate import Data, OutputKind, Progress
from carviz.joint.engine import check_classes, check_run, measure_sets
from carviz.joint.given import Members, bank_names, check_mappings, check_sets, listed
from carviz.results import JointTable
from carviz.wording import counted


def measure_joint(
    model: Model,
    data: Data,
    layer: str | nn.Module | None,
    sets: Sequence[Sequence[int]] | Sequence[Mapping[str, Sequence[int]]],
    *,
    device: str | torch.device | None = None,
    progress: Progress = True,
    run: Run | None = None,
    answers: OutputKind | None = None,
) -> JointTable:
    """Measure what sets of filters cost together, beside the sum of what each filter costs alone.

    CARs do not add up: filters that do the same work are each worth nothing as long as the other
    is there. So a sum of CARs says little of a set; this removes the set itself. All is zeroed as
    in `carviz.measure_car`. Every filter that is in a set is measured alone as well, in the same
    pass over the images. A channel that is zero on an image changes nothing there, so sets are run
    on an image only as far as their active channels differ; the passport tells how many pairs of a
    set and an image ran.

    Parameters
    ----------
    model, data, device, progress, run, answers
        As in `carviz.measure_car`; precision is float32.
    layer
        The bank: a convolution's name, or the module itself. None for sets of several banks: a set
        across banks runs the whole network once an image.
    sets
        Lists of numbers of filters; with ``layer=None`` mappings from a bank's name to them. The
        order of filters does not matter, the whole bank may be a set, and no set comes twice. Facts
        of all sets, 8 bytes a set and image, are held at once.

    Returns
    -------
    JointTable

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, data has no one class an image, sets are empty, repeat
        or leave the bank, or take more memory than there is; then the cost is told.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> conv = nn.Conv2d(1, 2, 1, bias=False)  # two filters that are one another's copy
    >>> head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    >>> _ = conv.weight.data.fill_(1.0)
    >>> _ = head[2].weight.data.copy_(torch.tensor([[0.0, 0.0], [0.5, 0.5]]))
    >>> _ = head[2].bias.data.copy_(torch.tensor([0.2, 0.0]))
    >>> data = (torch.ones(4, 1, 1, 1), torch.ones(4).long())
    >>> model = nn.Sequential(conv, nn.ReLU(), head)
    >>> table = measure_joint(model, data, "0", [[0], [1], [0, 1]], progress=False)
    >>> table.car.tolist(), table.sum_of_cars.tolist(), table.excess.tolist()
    ([0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    """
    if isinstance(layer, (list, tuple)):
        raise TypeError(
            "layer is one bank's name or module, or None for sets of several banks, which "
            f"then name them: [{{'conv1': [0], 'conv2': [1, 2]}}]; found {found_words(layer)}."
        )
    sets = listed(sets)
    if layer is None:
        bank_names(sets)  # a mistake that needs no network is told before one is opened
    check_classes(data)
    network = open_network(model, device, watch=True)
    check_run(run, network)
    if layer is None:
        names, chosen = _across(network, model, sets)
        what = f"{counted(len(chosen), 'set')} of {counted(len(names), 'bank')}"
    else:
        name = find_layer(network, model, layer)
        count = network.convolution(name).out_channels
        chosen = [tuple((name, f) for f in one) for one in check_sets(sets, name, count)]
        names, what = [name], f"{counted(len(chosen), 'set')} in {name}"
    banks = prepare_banks(network, data, names, run=run, answers=answers)
    warn_of(banks)
    of = "" if layer is None else names[0]
    return JointTable(**measure_sets(banks, chosen, of, progress, what))


def _across(network: Network, model: Any, sets: Any) -> tuple[list[str], list[Members]]:
    """Return the banks of mappings, in the network's order, and the sets."""
    known = {
        name: find_layer(network, model, name, "A mapping in sets") for name in bank_names(sets)
    }
    order = [name for name in network.layers() if name in known.values()]
    counts = {name: network.convolution(name).out_channels for name in order}
    renamed: list[Any] = []
    for one in sets:
        if isinstance(one, Mapping):
            own = {known[name]: numbers for name, numbers in one.items()}
            if len(own) < len(one):
                raise ValueError(
                    "A set has each bank once; found one bank under two names among "
                    f"{', '.join(map(repr, one))}."
                )
            renamed.append(own)
        else:
            renamed.append(one)
    if not counts:  # none is a mapping, which is told with a bank's name
        counts = dict.fromkeys(network.layers(), 1)
    return order, check_mappings(renamed, counts)


def warn_of(banks: Sequence[Measurement]) -> None:
    """Warn once of what a reader should know of how the banks are measured."""
    remarks = dict.fromkeys(r for bank in banks if (r := bank.passport["remark"]))
    if remarks:
        warnings.warn(f"carviz: {' '.join(remarks)}", stacklevel=3)
