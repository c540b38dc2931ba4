"""Where a vector field is at rest, and what it does nearby."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.autonomy import refuse_driven
from physode.analysis.dynamics import Array, Dynamics, initial_array, unit_of
from physode.analysis.each import each
from physode.analysis.settings import not_negative, whole
from physode.analysis.sizes import sampled_box
from physode.trajectories.names import check_free
from physode.trajectories.unit_algebra import rate_units

__all__ = ["classify", "fixed_points", "jacobians"]

_N_ITERATIONS: Final = 100
_SMALL: Final = 1e-9  # of the size of the states, per time scale: at rest
_SAME: Final = 1e-4  # of the size of the states: one and the same point
_NEAR: Final = 0.1  # of the size of the states: the same, if the field is at rest in between too
_BETWEEN: Final = 0.381966  # where: not half-way, as a third point between two alike is
_HELD: Final = ("fixed_point", "kind", "residual", "beyond", "eigenvalue_real", "eigenvalue_imag")


@each
def fixed_points(
    dynamics: Dynamics, *, starts: ArrayLike | None = None, n_starts: int = 200, seed: int = 0, reach: float = 0.5
) -> xr.Dataset:
    """Find the fixed points of a system or of a fitted model, and classify them.

    Newton's method, damped, runs from many states at once. Where the field is at rest all along a straight line, points of it are given, a
    tenth of the box or more apart.

    Parameters
    ----------
    dynamics : Dynamics
        The vector field.
    starts : array_like, shape (start, state), optional
        Where to start. Default: `n_starts` states drawn evenly from where fixed points are looked for.
    n_starts, seed : int
        How many, and the seed of the draw.
    reach : float, default 0.5
        How far beyond the box around ``dynamics.sample_states`` a fixed point is looked for, in sizes of the box. A learned
        field means little there.

    Returns
    -------
    xarray.Dataset
        Over ``fixed_point``: a variable for each state, whose attribute ``size`` is that of the box; ``kind``, such as "stable
        focus" or "saddle"; ``residual``, the largest rate there; ``beyond``, how far it lies outside the box, in sizes of the
        box, 0 inside. Over ``fixed_point`` and ``exponent``: ``eigenvalue_real`` and ``eigenvalue_imag`` of the Jacobian, by
        falling real part. Where there is no fixed point the length is zero.

    Raises
    ------
    DataError
        If `starts` are not finite states, a state has the name of something else in the result, or the field is driven in time.
    PhysodeError
        If `n_starts` is less than 1.

    Examples
    --------
    >>> from physode import systems
    >>> found = fixed_points(systems.get("lorenz"))
    >>> found.kind.values.tolist()
    ['saddle focus', 'saddle', 'saddle focus']
    """
    whole(1, n_starts=n_starts)
    whole(0, seed=seed)
    not_negative(reach=reach)
    refuse_driven(dynamics, "a fixed point")
    check_free(dynamics.states, _HELD)
    low, high, size = sampled_box(dynamics, seed)
    if starts is None:
        bottom, top = low - reach * size, high + reach * size
        starts = bottom + (top - bottom) * np.random.default_rng(seed).random((n_starts, len(low)))
    found = _newton(dynamics, initial_array(dynamics, starts), size)
    beyond = np.maximum(np.maximum(low - found, found - high) / size, 0.0).max(axis=1)
    points = _distinct(dynamics, found[beyond <= reach], size)
    eigenvalues = _eigenvalues(dynamics, points)
    names = dynamics.states
    result = xr.Dataset(
        {
            name: ("fixed_point", points[:, i], {"units": unit_of(dynamics, name), "long_name": name, "size": float(size[i])})
            for i, name in enumerate(names)
        },
        coords={"fixed_point": np.arange(len(points)), "exponent": np.arange(1, len(names) + 1)},
        attrs={"dynamics": dynamics.name},
    )
    rate = {"units": rate_units("1", unit_of(dynamics, "time"))}
    for part, values in (("real", eigenvalues.real), ("imag", eigenvalues.imag)):
        label = f"{'real' if part == 'real' else 'imaginary'} part of the Jacobian's eigenvalue"
        result[f"eigenvalue_{part}"] = (("fixed_point", "exponent"), values, rate | {"long_name": label})
    result["kind"] = ("fixed_point", np.array([classify(row * dynamics.time_scale) for row in eigenvalues], dtype=np.str_))
    beyond = np.maximum(np.maximum(low - points, points - high) / size, 0.0).max(axis=1)
    result["beyond"] = ("fixed_point", beyond, {"units": "1", "long_name": "distance from the sampled box over its size"})
    largest = np.abs(dynamics.rhs(0.0, points)).max(axis=1) if len(points) else np.empty(0)
    result["residual"] = ("fixed_point", largest, {"long_name": "largest rate left, in the units of its state"})
    return result


def classify(eigenvalues: np.ndarray, tolerance: float = 1e-6) -> str:
    """Name a fixed point by the eigenvalues of its Jacobian.

    Parameters
    ----------
    eigenvalues : ndarray of complex, shape (state,)
        In units of the inverse time scale.
    tolerance : float, default 1e-6
        What still counts as zero.

    Returns
    -------
    str
        "stable" or "unstable" with "node" or "focus", "saddle", "saddle focus", "centre" (all on the imaginary axis), or
        "degenerate" (some are zero).

    Examples
    --------
    >>> classify(np.array([-1 + 2j, -1 - 2j])), classify(np.array([1.0, -1.0])), classify(np.array([1j, -1j]))
    ('stable focus', 'saddle', 'centre')
    """
    real, turning = eigenvalues.real, bool((np.abs(eigenvalues.imag) > tolerance).any())
    zero = np.abs(real) <= tolerance
    if zero.all() and (np.abs(eigenvalues.imag) > tolerance).all():
        return "centre"
    if zero.any():
        return "degenerate"
    if (real > 0).any() and (real < 0).any():
        return "saddle focus" if turning else "saddle"
    return f"{'stable' if real[0] < 0 else 'unstable'} {'focus' if turning else 'node'}"


def jacobians(dynamics: Dynamics, states: Array, time: float = 0.0) -> Array:
    """Evaluate the Jacobian at states (batch, state); (batch, component, state)."""
    n = states.shape[1]
    columns = dynamics.jvp(time, states, np.ascontiguousarray(np.broadcast_to(np.eye(n), (len(states), n, n))))
    return np.swapaxes(columns, 1, 2)


def _newton(dynamics: Dynamics, states: Array, size: Array) -> Array:
    """Return the states from which Newton's method came to rest, at rest."""
    scale = dynamics.time_scale / size
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_N_ITERATIONS):
            rate = dynamics.rhs(0.0, states)
            near = np.isfinite(rate).all(axis=1) & (np.abs(states) < 1e6 * size).all(axis=1)
            states, rate = states[near], rate[near]
            if len(states) == 0 or (np.abs(rate) * scale < 1e-3 * _SMALL).all():
                break
            matrices, rates = jacobians(dynamics, states) * (size / size[:, None]), rate / size  # of states in units of their sizes
            move = -size * np.stack([np.linalg.lstsq(j, r, rcond=None)[0] for j, r in zip(matrices, rates, strict=True)])
            longest = np.abs(move / size).max(axis=1, keepdims=True)
            states = states + move * np.minimum(1.0, 0.5 / np.maximum(longest, 1e-300))  # not further than half the box at once
        return states[_slowness(dynamics, states, size) < _SMALL]


def _slowness(dynamics: Dynamics, states: Array, size: Array) -> Array:
    """Largest rate at each state, in sizes of the states per time scale."""
    return np.asarray(np.abs(dynamics.rhs(0.0, states) * dynamics.time_scale / size).max(axis=1))


def _distinct(dynamics: Dynamics, points: Array, size: Array) -> Array:
    distinct = np.empty((0, len(size)))
    for point in points[np.argsort(_slowness(dynamics, points, size), kind="stable")]:
        apart = np.abs((distinct - point) / size).max(axis=1)
        between = _slowness(dynamics, distinct + _BETWEEN * (point - distinct), size)
        if not ((apart <= _SAME) | ((apart <= _NEAR) & (between < _SMALL))).any():
            distinct = np.vstack([distinct, point])
    return distinct[np.lexsort(np.round(distinct / size, 6).T[::-1])] + 0.0  # no negative zeros


def _eigenvalues(dynamics: Dynamics, points: Array) -> np.ndarray:
    if len(points) == 0:
        return np.empty((0, points.shape[1]), dtype=complex)
    values = np.linalg.eigvals(jacobians(dynamics, points)).astype(complex)
    order = np.lexsort((-values.imag, -values.real))
    return np.take_along_axis(values, order, axis=1)
