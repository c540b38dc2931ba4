"""Whether a field changes with time by itself."""

from __future__ import annotations

import numpy as np

from physode.analysis.dynamics import Dynamics
from physode.errors import DataError

__all__ = ["is_driven", "refuse_driven"]


def is_driven(dynamics: Dynamics) -> bool:
    """Whether the right-hand side depends on time."""
    states, scale = np.asarray(dynamics.sample_states(4, 0)), dynamics.time_scale
    first = dynamics.rhs(0.0, states)
    return any(not np.array_equal(first, dynamics.rhs(time * scale, states)) for time in (0.3, 1.7))


def refuse_driven(dynamics: Dynamics, what: str) -> None:
    """Raise DataError for a field whose values at one time say nothing of another."""
    if is_driven(dynamics):
        raise DataError(
            f"{what} is found for a field that depends on its states alone, and {dynamics.name!r} is driven in time; take the drive out, "
            "or make its phase a state."
        )
