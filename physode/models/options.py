"""What options of models and fits may be: a value that makes no sense is told where it is given, not in the depth of a fit."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

from physode.errors import PhysodeError

__all__ = ["finite_number", "layer_widths", "seed_numbers", "whole_number"]


def whole_number(name: str, value: Any, least: int, also: str = "") -> int:
    """Give an option back as an int.

    Parameters
    ----------
    name : str
        Of the option, for the message.
    value : int
    least : int
        Smallest value that makes sense.
    also : str, default ""
        What else could be given, for the message: ", or None for all".

    Raises
    ------
    PhysodeError
        If it is no whole number, or smaller.

    Examples
    --------
    >>> whole_number("seed", -1, 0)
    Traceback (most recent call last):
    physode.errors.PhysodeError: seed is -1; give a whole number, 0 or more.
    """
    try:
        found = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = None
    if found is None or found < least:
        raise PhysodeError(f"{name} is {value!r}; give a whole number, {least} or more{also}.")
    return found


def seed_numbers(seeds: Any) -> list[int]:
    """List so many seeds (0, 1, ...), or those that are given.

    Raises
    ------
    PhysodeError
        If they are anything else, none, or one of them twice.

    Examples
    --------
    >>> seed_numbers(3), seed_numbers([4, 2])
    ([0, 1, 2], [4, 2])
    """
    if isinstance(seeds, Iterable) and not isinstance(seeds, str):
        numbers = [whole_number("seed", seed, 0) for seed in seeds]
    else:
        numbers = list(range(whole_number("seeds", seeds, 1, ", or different ones in a list")))
    if not numbers or len(set(numbers)) < len(numbers):
        raise PhysodeError(f"the seeds are {numbers}; give at least one, and each once.")
    return numbers


def finite_number(name: str, value: Any, *, zero: bool = False) -> float:
    """Give an option back as a finite float that is positive, or may be zero too.

    Raises
    ------
    PhysodeError
        If it is anything else.

    Examples
    --------
    >>> finite_number("tolerance", 0, zero=True)
    0.0
    """
    try:
        found = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not (0 < found < math.inf or (zero and found == 0)):
        raise PhysodeError(f"{name} is {value!r}; give a {'finite number, 0 or more' if zero else 'finite positive number'}.")
    return found


def layer_widths(hidden: Any) -> tuple[int, ...]:
    """Give the widths of hidden layers back as a tuple.

    Raises
    ------
    PhysodeError
        If it is no sequence of positive whole numbers.

    Examples
    --------
    >>> layer_widths([32, 16])
    (32, 16)
    """
    try:
        return tuple(whole_number("hidden", width, 1) for width in hidden)
    except (TypeError, PhysodeError):
        raise PhysodeError(f"hidden is {hidden!r}; give the width of each hidden layer as a positive whole number: hidden=(32,).") from None
