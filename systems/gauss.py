"""A symplectic method for long runs: Gauss-Legendre with three stages, order six, equal steps.

It conserves every quadratic invariant, is symplectic in any canonical coordinates (separable or not) and symmetric in time, so
that the energy error of a conservative system stays bounded instead of growing. The three stages of all trajectories are found by
fixed-point iteration in one array, started from the interpolant of the step before.
(Hairer, Lubich, Wanner: Geometric numerical integration, II.1.3 and VI.4, doi:10.1007/3-540-30666-8.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physode.errors import PhysodeError
from physode.systems.outcome import Bind, Failure, Outcome, RightHandSide

__all__ = ["integrate_gauss"]

Array = NDArray[np.float64]

_ROOT = math.sqrt(15.0)
_C = np.array([0.5 - _ROOT / 10, 0.5, 0.5 + _ROOT / 10])
_B = np.array([5 / 18, 4 / 9, 5 / 18])
_A = np.array(
    [
        [5 / 36, 2 / 9 - _ROOT / 15, 5 / 36 - _ROOT / 30],
        [5 / 36 + _ROOT / 24, 2 / 9, 5 / 36 - _ROOT / 24],
        [5 / 36 + _ROOT / 30, 2 / 9 + _ROOT / 15, 5 / 36],
    ]
)
# The polynomial through the three stage derivatives, carried on to the nodes of the next step.
_AHEAD = np.linalg.solve(np.vander(_C, increasing=True).T, np.vander(1 + _C, increasing=True).T).T
_MAX_ITERATIONS = 50


def integrate_gauss(bind: Bind, times: Array, initial: Array, max_step: float) -> Outcome:
    """Integrate many trajectories with equal steps.

    Parameters
    ----------
    bind : callable
        Gives the right-hand side of a subset of the trajectories.
    times : ndarray, shape (time,)
        Equally spaced output times.
    initial : ndarray, shape (trajectory, state)
        Initial states.
    max_step : float
        Each interval between output times is cut into the fewest equal steps that are not longer than this.

    Returns
    -------
    Outcome

    Raises
    ------
    PhysodeError
        If the times are not equally spaced: with unequal steps the method would lose its bounded energy error.
    """
    gaps = np.diff(times)
    interval = (times[-1] - times[0]) / len(gaps)
    if np.abs(gaps - interval).max() > 1e-6 * interval:
        raise PhysodeError(
            f"the symplectic method needs equally spaced times, found gaps from {gaps.min():g} to {gaps.max():g}; "
            'use np.linspace, or method="DOP853".'
        )
    steps = max(1, math.ceil(interval / max_step * (1 - 1e-12)))
    h = interval / steps
    count, width = initial.shape
    outcome = Outcome(np.full((width, count, len(times)), np.nan))
    index = np.arange(count)
    z = np.ascontiguousarray(initial.T, dtype=np.float64)
    outcome.states[:, :, 0] = z
    rest = np.zeros_like(z)
    with np.errstate(all="ignore"):
        f = bind(np.tile(index, 3))
        k = _evaluate(f, np.repeat(times[0], 3 * count), _at_the_stages(z))
        for position in range(1, len(times)):
            for step in range(steps):
                t = times[position - 1] + step * h
                k, ok, rounds = _solve(f, t, h, z, k)
                outcome.evaluations += 3 * rounds * len(index)
                if not ok.all():
                    _fail(outcome, index, t, z, ok)
                    index, z, rest, k = index[ok], z[:, ok], rest[:, ok], np.ascontiguousarray(k[:, :, ok])
                    if not len(index):
                        return outcome
                    f = bind(np.tile(index, 3))
                # Compensated summation: rounding errors would otherwise add up to a drift over millions of steps.
                change = h * (_B @ k) + rest
                ahead = z + change
                rest = change - (ahead - z)
                z = ahead
                k = _AHEAD @ k
            outcome.states[:, index, position] = z
    return outcome


def _at_the_stages(z: Array) -> Array:
    return np.repeat(z[:, None], 3, axis=1)


def _evaluate(f: RightHandSide, t: Array, points: Array) -> Array:
    """Evaluate all stages at once: points of shape (state, 3, m) at times of shape (3 m,)."""
    out = np.empty_like(points)
    f(t, points.reshape(len(points), -1), out.reshape(len(points), -1))
    return out


def _solve(f: RightHandSide, t: float, h: float, z: Array, k: Array) -> tuple[Array, NDArray[np.bool_], int]:
    """Iterate the stage equations until they stop improving; tell which trajectories converged."""
    before = np.inf
    times, base = np.repeat(t + _C * h, z.shape[1]), _at_the_stages(z)
    size = np.abs(z).max(axis=0) + h * np.abs(k).max(axis=(0, 1))
    size[size == 0] = 1.0
    for rounds in range(1, _MAX_ITERATIONS + 1):
        new = _evaluate(f, times, base + h * (_A @ k))
        relative = h * np.abs(new - k).max(axis=(0, 1)) / size
        k = new
        worst = float(relative.max())
        if worst <= 1e-15 or (worst < 1e-13 and worst >= before):
            return k, np.isfinite(relative), rounds
        before = worst
    return k, relative < 1e-12, _MAX_ITERATIONS


def _fail(outcome: Outcome, index: NDArray[np.intp], t: float, z: Array, ok: NDArray[np.bool_]) -> None:
    for m in np.flatnonzero(~ok):
        state = int(np.argmax(np.abs(z[:, m])))
        outcome.failures.append(
            Failure(
                int(index[m]),
                float(t),
                state,
                float(z[state, m]),
                "the implicit step found no solution",
                "use a smaller max_step or end earlier",
            )
        )
