"""Periodic orbits, and the multipliers that say whether they attract."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from physode.analysis.autonomy import refuse_driven
from physode.analysis.dynamics import Array, Dynamics, initial_array, unit_of
from physode.analysis.each import each
from physode.analysis.integrate import integrate
from physode.analysis.settings import not_negative, positive
from physode.analysis.sizes import binary
from physode.analysis.unitless import Unitless
from physode.trajectories.names import check_free
from physode.trajectories.unit_algebra import rate_units

__all__ = ["periodic_orbit"]

_N_SEARCH: Final = 4000
_N_ORBIT: Final = 201
_N_ITERATIONS: Final = 15
_CLOSED: Final = 1e-8  # of the orbit's size
_TOLERANCE: Final = 1e-11
_N_PIECES: Final = 16  # of the period, between orthonormalisations
_N_ROUNDS: Final = 40
_RESOLVED: Final = 1e-6  # of the largest multiplier: not yet drowned in its rounding
_ROUNDING: Final = 1e-12  # of orthonormal columns
_HELD: Final = ("period", "gap", "multiplier_real", "multiplier_imag", "floquet_exponent")


@each
def periodic_orbit(
    dynamics: Dynamics,
    initial_state: Mapping[str, ArrayLike] | ArrayLike,
    *,
    period: float | None = None,
    settle: float = 0.0,
) -> xr.Dataset:
    """Find the periodic orbit near a state by shooting, and its Floquet multipliers.

    Parameters
    ----------
    dynamics : Dynamics
        An autonomous vector field.
    initial_state : mapping or array
        One state, near the orbit.
    period : float, optional
        A guess. Default: the time of the first close return to the initial state within 100 ``dynamics.time_scale``.
    settle : float, default 0
        Time that is run first, to come near an orbit that attracts.

    Returns
    -------
    xarray.Dataset
        A variable for each state over ``time``, one period from 0; ``period``; over ``exponent``, by falling size,
        ``multiplier_real``, ``multiplier_imag`` and ``floquet_exponent``, the logarithm of the multiplier's size per unit time.
        ``gap``, the distance between start and end over the orbit's size. The attribute ``warnings`` says so if the orbit does not close
        (the rest is then NaN).

    Raises
    ------
    DataError
        If the field is driven in time, the initial state is none of its states, or a state has the name of something else in the result.

    Notes
    -----
    One multiplier is always 1, along the flow. A conservative system has closed orbits side by side, and more multipliers of
    1; these lie in a Jordan block, where an error of the orbit enters with its square root.

    References
    ----------
    .. [1] Guckenheimer and Meloon, SIAM J. Sci. Comput. 22 (2000) 951, doi:10.1137/S1064827599359278.

    Examples
    --------
    >>> from physode import systems
    >>> found = periodic_orbit(systems.get("van-der-pol", mu=1.0), {"x": 2.0, "v": 0.0}, settle=30.0)
    >>> round(float(found.period), 5), round(float(found.floquet_exponent[1]), 4)
    (6.66329, -1.0594)
    """
    positive(period=period)
    not_negative(settle=settle)
    refuse_driven(dynamics, "a periodic orbit")
    check_free(dynamics.states, _HELD)
    state = initial_array(dynamics, initial_state)[:1]
    if settle > 0:
        state = integrate(dynamics, state, np.array([0.0, settle]))[:, -1]
    time = np.linspace(0, 100 * dynamics.time_scale if period is None else float(period), _N_SEARCH)
    path = integrate(dynamics, state, time)[0]
    size = binary(np.ptp(path, axis=0))
    duration = _first_return(time, path / size) if period is None else float(period)
    clock = float(binary(np.array(duration / (2 * np.pi))))
    bare, state, guess = Unitless(dynamics, size, clock), state / size, duration / clock
    note, pieces = "no close return to the initial state was seen within 100 time scales; pass period=.", None
    if np.isfinite(guess) and np.isfinite(state).all():
        state, guess, pieces, note = _shoot(bare, state, guess)
    path = integrate(bare, state, np.linspace(0, guess, _N_ORBIT))[0] if pieces is not None else np.full((2, state.shape[1]), np.nan)
    extent = float(np.linalg.norm(np.ptp(path, axis=0)))
    gap = float(np.linalg.norm(path[-1] - path[0])) / extent if extent > 0 else float("nan")
    if pieces is not None and not gap < 100 * _CLOSED:
        note, pieces = f"the orbit does not close: {gap:.2g} of its size is left.", None
    if pieces is None:
        n = state.shape[1]
        return _dataset(dynamics, path * size, float("nan"), np.full(n, complex(np.nan, np.nan)), np.full(n, np.nan), gap, note)
    return _dataset(dynamics, path * size, guess * clock, *_multipliers(pieces), gap, note)


def _first_return(time: Array, path: Array) -> float:
    """Time of the first close pass by the initial state, in the same direction."""
    distance = np.linalg.norm(path - path[0], axis=1)
    if not np.isfinite(distance).all() or not (size := float(distance.max())) > 0:
        return float("nan")
    inner = np.arange(1, len(time) - 1)
    away = np.maximum.accumulate(distance)[inner] > 0.3 * size
    lowest = (distance[inner] <= distance[inner - 1]) & (distance[inner] <= distance[inner + 1])
    close = inner[away & lowest & (distance[inner] < 0.2 * size)]
    forward = (path[np.minimum(close + 1, len(time) - 1)] - path[close - 1]) @ (path[1] - path[0]) > 0
    close = close[forward]
    return float(time[close[0]]) if len(close) else float("nan")


def _shoot(dynamics: Dynamics, state: Array, period: float) -> tuple[Array, float, Array | None, str]:
    """Correct state and period by Newton's method, in the least-norm sense: closed orbits may lie side by side."""
    guess, start = period, state
    for iteration in range(_N_ITERATIONS):
        end, pieces = _carry(dynamics, state, period)
        monodromy = functools.reduce(lambda product, piece: piece @ product, pieces)
        if not np.isfinite(end).all():
            return state, period, None, "the state ran away before it came back."
        flow, size = dynamics.rhs(0.0, end), np.abs(end).max() + np.abs(state).max()
        gap = (end - state)[0]
        if np.abs(state - start).max() > 0.5 * np.abs(start).max():
            return state, period, None, "the search left the initial state behind; there may be no closed orbit near it."
        if np.abs(gap).max() < 1e-2 * _CLOSED * size:
            return state, period, pieces, "none"
        start_flow = dynamics.rhs(0.0, state)[0]
        scale = np.abs(start_flow).max() * dynamics.time_scale / size  # the period counts in time scales, the state in its size
        system = np.zeros((len(gap) + 1, len(gap) + 1))
        system[:-1, :-1], system[:-1, -1] = monodromy - np.eye(len(gap)), flow[0]
        system[-1, :-1] = start_flow * scale / max(np.abs(start_flow).max(), 1e-300)  # do not move along the orbit
        # Directions that hardly matter are left alone at first: else a centre's orbit shrinks to its fixed point.
        move = np.linalg.lstsq(system, -np.append(gap, 0.0), rcond=max(0.1 ** (1 + iteration / 2), 1e-7))[0]
        fraction = min(1.0, 0.2 * period / max(abs(move[-1]), 1e-300), 0.2 * size / max(np.abs(move[:-1]).max(), 1e-300))
        state, period = state + fraction * move[:-1], period + fraction * float(move[-1])
        if not 0.2 * guess < period < 5 * guess:
            return state, period, None, "the period ran away from its guess; there may be no closed orbit near this state."
    return state, period, None, f"no closed orbit was found in {_N_ITERATIONS} iterations; start nearer, or let it settle."


