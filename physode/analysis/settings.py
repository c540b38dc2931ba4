"""Numbers that make sense: one that does not is told where it is given, not in the depth of a computation."""

from __future__ import annotations

import math
import operator

from physode.errors import PhysodeError

__all__ = ["not_negative", "positive", "whole"]


def positive(**numbers: float | None) -> None:
    """Raise a PhysodeError that names the first number that is given and not positive and finite."""
    for name, value in numbers.items():
        if value is not None and not 0 < value < math.inf:
            raise PhysodeError(f"{name} is {value}; give a finite positive number.")


def not_negative(**numbers: float | None) -> None:
    """Raise a PhysodeError that names the first number that is given and negative or not finite."""
    for name, value in numbers.items():
        if value is not None and not 0 <= value < math.inf:
            raise PhysodeError(f"{name} is {value}; give zero or a finite positive number.")


def whole(least: int, **numbers: int | None) -> None:
    """Raise a PhysodeError that names the first number that is given and no whole number, or below `least`.

    Examples
    --------
    >>> whole(1, degree=2.5)
    Traceback (most recent call last):
    physode.errors.PhysodeError: degree is 2.5; give a whole number, 1 or more.
    """
    for name, value in numbers.items():
        try:
            fits = value is None or operator.index(value) >= least
        except TypeError:
            fits = False
        if not fits:
            raise PhysodeError(f"{name} is {value!r}; give a whole number, {least} or more.")
