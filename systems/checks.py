"""What a number that was asked for must be: told where it is given, not in the depth of a simulation."""

from __future__ import annotations

from typing import Any

import numpy as np

from physode.errors import PhysodeError

__all__ = ["whole_number"]


def whole_number(what: str, value: Any, least: int | None = None) -> int:
    """Give a whole number back as an int; a float may hold one, as on the command line.

    Parameters
    ----------
    what : str
        What the number is, for the message.
    value : int, float or numpy number
        The number.
    least : int, optional
        The smallest that makes sense.

    Returns
    -------
    int

    Raises
    ------
    PhysodeError
        If it is none, or a smaller one.

    Examples
    --------
    >>> whole_number("cells", 6.0), whole_number("cells", np.int64(6))
    (6, 6)
    >>> whole_number("cells", 3, 4)
    Traceback (most recent call last):
    physode.errors.PhysodeError: cells must be a whole number of at least 4, found 3.
    """
    whole = isinstance(value, (int, np.integer)) or (isinstance(value, (float, np.floating)) and value.is_integer())
    if not whole or isinstance(value, bool) or (least is not None and value < least):
        raise PhysodeError(f"{what} must be a whole number{'' if least is None else f' of at least {least}'}, found {value!r}.")
    return int(value)
