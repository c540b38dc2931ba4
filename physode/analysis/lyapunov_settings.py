"""What every estimate of an exponent asks for: where to start, for how long, and the unit of a rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Array, Dynamics, initial_array, unit_of
from physode.errors import PhysodeError
from physode.trajectories.unit_algebra import rate_units

__all__ = ["DURATION", "TRANSIENT", "exponent_count", "rate_unit", "start_states"]

DURATION: Final = 1600.0
"""Default time over which growth is averaged, in time scales."""
TRANSIENT: Final = 300.0
"""Default time that is run before, in time scales."""


def exponent_count(dynamics: Dynamics, n_exponents: int | None) -> int:
    """Number of exponents, all by default.

    Raises
    ------
    PhysodeError
        If the dynamics have fewer.
    """
    n_states = len(dynamics.states)
    k = n_states if n_exponents is None else n_exponents
    if k not in range(1, n_states + 1):
        raise PhysodeError(f"n_exponents is {k}; {dynamics.name!r} has {n_states} states, so ask for 1 to {n_states}.")
    return k


def start_states(dynamics: Dynamics, n_trajectories: int, seed: int, initial_states: Mapping[str, ArrayLike] | ArrayLike | None) -> Array:
    """Initial states (trajectory, state): those given, or some drawn by the dynamics."""
    if initial_states is None:
        return np.asarray(dynamics.sample_states(n_trajectories, seed), dtype=np.float64)
    return initial_array(dynamics, initial_states)


def rate_unit(dynamics: Dynamics) -> str:
    """Unit of a rate: one over that of time.

    Examples
    --------
    >>> from physode import systems
    >>> rate_unit(systems.get("pendulum"))
    's-1'
    """
    return rate_units("1", unit_of(dynamics, "time"))
