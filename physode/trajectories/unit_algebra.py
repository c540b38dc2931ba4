"""Products and quotients of units, such as a coefficient needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

__all__ = ["multiply_units", "rate_units", "units_of_term"]

_FACTOR: Final = re.compile(r"([^\W\d_]+)(-?\d+)?")
_ANGLE: Final = re.compile(r"(sin|cos)\(\w+\)")


def multiply_units(*factors: tuple[str, int]) -> str | None:
    """Multiply units, each to a power; None where one of them cannot be read.

    Parameters
    ----------
    *factors : (str, int)
        A unit, written like "kg m2 s-1", and its power. "1" is the unit of pure numbers; "" is an unknown one.

    Returns
    -------
    str or None
        The product, in the order in which the units came.

    Examples
    --------
    >>> multiply_units(("m s-1", 1), ("s", -1))
    'm s-2'
    >>> multiply_units(("kg m2", 1), ("", 1)) is None
    True
    """
    total: Counter[str] = Counter()
    for unit, power in factors:
        if not unit:
            return None
        for part in unit.split():
            if part == "1":
                continue
            found = _FACTOR.fullmatch(part)
            if found is None:
                return None
            total[found[1]] += power * int(found[2] or 1)
    return " ".join(f"{name}{'' if power == 1 else power}" for name, power in total.items() if power) or "1"


def rate_units(unit: str, time: str) -> str:
    """Give the unit of a rate, that of a quantity over that of time; "" where one is not known.

    Examples
    --------
    >>> rate_units("m s-1", "s"), rate_units("1", "s"), rate_units("", "s")
    ('m s-2', 's-1', '')
    >>> rate_units("1", "1e-3 s"), rate_units("mm/s", "s")  # what cannot be read is put in brackets
    ('(1e-3 s)-1', '(mm/s) (s)-1')
    """
    found = multiply_units((unit, 1), (time, -1))
    if found is None and unit and time:
        return f"({time})-1" if unit == "1" else f"({unit}) ({time})-1"
    return found or ""


def units_of_term(term: str, units: Mapping[str, str]) -> str | None:
    """Give the unit of a product of powers of states, or of a sine or cosine; None for any other formula.

    Examples
    --------
    >>> units_of_term("x**2*v", {"x": "m", "v": "m s-1"})
    'm3 s-1'
    """
    factors: list[tuple[str, int]] = [("1", 1)]
    for factor in term.replace("**", "^").split("*"):
        name, _, power = factor.partition("^")
        if name in units:
            factors.append((units[name], int(power or 1)))
        elif name != "1" and not _ANGLE.fullmatch(name):
            return None
    return multiply_units(*factors)
