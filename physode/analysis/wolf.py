"""The simplified Wolf estimate of the largest exponent: two trajectories, no renormalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Array, Dynamics, unit_of
from physode.analysis.each import each
from physode.analysis.lyapunov_settings import rate_unit, start_states
from physode.analysis.settings import not_negative, positive, whole
from physode.analysis.sizes import relative_sizes
from physode.analysis.tangents import TangentStepper, choose_step

__all__ = ["largest_exponent_wolf"]

_DURATION: Final = 50.0  # in time scales
_RADIUS: Final = 1e-8  # of the states' size
_N_TIMES: Final = 200
_ROUNDING: Final = 1e-13  # of the states
_SATURATED: Final = 0.1  # of the distance of unrelated states


@each
def largest_exponent_wolf(
    dynamics: Dynamics,
    *,
    radius: float | None = None,
    step: float | None = None,
    n_trajectories: int = 64,
    duration: float | None = None,
    transient: float = 0.0,
    seed: int = 0,
    initial_states: Mapping[str, ArrayLike] | ArrayLike | None = None,
) -> xr.Dataset:
    """Estimate the largest Lyapunov exponent as in "Dissecting Neural ODEs", Algorithm 1.

    A second trajectory starts on a sphere around each initial state; after the duration S their distance d gives ln(d / radius) / S.
    Distances weigh each state by its size over the largest one, where it is much smaller, so that units do not matter.
    It is there to be put beside `lyapunov_spectrum`, which is the one to trust.

    Parameters
    ----------
    dynamics : Dynamics
        A System or a fitted model.
    radius : float, optional
        Of the sphere, in the norm of all states and the unit of the largest. Default: 1e-8 times the size of the states.
    step : float, optional
        Longest step of the Runge-Kutta 4. Default: as in `lyapunov_spectrum`.
    n_trajectories : int, default 64
        Number of initial states.
    duration : float, optional
        Over which the distance grows. Default: 50 ``dynamics.time_scale``.
    transient : float, default 0
        Time that is run before the second trajectories start; the algorithm has none.
    seed : int, default 0
        Of the initial states and the points on the spheres.
    initial_states : mapping or array, optional
        Instead of ``dynamics.sample_states``: a number, or one per trajectory, for each state; or (trajectory, state).

    Returns
    -------
    xarray.Dataset
        ``lyapunov_exponent(exponent)``, the mean over trajectories, for exponent 1, with its ``standard_error(exponent)`` between
        them, in inverse time units (natural logarithm); ``trajectory_exponent(trajectory, exponent)``; ``separation(trajectory,
        time)``. Join it with a spectrum by ``xarray.concat([...], "estimate", join="outer")``. Attributes: radius, step, duration,
        transient and ``warnings``.

    Raises
    ------
    PhysodeError
        If a number is out of its range.

    Notes
    -----
    The estimate is of a finite time and biased in two ways that its standard error does not know. A random direction has first to
    turn towards the fastest one: that costs a bounded factor, so the estimate is too small by something like 1 / duration (by
    ln 2 / duration where one exponent of two is far below), or too large where the way to the attractor stretches. And once the
    distance reaches the size of the attractor it stops growing: from then on the estimate falls like 1 / duration. A warning says
    when that was reached. Figures in bits come from log2: multiply them by ln 2 to compare.

    References
    ----------
    .. [1] Massaroli, Poli, Park, Yamashita, Asama, "Dissecting neural ODEs", version 1 (2020), Algorithm 1,
       doi:10.48550/arXiv.2002.08071.
    .. [2] Wolf, Swift, Swinney, Vastano, Physica D 16 (1985) 285, doi:10.1016/0167-2789(85)90011-9.

    Examples
    --------
    >>> from physode import systems
    >>> found = largest_exponent_wolf(systems.get("lorenz"), duration=10.0, transient=10.0)
    >>> bool(abs(found.lyapunov_exponent.item() - 0.9056) < 0.1)
    True
    """
    whole(1, n_trajectories=n_trajectories)
    whole(0, seed=seed)
    positive(radius=radius, step=step, duration=duration)
    not_negative(transient=transient)
    start = start_states(dynamics, n_trajectories, seed, initial_states)
    duration = _DURATION * dynamics.time_scale if duration is None else float(duration)
    longest = choose_step(dynamics, start) if step is None else step
    n_steps = max(1, int(np.ceil(duration / longest * (1 - 1e-9))))
    h, weight = duration / n_steps, relative_sizes(dynamics)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        settling = _stepper(dynamics, start)
        settling.advance(h, round(transient / h))
        start = settling.states
        size = radius if radius is not None else _RADIUS * (float(np.nanmax(np.abs(start / weight))) or 1.0)
        first, second = _stepper(dynamics, start), _stepper(dynamics, start + weight * _on_sphere(start.shape, size, seed))
        marks = np.unique(np.linspace(0, n_steps, min(_N_TIMES, n_steps) + 1).round().astype(int))
        distances = [np.linalg.norm((second.states - first.states) / weight, axis=1)]
        for n in np.diff(marks):
            first.advance(h, int(n))
            second.advance(h, int(n))
            distances.append(np.linalg.norm((second.states - first.states) / weight, axis=1))
        separation = np.stack(distances, axis=1)
        exponents = np.log(separation[:, -1] / size) / duration
    exponents[~np.isfinite(exponents)] = np.nan
    kept = exponents[np.isfinite(exponents)]
    error = kept.std(ddof=1) / np.sqrt(len(kept)) if len(kept) > 1 else np.nan
    unit = {"units": rate_unit(dynamics)}
    return xr.Dataset(
        {
            "lyapunov_exponent": ("exponent", [kept.mean() if len(kept) else np.nan], unit | {"long_name": "Lyapunov exponent"}),
            "standard_error": ("exponent", [error], unit | {"long_name": "standard error of the Lyapunov exponent"}),
            "trajectory_exponent": (
                ("trajectory", "exponent"),
                exponents[:, None],
                unit | {"long_name": "Lyapunov exponent of one trajectory"},
            ),
            "separation": (
                ("trajectory", "time"),
                separation,
                {"units": _shared_unit(dynamics), "long_name": "distance of two trajectories"},
            ),
        },
        {
            "exponent": ("exponent", [1], {"long_name": "number of the exponent"}),
            "time": ("time", transient + h * marks, {"units": unit_of(dynamics, "time"), "long_name": "time"}),
        },
        {
            "dynamics": dynamics.name,
            "radius": size,
            "step": h,
            "duration": duration,
            "transient": transient,
            "n_trajectories": len(kept),
            "warnings": _warnings(separation, len(kept), first.states / weight) or "none",
        },
    )


def _shared_unit(dynamics: Dynamics) -> str:
    units = {unit_of(dynamics, name) for name in dynamics.states}
    return units.pop() if len(units) == 1 else "1"


def _stepper(dynamics: Dynamics, states: Array) -> TangentStepper:
    return TangentStepper(dynamics, states, np.empty((len(states), 0, states.shape[1])))


def _on_sphere(shape: tuple[int, ...], radius: float, seed: int) -> Array:
    direction = np.random.default_rng([seed, 1]).standard_normal(shape)  # not the stream that drew the initial states
    return np.asarray(radius * direction / np.linalg.norm(direction, axis=1, keepdims=True))


def _warnings(separation: Array, n_kept: int, last: Array) -> str:
    found = []
    if n_kept < len(separation):
        found.append(f"{len(separation) - n_kept} of {len(separation)} trajectories diverged or met and were left out.")
    unrelated = float(np.nanmedian(np.linalg.norm(last - np.roll(last, 1, axis=0), axis=1))) if n_kept > 1 else 0.0
    reached = float((separation.max(axis=1) > _SATURATED * unrelated).mean()) if unrelated > 0 else 0.0
    if reached > 0.01:
        found.append(
            f"{reached:.0%} of the distances came within a tenth of that of unrelated states: the estimate is too small; "
            "use a shorter duration or a smaller radius."
        )
    if (separation[:, -1] < _ROUNDING * np.linalg.norm(last, axis=1)).any():
        found.append("distances came down to rounding: the estimate is too large; use a shorter duration or a larger radius.")
    return " ".join(found)
