"""When the times of a record are evenly spaced."""

from __future__ import annotations

import numpy as np

from physode.analysis.dynamics import Array

__all__ = ["step_tolerance"]


def step_tolerance(times: Array, step: float) -> float:
    """By how much even steps may differ: a millionth, and the rounding of late times, such as seconds since 1970.

    Parameters
    ----------
    times : ndarray
        NaN where there is none.
    step : float
        Their mean step.

    Examples
    --------
    >>> time = 1.7e9 + 0.02 * np.arange(5)
    >>> bool(np.ptp(np.diff(time)) < step_tolerance(time, 0.02) < 1e-6)
    True
    """
    return 1e-6 * abs(step) + 4 * float(np.spacing(np.nanmax(np.abs(times))))
