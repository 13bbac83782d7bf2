"""Train a little further, on a copy: what a smaller network wants before it is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from carviz.checks import check_above_zero, check_whole
from carviz.compression.copies import ordinary_tensors, own_copy
from carviz.evaluate import (
    Data,
    LastSteps,
    Pick,
    check_model,
    device_of,
    find_logits,
    fork_rng,
    no_grad,
    split,
    whole_labels,
)
from carviz.interrupts import Whole, whole

Progress = bool | Callable[[float], None]
MOMENTUM = 0.9


class Epoch(NamedTuple):
    """How one epoch went.

    Parameters
    ----------
    epoch
        Its number, from 1.
    loss, accuracy
        Means over the training images, each seen as the network was when its batch came, in
        training mode: they lag behind the network that the epoch ends with.
    validation_loss, validation_accuracy
        Of the network that the epoch ends with, in evaluation mode; None without validation data.
    """

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    def __str__(self) -> str:
        text = f"epoch {self.epoch}: loss {self.loss:.4f}, accuracy {self.accuracy:.1%}"
        if self.validation_accuracy is not None:
            text += (
                f"; validation loss {self.validation_loss:.4f}, "
                f"accuracy {self.validation_accuracy:.1%}"
            )
        return text


class FineTuned(NamedTuple):
    """A trained copy, and how its training went: ``model, history = finetune(...)``.

    ``pandas.DataFrame(history)`` is a table of it.
    """

    model: nn.Module
    history: tuple[Epoch, ...]


def finetune(
    model: nn.Module,
    data: Data,
    *,
    epochs: int = 1,
    learning_rate: float = 1e-4,
    batch_size: int = 64,
    validation: Any = None,
    progress: Progress = True,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> FineTuned:
    """Train a copy of a network a little further, by plain stochastic gradient descent.

    Cross-entropy, momentum 0.9, one learning rate throughout, no weight decay, nothing frozen but
    what the model freezes; BatchNorm in training mode, so its statistics move too. It is meant
    for the few epochs after compression, not as a training framework.

    Parameters
    ----------
    model
        The network. It is not touched; parameters that need no gradient stay as they are in the
        copy too.
    data
        A map-style Dataset of (image tensor, integer label), shuffled each epoch; a pair of
        tensors; or a DataLoader, which is used as it is: its batches, its order, its workers.
        Random augmentation is welcome here.
    epochs
        How often the data is gone through.
    learning_rate
        Of the descent. Small, for a trained network: ten times as much may undo what it knows, as
        it does to the bundled one.
    batch_size
        Images a step; a DataLoader has its own.
    validation
        Images that are not trained on, to be judged after each epoch; None for none.
    progress
        True for a progress bar, and a line an epoch; a function to be told the share done, 0 to 1,
        after every batch; False for silence.
    seed
        Of the shuffling and of dropout: the same call gives the same network on the same machine
        (on a GPU, up to its own unordered sums). torch's global generators are left as they were.
    device
        Where to train; None for where the model is. The copy stays there.

    Returns
    -------
    FineTuned
        The trained copy, its modules in the modes that the model's are in, and an `Epoch` each.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or value, no parameter learns, a label is outside the
        logits, or the loss is no longer finite.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> images = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    >>> _ = model[1].weight.data.zero_()  # both classes are as likely: log 2
    >>> trained, history = finetune(
    ...     model, (images, torch.tensor([0, 1])), epochs=2, learning_rate=1.0, progress=False
    ... )
    >>> [round(epoch.loss, 2) for epoch in history]
    [0.69, 0.31]
    """
    check_model(model)
    place = device_of(model, device)
    _check_numbers(epochs, learning_rate, batch_size)
    with ordinary_tensors(), _seeded(seed, place):
        copy = own_copy(model).to(place)
        learning = [p for p in copy.parameters() if p.requires_grad]
        if not learning:
            raise ValueError(
                "Fine-tuning changes parameters that need a gradient; every parameter of the model "
                "is frozen. Set requires_grad on those that shall learn."
            )
        modes = {name: module.training for name, module in copy.named_modules()}
        descent = torch.optim.SGD(learning, lr=learning_rate, momentum=MOMENTUM)
        batches = _batches(data, batch_size, seed, shuffle=True)
        judged = None if validation is None else _batches(validation, batch_size, seed)
        history = []
        for epoch, tick in _epochs(epochs, len(batches), progress):
            loss, accuracy = _pass(copy.train(), batches, place, descent, tick)
            held_out = (None, None) if judged is None else _judge(copy.eval(), judged, place)
            history.append(Epoch(epoch, loss, accuracy, *held_out))
            if progress is True:
                _say(history[-1])
        for name, module in copy.named_modules():
            module.training = modes[name]
        copy.zero_grad(set_to_none=True)
    return FineTuned(copy, tuple(history))


def _check_numbers(epochs: int, learning_rate: float, batch_size: int) -> None:
    check_whole(epochs, "epochs")
    check_whole(batch_size, "batch_size")
    check_above_zero(learning_rate, "learning_rate")


def _seeded(seed: int, device: torch.device) -> Whole[None]:
    """Seed torch for what is drawn inside, and leave its generators as they were."""

    @contextmanager
    def seeding() -> Iterator[None]:
        with fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    return whole(seeding)


def _batches(data: Any, batch_size: int, seed: int, *, shuffle: bool = False) -> DataLoader[Any]:
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, (tuple, list)) and len(data) == 2:
        data = TensorDataset(torch.as_tensor(data[0]), torch.as_tensor(data[1]))
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        raise TypeError(
            "data is a map-style Dataset or DataLoader of (image tensor, integer label), or a "
            f"pair of tensors; found {type(data).__name__}."
        )
    if len(data) == 0:
        raise ValueError("Fine-tuning needs one image at least; found data without images.")
    # BatchNorm in training mode cannot normalise a single image on which it sees one place.
    alone = shuffle and len(data) > batch_size and len(data) % batch_size == 1
    return DataLoader(
        data, batch_size, shuffle=shuffle, drop_last=alone,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip


def _pass(
    model: nn.Module,
    batches: DataLoader[Any],
    device: torch.device,
    descent: torch.optim.Optimizer | None = None,
    tick: Callable[[float, float], None] | None = None,
) -> tuple[float, float]:
    """Go through the data once, training if there is a descent; return loss and accuracy."""
    total, right, seen = 0.0, 0, 0
    like = next(p for p in model.parameters() if p.is_floating_point())
    pick: Pick | None = None
    for batch in batches:
        images, labels = split(batch)
        images = images.detach().to(device, like.dtype)
        targets = whole_labels(labels, range(seen, seen + len(images))).to(device)
        with whole(LastSteps) as steps:
            answer = model(images)
        pick = pick or find_logits(answer, len(images), steps)
        logits = pick(answer, steps)
        _check_labels(targets, logits.shape[1])
        loss = F.cross_entropy(logits, targets)
        if descent is not None:
            descent.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            descent.step()
        total += loss.item() * len(targets)
        right += int((logits.argmax(1) == targets).sum())
        seen += len(targets)
        if not math.isfinite(total):
            raise ValueError(
                f"The loss must stay finite; it became {loss.item()} after {seen:,} images of an "
                "epoch. Try a tenth of the learning rate."
            )
        if tick is not None:
            tick(total / seen, right / seen)
    return total / seen, right / seen


@no_grad()
def _judge(model: nn.Module, batches: DataLoader[Any], device: torch.device) -> tuple[float, float]:
    return _pass(model, batches, device)


def _check_labels(targets: Tensor, count: int) -> None:
    bad = targets[(targets < 0) | (targets >= count)]
    if len(bad):
        raise ValueError(
            f"Labels number the network's {count} logits, 0 to {count - 1}; found label "
            f"{int(bad[0])}. Check that data and network have the same classes."
        )


def _epochs(
    epochs: int, steps: int, progress: Progress
) -> Iterator[tuple[int, Callable[[float, float], None]]]:
    """Yield each epoch's number, and what is told loss and accuracy after each of its batches."""
    from tqdm.auto import tqdm

    total = epochs * max(steps, 1)
    done = 0
    with tqdm(total=total, desc="fine-tuning", disable=progress is not True) as bar:

        def tick(loss: float, accuracy: float) -> None:
            nonlocal done
            done += 1
            bar.update()
            bar.set_postfix(loss=f"{loss:.4f}", accuracy=f"{accuracy:.1%}", refresh=False)
            if callable(progress):
                progress(min(done / total, 1.0))

        for epoch in range(1, epochs + 1):
            yield epoch, tick


def _say(epoch: Epoch) -> None:
    from tqdm.auto import tqdm

    tqdm.write(str(epoch))
