"""Does the learned dynamics keep what the true one keeps?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, cast

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Array, Dynamics, Predictor, initial_array, unit_of
from physode.analysis.each import each
from physode.analysis.energy_source import EnergySource, EnergySystem, evaluate, resolve, spread, system_states
from physode.analysis.integrate import integrate
from physode.errors import DataError
from physode.trajectories import check_not_empty, time_dim, times, true_states, values
from physode.trajectories.unit_algebra import rate_units

__all__ = ["common_span", "energy_drift"]

_N_TIMES: Final = 201


@each
def energy_drift(
    dynamics: Dynamics,
    record: xr.Dataset | Mapping[str, ArrayLike] | ArrayLike,
    *,
    energy: EnergySystem | Callable[[Array], Array] | str,
    time: ArrayLike | None = None,
    scale: float | None = None,
) -> xr.Dataset:
    r"""Follow an energy, or any other function of the state, along trajectories of a system or of a fitted model.

    The vector field is integrated accurately (DOP853, relative tolerance 1e-10), so that the drift is the field's and not a
    solver's; when the energy is a System's, the same integration of that System gives the floor.

    Parameters
    ----------
    dynamics : Dynamics
        What is integrated.
    record : xarray.Dataset, mapping or array
        A record, of which each trajectory's first state is taken (a model estimates its latent part by ``predict``); or
        initial states: a number or one per trajectory for each state, or an array (trajectory, state).
    energy : System, callable or str
        A System's energy, a function from (batch, state) to (batch,) in the order of ``dynamics.states``, or the name of
        such a function of the dynamics itself: one of its ``invariants``, or a method, such as a model's ``"hamiltonian"``.
    time : array_like, optional
        Times of the result, increasing. Default: the record's, or 201 from 0 to 100 ``dynamics.time_scale``. Where trajectories have
        times of their own, the default covers the longest of them, from their common start, or from 0 where they start one by one.
    scale : float, optional
        What drift is measured by, in units of energy. Default: twice the standard deviation of the energy over states whose
        coordinates are drawn independently of each other from the record (from the trajectories of the energy's System where
        there is no record). For a harmonic oscillator that is its energy. It does not vanish with the energy itself: a
        double pendulum that starts at rest at 90 degrees has the energy 0.

    Returns
    -------
    xarray.Dataset
        ``energy(trajectory, time)``; ``max_drift(trajectory)``, the largest \|H - H0\| over the scale; ``rms_drift(trajectory)``;
        ``slope(trajectory)``, of the straight line through H over the scale, per unit time; ``scale``. With a System's energy
        also ``floor_energy(trajectory, time)`` and ``floor_max_drift(trajectory)``. NaN from where a trajectory ran away, and
        then infinite drifts.

    Raises
    ------
    DataError
        If the record is empty, states needed by the energy are unknown, or the scale is zero.
    UnknownNameError
        If `energy` is a name that the dynamics does not know.

    Examples
    --------
    >>> from physode import systems
    >>> pendulum, damped = systems.get("pendulum"), systems.get("damped-pendulum")
    >>> found = energy_drift(damped, {"theta": 1.0, "omega": 0.0}, energy=pendulum, time=np.linspace(0, 10, 101))
    >>> bool(found.max_drift[0] > 0.1 and found.floor_max_drift[0] < 1e-8)
    True
    """
    ds = record if isinstance(record, xr.Dataset) else None
    prediction = _prediction(dynamics, ds) if ds is not None else None
    start = _first_states(dynamics, prediction) if prediction is not None else initial_array(dynamics, cast("ArrayLike", record))
    grid = _time_grid(dynamics, ds, time)
    path = integrate(dynamics, start, grid)
    source = resolve(dynamics, energy, ds)
    along, floor, reference = evaluate(source.function, path), None, path
    if source.system is not None:
        floor_path = integrate(source.system, system_states(dynamics, source.system, start, ds), grid)
        floor, reference = evaluate(source.system.energy, floor_path), floor_path
    if scale is None:
        scale = _scale(dynamics, source, ds, prediction, reference)
    if not (np.isfinite(scale) and scale > 0):
        raise DataError(f"the energy scale is {scale}: the energy does not vary over the record's states. Pass scale= in its units.")
    return _dataset(dynamics, ds, grid, along, floor, scale, source.units)


def _prediction(dynamics: Dynamics, ds: xr.Dataset) -> xr.Dataset:
    """Give the states of the dynamics on the record: a model's own, else the true or observed ones."""
    check_not_empty(ds)
    if isinstance(dynamics, Predictor):
        return dynamics.predict(ds)
    known = true_states(ds)
    return ds if known is None else known


