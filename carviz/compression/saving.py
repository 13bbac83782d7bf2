"""Save a network so that it opens without carviz, and without the code that defined it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import torch

from carviz.banks import TRACING, patches_undone
from carviz.compression.copies import ordinary_tensors, own_copy
from carviz.evaluate import Data, Images, arithmetic, check_model, no_grad, placed
from carviz.interrupts import uninterrupted
from carviz.results import write_whole

SUFFIX = ".pt2"


def save_compressed(model: torch.nn.Module, path: str | os.PathLike[str], data: Data) -> Path:
    """Save a network as a file that torch opens alone: no carviz, no class definitions.

    It is a torch.export program (``.pt2``): the network's operations and weights, for any number
    of images of the size that the data has, in evaluation mode. Open it with

    ``network = torch.export.load(path).module()``

    and call ``network(images)``. Neither of torch's other ways would do. A state_dict holds
    weights only, and the network's usual constructor builds layers of the old sizes. ``torch.save``
    of the whole module is a pickle: it runs code when it is opened (``torch.load`` refuses it
    unless told ``weights_only=False``) and wants the module's class to be importable.

    Weights lie in it as plain numbers and the operations as JSON, but `torch.export.load` falls
    back on pickle where a file asks for it: open files of people you trust, as with ``torch.load``.

    What opens runs, and no more: it has no filter banks to measure again and cannot be switched
    to training. Keep the module itself for that, or the plan that `compress` was given.

    Parameters
    ----------
    model
        The network. It is not touched.
    path
        A file that ends in ``.pt2``; it is written whole or not at all.
    data
        Images as `carviz.measure_car` takes them, for the size and to try the program on.

    Returns
    -------
    pathlib.Path
        Where the file is.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If `path` has another ending or its folder is not there, or torch.export cannot write the
        network down, or what it wrote gives other logits.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> images, labels = torch.zeros(4, 3, 6, 6), torch.zeros(4).long()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_compressed(model, Path(folder, "small.pt2"), (images, labels))
    ...     network = torch.export.load(path).module()
    >>> network(images).shape
    torch.Size([4, 2])
    """
    file = Path(path)
    if file.suffix != SUFFIX:
        raise ValueError(
            f"A network is saved as a torch.export program, whose file ends in {SUFFIX!r}; found "
            f"{file.name!r}. Write {str(file.with_suffix(SUFFIX))!r}."
        )
    check_model(model)
    with ordinary_tensors(), no_grad():
        copy = own_copy(model).eval()
        images = Images(data)
        numbers = (list(range(min(2, len(images)))) * 2)[:2]
        batch = placed(images.read(numbers)[0].clone(), copy)
        # torch.export patches `torch.nn.Module` too, though it lets others pass; and much else,
        # so that Ctrl-C waits until it is over.
        with TRACING, uninterrupted(patches_undone):
            content = _exported(copy, batch)
            _check(content, copy, batch)
    write_whole(file, content)
    return file


def _exported(model: torch.nn.Module, batch: torch.Tensor) -> bytes:
    try:
        # The file keeps the example: zeros, lest it carry images of the data along.
        program = torch.export.export(
            model, (torch.zeros_like(batch),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
        )
    except Exception as error:  # whatever a forward pass may raise when it is written down
        raise ValueError(
            "A network can be saved if torch.export can write it down; here it cannot: "
            f"{type(error).__name__}: {str(error).splitlines()[0]}. Save its weights and the plan "
            "that compress was given instead."
        ) from error
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


def _check(content: bytes, model: torch.nn.Module, batch: torch.Tensor) -> None:
    """Open what was written, and see that it computes the same, for another number of images."""
    opened = torch.export.load(io.BytesIO(content)).module()
    for images in (batch, batch[:1], torch.cat([batch, batch])):
        with arithmetic("float32", images.device.type):
            expected, logits = model(images), opened(images)
        if not torch.allclose(logits, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max())):
            raise ValueError(
                "The saved network must give the same logits; read back, it gives others for "
                f"{len(images)} images. Save its weights and the plan that compress was given."
            )
