"""How many observations a forecast may start from."""

from __future__ import annotations

import operator

from physode.errors import PhysodeError

__all__ = ["whole_warmup"]


def whole_warmup(warmup: int) -> int:
    """Give a warmup back as an int.

    Raises
    ------
    PhysodeError
        If it is no whole number of 1 or more.

    Examples
    --------
    >>> whole_warmup(0)
    Traceback (most recent call last):
    physode.errors.PhysodeError: warmup is 0; give a whole number, 1 or more.
    """
    try:
        found = operator.index(warmup)
    except TypeError:
        found = 0
    if found < 1:
        raise PhysodeError(f"warmup is {warmup!r}; give a whole number, 1 or more.")
    return found
