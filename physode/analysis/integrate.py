"""Accurate trajectories of any dynamics, so that what is measured is the vector field and not a solver."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.integrate import solve_ivp

from physode.analysis.dynamics import Array, Dynamics

__all__ = ["TOLERANCE", "integrate"]

TOLERANCE: Final = 1e-10
"""Relative tolerance; the absolute one is this times the size of each state."""
_EVALUATIONS: Final = 10_000  # within which the time must go on by
_PROGRESS: Final = 1e-3  # of a time scale, or of the whole time where that is shorter


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
        NaN from where a trajectory could not be carried on (it ran away, the field is not finite, or jumps to and fro
        across a surface that holds the trajectory, as dry friction does where it sticks).

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
    count, mark, stuck, least = 0, time[0], False, _PROGRESS * min(dynamics.time_scale, abs(time[-1] - time[0]))

    def field(t: float, flat: Array) -> Array:
        nonlocal count, mark, stuck
        count += 1
        if count % _EVALUATIONS == 0:
            stuck, mark = abs(t - mark) < least, t
        if stuck:
            return np.full_like(flat, np.nan)
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