def _carry(dynamics: Dynamics, state: Array, period: float) -> tuple[Array, Array]:
    """Integrate a state (1, state) over a period, and the tangents over each of its pieces, (piece, state, state)."""
    n = state.shape[1]

    def field(t: float, flat: Array) -> Array:
        z, tangents = flat[None, :n], flat[n:].reshape(1, n, n)
        return np.concatenate([dynamics.rhs(t, z)[0], dynamics.jvp(t, z, tangents).ravel()])

    pieces, here, edges = [], state[0], np.linspace(0.0, period, _N_PIECES + 1)
    atol = _TOLERANCE * float(np.abs(state).max() or 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        for start, end in pairwise(edges.tolist()):
            flat = np.concatenate([here, np.eye(n).ravel()])
            done = solve_ivp(field, (start, end), flat, method="DOP853", rtol=_TOLERANCE, atol=atol)
            flat = done.y[:, -1] if done.success else np.full(len(flat), np.nan)
            here = flat[:n]
            pieces.append(flat[n:].reshape(n, n).T)
            if not np.isfinite(here).all():
                break
    return here[None], np.array(pieces)


def _multipliers(pieces: Array) -> tuple[np.ndarray, Array]:
    """Multipliers, and the logarithms of their sizes by repeated orthonormalisation: the small ones drown in the product."""
    n = pieces.shape[1]
    values = _by_size(np.linalg.eigvals(functools.reduce(lambda product, piece: piece @ product, pieces)))
    frame, logs = np.eye(n), np.zeros((_N_ROUNDS, n))
    for turn in range(_N_ROUNDS):
        before, product = frame, np.eye(n)
        for piece in pieces:
            frame, triangle = np.linalg.qr(piece @ frame)
            product = triangle @ product
            logs[turn] += np.log(np.maximum(np.abs(np.diag(triangle)), np.finfo(np.float64).tiny))
    size, sizes = np.abs(values), -np.sort(-logs[_N_ROUNDS // 2 :].mean(axis=0))
    resolved = size > _RESOLVED * size[0]
    sizes[resolved] = np.log(size[resolved])
    turned = before.T @ frame
    turned[np.abs(turned) < _ROUNDING] = 0.0  # what is left is triangular but for turning pairs, whose eigenvalues do not mix
    small = _by_size(np.linalg.eigvals(turned @ product))[~resolved]
    values[~resolved] = np.exp(sizes[~resolved]) * np.sign(small)
    return values, sizes


def _by_size(values: np.ndarray) -> np.ndarray:
    return values[np.argsort(-np.abs(values), kind="stable")].astype(complex)


def _dataset(dynamics: Dynamics, path: Array, period: float, multipliers: np.ndarray, logs: Array, gap: float, note: str) -> xr.Dataset:
    unit = unit_of(dynamics, "time")
    rate = rate_units("1", unit)
    time = np.linspace(0, period, len(path))
    result = xr.Dataset(
        {name: ("time", path[:, i], {"units": unit_of(dynamics, name), "long_name": name}) for i, name in enumerate(dynamics.states)},
        coords={"time": ("time", time, {"units": unit, "long_name": "time"}), "exponent": np.arange(1, len(multipliers) + 1)},
        attrs={"dynamics": dynamics.name, "warnings": note},
    )
    result["period"] = ((), period, {"units": unit, "long_name": "period"})
    result["gap"] = ((), gap, {"units": "1", "long_name": "distance between start and end over the size of the orbit"})
    result["multiplier_real"] = ("exponent", multipliers.real, {"units": "1", "long_name": "real part of the Floquet multiplier"})
    result["multiplier_imag"] = ("exponent", multipliers.imag, {"units": "1", "long_name": "imaginary part of the Floquet multiplier"})
    result["floquet_exponent"] = ("exponent", logs / period, {"units": rate, "long_name": "Floquet exponent"})
    return result
