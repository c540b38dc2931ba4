"""What the numbers and mappings that are given must be: told where they are given, not in the depth of a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physode.errors import PhysodeError

__all__ = ["by_name", "is_number", "real_numbers", "whole_number"]


def is_number(value: Any) -> bool:
    """Tell whether a value is one real number, and neither text nor a truth value."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def real_numbers(values: Any) -> NDArray[np.float64] | None:
    """Return a number or an array of them as a new array of float64, None standing for NaN; nothing for text, dates and the like.

    Examples
    --------
    >>> real_numbers([1, None]), real_numbers("1"), real_numbers(np.datetime64("2020-01-01"))
    (array([ 1., nan]), None, None)
    """
    try:
        found = np.array(values)
    except ValueError:  # rows of different length
        return None
    if found.dtype.kind in "biuf" or (found.dtype.kind == "O" and all(v is None or is_number(v) for v in found.flat)):
        return found.astype(np.float64)
    return None


def by_name(what: str, given: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> dict[str, Any]:
    """Return what was given by name as a dict, or say that it is no mapping."""
    try:
        return {} if given is None else dict(given)
    except (TypeError, ValueError):
        raise PhysodeError(f"{what} must map names to values, as {{'name': 1.0}} does, found {given!r}.") from None


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
    whole = is_number(value) and (isinstance(value, (int, np.integer)) or value.is_integer())
    if not whole or (least is not None and value < least):
        raise PhysodeError(f"{what} must be a whole number{'' if least is None else f' of at least {least}'}, found {value!r}.")
    return int(value)
