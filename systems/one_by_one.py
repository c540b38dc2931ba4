"""Stiff systems, by scipy's implicit solvers with the exact Jacobian, one trajectory after the other."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import BDF, LSODA, OdeSolver, Radau

from physode.systems.outcome import Bind, Failure, Outcome

__all__ = ["integrate_one_by_one"]

Array = NDArray[np.float64]
_SOLVERS: dict[str, type[OdeSolver]] = {"Radau": Radau, "BDF": BDF, "LSODA": LSODA}
_MAX_STEPS = 200_000


def integrate_one_by_one(
    bind: Bind, bind_jacobian: Bind, times: Array, initial: Array, method: str, rtol: float, atol: float, max_step: float = np.inf
) -> Outcome:
    """Integrate each trajectory with scipy's solver of that name.

    Parameters
    ----------
    bind, bind_jacobian : callable
        Give the right-hand side, and its Jacobian as a vector of its rows, of a subset of the trajectories.
    times : ndarray, shape (time,) or (trajectory, time)
        Increasing output times; the first is when `initial` holds. NaN pads a shorter row.
    initial : ndarray, shape (trajectory, state)
        Initial states.
    method : {"Radau", "BDF", "LSODA"}
        The method.
    rtol, atol : float
        Tolerances of the local error.
    max_step : float, default no limit
        Longest step, for inputs that a long step would overlook.

    Returns
    -------
    Outcome
    """
    count, width = initial.shape
    outcome = Outcome(np.full((width, count, times.shape[-1]), np.nan))
    for trajectory, start in enumerate(initial):
        own = times if times.ndim == 1 else times[trajectory][np.isfinite(times[trajectory])]
        index = np.array([trajectory])
        function = _plain(bind, index, (width,))
        jacobian = _finite(_plain(bind_jacobian, index, (width, width)), width)
        states = outcome.states[:, trajectory]
        states[:, 0] = start
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # LSODA warns of what becomes a Failure here
            if not np.isfinite(function(own[0], start)).all():
                reason, remedy = "its derivative is not finite at the start", "start elsewhere or use other parameters"
                outcome.failures.append(_failure(trajectory, own[0], start, function, atol, reason, remedy))
                continue
            solver = _SOLVERS[method](function, own[0], start, own[-1], rtol=rtol, atol=atol, jac=jacobian, max_step=max_step)
            reason = _advance(solver, own, states)
            outcome.evaluations += int(solver.nfev)
            if reason:
                reason, remedy = f"{method}: {reason}", "end earlier or start elsewhere"
                outcome.failures.append(_failure(trajectory, solver.t, solver.y, function, atol, reason, remedy))
    return outcome


def _failure(
    trajectory: int, time: float, z: Array, function: Callable[[float, Array], Array], atol: float, reason: str, remedy: str
) -> Failure:
    speed = np.abs(function(time, z)) / (np.abs(z) + atol)
    state = int(np.argmax(np.where(np.isfinite(speed), speed, np.inf)))
    return Failure(trajectory, float(time), state, float(z[state]), reason, remedy)


def _advance(solver: OdeSolver, times: Array, states: Array) -> str:
    """Step to the last time and write the states on the way; return why it ended early, or nothing."""
    written = 1
    for _ in range(_MAX_STEPS):
        message = solver.step()
        if solver.status == "failed" or not np.isfinite(solver.y).all() or solver.t == solver.t_old:
            return str(message or "it blows up").rstrip(".").lower()
        upto = int(np.searchsorted(times, solver.t, side="right"))
        if upto > written:
            states[:, written:upto] = solver.dense_output()(times[written:upto])
            written = upto
        if solver.status == "finished":
            return ""
    return f"it took more than {_MAX_STEPS} steps"


def _plain(bind: Bind, index: NDArray[np.intp], shape: tuple[int, ...]) -> Callable[[float, Array], Array]:
    function = bind(index)

    def evaluate(t: float, z: Array) -> Array:
        out = np.empty((int(np.prod(shape)), 1))
        function(np.array([t]), z[:, None], out)
        return out.reshape(shape)

    return evaluate


def _finite(jacobian: Callable[[float, Array], Array], width: int) -> Callable[[float, Array], Array]:
    """Put the last finite value of each entry, zero at first, for what is not finite: scipy raises at others, and old ones will do."""
    last = np.zeros((width, width))

    def evaluate(t: float, z: Array) -> Array:
        found = jacobian(t, z)
        np.copyto(last, found, where=np.isfinite(found))
        return last.copy()

    return evaluate
