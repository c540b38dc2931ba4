"""The terms that an equation may be made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import combinations_with_replacement
from math import comb
from typing import Final

import numpy as np

from physode.analysis.dynamics import Array, Dynamics, unit_of
from physode.errors import PhysodeError

__all__ = ["Term", "term_library"]

_MOST_TERMS: Final = 1000

Term = Callable[[Array], Array]
"""A function from states (batch, state) to (batch,)."""


def term_library(
    dynamics: Dynamics, degree: int = 3, extra: Mapping[str, Term] | None = None, origin: Sequence[float] | None = None
) -> dict[str, Term]:
    """Make a library of terms: powers and products of the states, sine and cosine of angles, and the user's own.

    Parameters
    ----------
    dynamics : Dynamics
        Whose states are meant; those in "rad" are angles.
    degree : int, default 3
        Highest total power.
    extra : mapping of str to callable, optional
        More terms, under the formulas that equations are to show, such as ``{"exp(x)": lambda z: np.exp(z[:, 0])}``.
    origin : sequence of float, optional
        What is taken from each state before powers are formed. Default: nothing.

    Returns
    -------
    dict
        Formula and function of each term, the simple ones first.

    Raises
    ------
    PhysodeError
        If the degree is negative, or makes more than 1000 terms.

    Examples
    --------
    >>> from physode import systems
    >>> list(term_library(systems.get("pendulum"), degree=2))
    ['1', 'theta', 'omega', 'theta**2', 'theta*omega', 'omega**2', 'sin(theta)', 'cos(theta)']
    >>> list(term_library(systems.get("harmonic-oscillator"), degree=2, origin=[300.0, 0.0]))
    ['1', '(x - 300)', 'v', '(x - 300)**2', '(x - 300)*v', 'v**2']
    """
    if degree < 0:
        raise PhysodeError(f"degree is {degree}; give zero or a positive number.")
    count = comb(len(dynamics.states) + degree, degree)
    if count > _MOST_TERMS:
        raise PhysodeError(
            f"degree {degree} in {len(dynamics.states)} states makes {count} terms, more than {_MOST_TERMS}; ask for a lower one."
        )
    zero = [0.0] * len(dynamics.states) if origin is None else [float(value) for value in origin]
    names = [_counted_from(value, name) for value, name in zip(zero, dynamics.states, strict=True)]
    terms: dict[str, Term] = {"1": lambda z: np.ones(len(z))}
    for power in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(len(dynamics.states)), power):
            terms[_formula(names, chosen)] = _product(chosen, zero)
    for i, name in enumerate(dynamics.states):
        if unit_of(dynamics, name) == "rad":
            terms[f"sin({name})"] = _of_state(np.sin, i)
            terms[f"cos({name})"] = _of_state(np.cos, i)
    return terms | dict(extra or {})


def _formula(states: Sequence[str], chosen: tuple[int, ...]) -> str:
    powers = {i: chosen.count(i) for i in chosen}
    return "*".join(states[i] if power == 1 else f"{states[i]}**{power}" for i, power in powers.items())


def _counted_from(zero: float, name: str) -> str:
    return name if zero == 0 else f"({name} {'-' if zero > 0 else '+'} {abs(zero)!r})".replace(".0)", ")")


def _product(chosen: tuple[int, ...], zero: Sequence[float]) -> Term:
    return lambda z: reduce(np.multiply, (z[:, i] - zero[i] for i in chosen))


def _of_state(function: Callable[[Array], Array], i: int) -> Term:
    return lambda z: function(z[:, i])
