"""How far a long call is: a bar, a function that is told, or silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = bool | Callable[[float], None]
"""True for a progress bar; a function that is told the share done, 0 to 1; False for silence."""


@contextmanager
def telling(progress: Progress, words: str) -> Iterator[Callable[[float], None]]:
    """Give what is told the share done; a bar, where one is wanted, says `words`."""
    if progress is not True:
        yield progress if callable(progress) else lambda _share: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=1.0, desc=words, bar_format="{l_bar}{bar}| {elapsed}<{remaining}") as bar:

        def tell(share: float) -> None:
            bar.update(min(share, 1.0) - bar.n)

        yield tell