def _first_states(dynamics: Dynamics, states: xr.Dataset) -> Array:
    missing = [name for name in dynamics.states if name not in states.data_vars]
    if missing:
        raise DataError(f"{dynamics.name!r} needs the initial states {', '.join(dynamics.states)}; the record lacks {', '.join(missing)}.")
    series = values(states, list(dynamics.states))
    complete = np.asarray(np.isfinite(series).all(axis=2))
    empty = np.flatnonzero(complete.sum(axis=1) == 0)
    if len(empty):
        raise DataError(f"trajectory {states['trajectory'].values[empty[0]]} has no time at which all states are known.")
    return np.asarray(series[np.arange(len(series)), complete.argmax(axis=1)])


def _time_grid(dynamics: Dynamics, ds: xr.Dataset | None, time: ArrayLike | None) -> Array:
    if time is not None:
        grid = np.asarray(time, dtype=np.float64)
        if grid.ndim != 1 or len(grid) < 2 or not (np.diff(grid) > 0).all():
            raise DataError("time must be one increasing list of at least two numbers.")
        return grid
    if ds is None:
        return np.linspace(0.0, 100 * dynamics.time_scale, _N_TIMES)
    if time_dim(ds) == "time":
        return np.asarray(ds["time"].values, dtype=np.float64)
    start, duration = common_span(ds)
    return np.linspace(start, start + duration, ds.sizes["obs"])


def common_span(ds: xr.Dataset) -> tuple[float, float]:
    """Where the trajectories of a record start together, 0 where each starts at a time of its own; and how long the longest is."""
    every = times(ds)
    first = every[:, 0]
    return float(first[0]) if np.ptp(first) == 0 else 0.0, float(np.nanmax(every - first[:, None]))


def _scale(dynamics: Dynamics, source: EnergySource, ds: xr.Dataset | None, prediction: xr.Dataset | None, path: Array) -> float:
    """Spread of the energy over the record's true states, else over what the model made of them, else over the path."""
    followed = dynamics if source.system is None else source.system
    function = source.function if source.system is None else source.system.energy
    known = true_states(ds) if ds is not None else None
    for states in (known, prediction):
        if states is not None and all(name in states.data_vars for name in followed.states):
            return spread(function, values(states, list(followed.states)))
    return spread(function, path)


def _dataset(
    dynamics: Dynamics, ds: xr.Dataset | None, time: Array, along: Array, floor: Array | None, scale: float, units: str
) -> xr.Dataset:
    labels = ds["trajectory"].values if ds is not None else np.arange(len(along))
    time_attrs = {"units": unit_of(dynamics, "time"), "long_name": "time"}
    energy_attrs = {"long_name": "energy"} | ({"units": units} if units else {})
    result = xr.Dataset(
        {"energy": (("trajectory", "time"), along, energy_attrs), "scale": ((), scale, energy_attrs | {"long_name": "energy scale"})},
        coords={"trajectory": ("trajectory", labels), "time": ("time", time, time_attrs)},
        attrs={"dynamics": dynamics.name, "solver": "DOP853, relative tolerance 1e-10"},
    )
    drift = (along - along[:, :1]) / scale
    lost = ~np.isfinite(drift).all(axis=1)
    rms = np.sqrt(np.mean(drift**2, axis=1))
    centred = time - time.mean()
    slope = drift @ centred / (centred @ centred)
    rate = rate_units("1", time_attrs["units"])
    for name, column, unit, label in (
        ("max_drift", np.abs(drift).max(axis=1), "1", "largest drift over the energy scale"),
        ("rms_drift", rms, "1", "root mean square drift over the energy scale"),
        ("slope", slope, rate, "slope of the drift over the energy scale"),
    ):
        result[name] = ("trajectory", np.where(lost, np.inf, column), {"units": unit, "long_name": label})
    if floor is not None:
        result["floor_energy"] = (("trajectory", "time"), floor, energy_attrs | {"long_name": "energy of the true system, same solver"})
        largest = np.abs(floor - floor[:, :1]).max(axis=1) / scale
        result["floor_max_drift"] = ("trajectory", largest, {"units": "1", "long_name": "largest drift of the true system, same solver"})
    return result
