"""Whether a learned law agrees with a record on which way its velocities point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physode.models.dynamics import LearnedDynamics

__all__ = ["backward"]

Array = NDArray[np.float64]

MOST_STATES = 1000
"""States along a record at which the law is asked."""


def backward(dynamics: LearnedDynamics, states: Array, u: Array) -> list[tuple[str, str]]:
    """Name the measured velocities that the learned slopes of their positions go against, with these positions.

    A model that takes the velocity for a state like any other, or for a momentum, follows one of the wrong sign as well.

    Parameters
    ----------
    dynamics : LearnedDynamics
    states : ndarray, shape (trajectory, n, n_states)
        Along the record, in its units; NaN where a trajectory has ended.
    u : ndarray, shape (trajectory, n, n_inputs)
    """
    layout = dynamics.layout
    pairs = [(name, layout.attrs[name].get("time_derivative_of")) for name in layout.observed]
    named = [(name, position) for name, position in pairs if position in layout.observed]
    if not named:
        return []
    known = np.isfinite(states).all(-1) & np.isfinite(u).all(-1)
    some = np.linspace(0, known.sum() - 1, min(int(known.sum()), MOST_STATES)).astype(int)
    z = states[known][some]
    slopes = dynamics.rhs(0.0, z, u[known][some] if layout.inputs else None)
    index = layout.states.index
    return [(name, position) for name, position in named if z[:, index(name)] @ slopes[:, index(position)] < 0]
