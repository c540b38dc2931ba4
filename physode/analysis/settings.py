"""Numbers that make sense: one that does not is told where it is given, not in the depth of a computation."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from physode.errors import PhysodeError

__all__ = ["not_negative", "positive", "whole"]


def positive(**numbers: float | None) -> None:
    """Raise a PhysodeError that names the first number that is given and not positive and finite."""
    _refuse(numbers, lambda value: 0 < value < math.inf, "a finite positive number")


def not_negative(**numbers: float | None) -> None:
    """Raise a PhysodeError that names the first number that is given and negative or not finite."""
    _refuse(numbers, lambda value: 0 <= value < math.inf, "zero or a finite positive number")


def whole(least: int, **numbers: int | None) -> None:
    """Raise a PhysodeError that names the first number that is given and no whole number, or below `least`.

    Examples
    --------
    >>> whole(1, degree=2.5)
    Traceback (most recent call last):
    physode.errors.PhysodeError: degree is 2.5; give a whole number, 1 or more.
    """
    _refuse(numbers, lambda value: operator.index(value) >= least, f"a whole number, {least} or more")


def _refuse(numbers: Mapping[str, Any], fits: Callable[[Any], bool], wanted: str) -> None:
    for name, value in numbers.items():
        try:
            good = value is None or fits(value)
        except TypeError:
            good = False
        if not good:
            raise PhysodeError(f"{name} is {value!r}; give {wanted}.")
