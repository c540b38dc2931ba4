"""What an integration gives back: the states, and where it could not go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bind", "Failure", "Outcome", "RightHandSide"]

Array = NDArray[np.float64]
RightHandSide = Callable[[Array, Array, Array], None]
"""``f(t, z, out)`` writes the derivative of z, shape (state, m), at the times t, shape (m,), into out, shape (state, m)."""
Bind = Callable[[NDArray[np.intp]], RightHandSide]
"""``bind(trajectories)`` gives the right-hand side of some trajectories, with their own parameters and inputs."""


@dataclass(frozen=True)
class Failure:
    """Where one trajectory ended early.

    Parameters
    ----------
    trajectory : int
        Which trajectory.
    time : float
        The last time that was reached.
    state : int
        The state that misbehaved: not finite, or else changing fastest for its size.
    value : float
        Its value there.
    reason : str
        What happened.
    remedy : str
        What to try.
    """

    trajectory: int
    time: float
    state: int
    value: float
    reason: str
    remedy: str


@dataclass
class Outcome:
    """States of shape (state, trajectory, time), NaN after a failure; the failures; how often the right-hand side was asked."""

    states: Array
    failures: list[Failure] = field(default_factory=list)
    evaluations: int = 0
