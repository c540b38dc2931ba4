"""Accurate trajectories of any dynamics, so that what is measured is the vector field and not a solver."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.integrate import solve_ivp

from physode.analysis.dynamics import Array, Dynamics

__all__ = ["TOLERANCE", "integrate"]

TOLERANCE: Final = 1e-10
"""Relative tolerance; the absolute one is this times the size of each state."""


def integrate(dynamics: Dynamics, start: Array, time: Array, tolerance: float = TOLERANCE) -> Array:
    """Integrate a batch of initial states with DOP853.

    Parameters
    ----------
    dynamics : Dynamics
        The vector field.
    start : ndarray, shape (trajectory, state)
        States at ``time[0]``.
    time : ndarray, shape (n,)
        Increasing, or decreasing to go backward.
    tolerance : float, default 1e-10
        Relative; the absolute one is this times the size of each state.

    Returns
    -------
    ndarray, shape (trajectory, n, state)
        NaN from where a trajectory could not be carried on (it ran away, or the field is not finite).

    Examples
    --------
    >>> from physode import systems
    >>> end = integrate(systems.get("harmonic-oscillator"), np.array([[1.0, 0.0]]), np.array([0.0, 2 * np.pi]))[0, -1]
    >>> bool(np.abs(end - [1, 0]).max() < 1e-8)
    True
    """
    whole = _solve(dynamics, start, time, tolerance)
    if np.isfinite(whole).all() or len(start) == 1:
        return whole
    return np.concatenate([_solve(dynamics, row[None], time, tolerance) for row in start])  # one that runs away must not stop the others


def _solve(dynamics: Dynamics, start: Array, time: Array, relative: float) -> Array:
    out = np.full((len(time), *start.shape), np.nan)
    out[0] = start
    if len(time) < 2 or not np.isfinite(start).all():
        return np.swapaxes(out, 0, 1)
    size = np.maximum(np.abs(start).max(axis=0), np.abs(dynamics.rhs(time[0], start)).max(axis=0) * dynamics.time_scale)
    size[~(size > 0)] = size[size > 0].min(initial=1.0)
    limit = 1e6 * float(size.max())

    def field(t: float, flat: Array) -> Array:
        return dynamics.rhs(t, flat.reshape(start.shape)).ravel()

    def ran_away(t: float, flat: Array) -> float:
        return limit - float(np.abs(flat).max()) if np.isfinite(flat).all() else -1.0

    ran_away.terminal = True  # type: ignore[attr-defined]
    with np.errstate(over="ignore", invalid="ignore"):
        tolerance = relative / np.sqrt(len(start))  # the solver's norm is a mean over the batch
        atol = np.broadcast_to(relative * size, start.shape).ravel()
        span = (time[0], time[-1])
        done = solve_ivp(field, span, start.ravel(), method="DOP853", t_eval=time, rtol=tolerance, atol=atol, events=ran_away)
    n = done.y.shape[1]
    out[:n] = done.y.T.reshape(n, *start.shape)
    return np.swapaxes(out, 0, 1)
