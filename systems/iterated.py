"""Iterated maps, z -> F(z): chaos in one line, with Lyapunov exponents that are known exactly or to many digits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physode.errors import unknown_name
from physode.systems.evaluation import Evaluation
from physode.systems.expressions import parse

__all__ = ["IteratedMap", "iterated_map", "iterated_map_names"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class IteratedMap:
    """A map that is applied again and again.

    Parameters
    ----------
    name, title : str
        The registry's name, and what a person would call it.
    rule : mapping of str to str
        The next value of each state, over states and parameters.
    parameters : mapping of str to float
        Parameters and their values.
    ranges : mapping of str to (float, float)
        Where initial states are drawn.
    fold : bool
        Whether states are taken modulo 1 after each step.
    reference, doi : str
        Where the map comes from.

    See Also
    --------
    iterated_map, physode.analysis.map_exponents

    Examples
    --------
    >>> from physode import systems
    >>> henon = systems.iterated_map("henon")
    >>> henon.step([[0.0, 0.0], [1.0, 0.3]]).round(3)
    array([[ 1. ,  0. ],
           [-0.1,  0.3]])
    """

    name: str
    title: str
    rule: Mapping[str, str]
    parameters: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    fold: bool = False
    reference: str = ""
    doi: str = ""

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states, in order."""
        return tuple(self.rule)

    def step(self, z: ArrayLike) -> Array:
        """Apply the map once to states of shape (batch, state)."""
        found = self._numbers.rhs(0.0, z)
        return found % 1.0 if self.fold else found

    def jvp(self, z: ArrayLike, v: ArrayLike) -> Array:
        """Differentiate one step along `v`, of shape (batch, state) or (batch, k, state)."""
        return self._numbers.jvp(0.0, z, v)

    def jacobian(self, z: ArrayLike) -> Array:
        """Differentiate one step, shape (batch, state, state)."""
        return self._numbers.jacobian(0.0, z)

    def sample_states(self, n: int, seed: int = 0) -> Array:
        """Draw initial states, shape (n, state)."""
        low, high = np.array([self.ranges[name] for name in self.states]).T
        return np.random.default_rng(seed).uniform(low, high, size=(n, len(low)))

    @cached_property
    def _numbers(self) -> Evaluation:
        names = [*self.states, *self.parameters]
        return Evaluation(self.name, self.states, dict(self.parameters), tuple(parse(text, names) for text in self.rule.values()))


MAPS = {
    found.name: found
    for found in (
        IteratedMap(
            "arnold-cat", "Arnold's cat map", {"x": "x + y", "y": "x + 2*y"}, {}, {"x": (0, 1), "y": (0, 1)}, fold=True,
            reference="V. I. Arnold, A. Avez: Ergodic problems of classical mechanics, Benjamin (1968)",
        ),
        IteratedMap(
            "henon", "Henon map", {"x": "1 - a*x**2 + y", "y": "b*x"}, {"a": 1.4, "b": 0.3}, {"x": (-0.1, 0.1), "y": (-0.1, 0.1)},
            reference="M. Henon: A two-dimensional mapping with a strange attractor, Commun. Math. Phys. 50 (1976) 69-77",
            doi="10.1007/BF01608556",
        ),
        IteratedMap(
            "logistic", "Logistic map", {"x": "r*x*(1 - x)"}, {"r": 4.0}, {"x": (0.05, 0.95)},
            reference="R. M. May: Simple mathematical models with very complicated dynamics, Nature 261 (1976) 459-467",
            doi="10.1038/261459a0",
        ),
    )
}  # fmt: skip


def iterated_map_names() -> list[str]:
    """Return the names of the iterated maps.

    Examples
    --------
    >>> from physode import systems
    >>> systems.iterated_map_names()
    ['arnold-cat', 'henon', 'logistic']
    """
    return sorted(MAPS)


def iterated_map(name: str, **parameters: float) -> IteratedMap:
    """Return an iterated map by name.

    Parameters
    ----------
    name : str
        One of :func:`iterated_map_names`.
    **parameters : float
        Parameters other than the default ones.

    Returns
    -------
    IteratedMap

    Raises
    ------
    UnknownNameError
        If there is no such map or parameter.

    Examples
    --------
    >>> from physode import systems
    >>> systems.iterated_map("logistic", r=3.2).step([[0.5]])
    array([[0.8]])
    """
    if name not in MAPS:
        raise unknown_name("iterated map", name, MAPS)
    found = MAPS[name]
    for key in parameters:
        if key not in found.parameters:
            raise unknown_name(f"parameter of {name}", key, found.parameters)
    return dataclasses.replace(found, parameters={**found.parameters, **parameters})
