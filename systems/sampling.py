"""Reasonable initial states, drawn for the parameters that a simulation is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["draw_states"]


def draw_states(system: System, n: int, seed: int | Sequence[int], parameters: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Draw initial states from the system's sampler, or uniformly from the box of its ranges.

    Parameters
    ----------
    system : System
        The system.
    n : int
        How many.
    seed : int or sequence of int
        The same seed gives the same states.
    parameters : mapping of str to float or ndarray of shape (n,)
        Every parameter, one number or one per state.

    Returns
    -------
    ndarray of float64, shape (n, state)

    Examples
    --------
    >>> from physode import systems
    >>> star = systems.get("henon-heiles")
    >>> wide, narrow = draw_states(star, 2, 0, {"coupling": np.array([1.0, 4.0])})
    >>> bool(star.energy(wide) < 1 / 6), bool(star.with_parameters(coupling=4.0).energy(narrow) < 1 / 96)
    (True, True)
    """
    generator = np.random.default_rng(seed)
    if system.sampler is not None:
        return np.asarray(system.sampler(generator, n, parameters), dtype=np.float64)
    low, high = np.array([state.range for state in system.quantities], dtype=np.float64).T
    return generator.uniform(low, high, size=(n, len(system.quantities)))
