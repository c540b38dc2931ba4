"""A look at the clock from the depth of long work: whoever began the work can end it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["look", "watched"]

_WATCH: ContextVar[Callable[[], None] | None] = ContextVar("watch", default=None)


def look() -> None:
    """Call what watches over this work, if anything does; every integration asks at each of its steps.

    Examples
    --------
    >>> def enough():
    ...     raise TimeoutError
    >>> with watched(enough):
    ...     look()
    Traceback (most recent call last):
    TimeoutError
    >>> look()
    """
    watch = _WATCH.get()
    if watch is not None:
        watch()


@contextmanager
def watched(watch: Callable[[], None]) -> Iterator[None]:
    """Have something watch over the work within, in this thread; it ends that by an exception."""
    before = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(before)
