"""How far a long call is: a bar, a function that is told, or silence."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

Progress = bool | Callable[[float], None]
"""True for a progress bar; a function that is told the share done, 0 to 1; False for silence."""


@contextmanager
def telling(progress: Progress, words: str) -> Iterator[Callable[[float], None]]:
    """Give what is told the share done; a bar, where one is wanted, says `words`."""
    if progress is not True:
        yield progress if callable(progress) else lambda _share: None
        return
    from tqdm.auto import tqdm

    # A notebook's bar goes when all is done. Elsewhere None draws none into a file or a pipe, where
    # each of its states would stay; a kernel's stream is no terminal either.
    drawn = any(kind.__module__ == "tqdm.notebook" for kind in tqdm.__mro__)
    kept = {"leave": False} if drawn else {"disable": None}
    shape = "{l_bar}{bar}| {elapsed}<{remaining}"
    with tqdm(total=1.0, desc=words, bar_format=shape, **kept) as bar:

        def tell(share: float) -> None:
            bar.update(min(share, 1.0) - bar.n)

        yield tell


def drive(steps: Generator[float, None, T], tell: Callable[[float], None]) -> T:
    """Do all steps of a piece of work, each of which yields the share done; return its result."""
    try:
        while True:
            tell(next(steps))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()
