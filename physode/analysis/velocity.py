"""The velocity that a model found from positions alone, against the true one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics, Predictor, unit_of
from physode.analysis.maps import linear_map
from physode.errors import DataError
from physode.trajectories import time_dim, times, true_states, values

__all__ = ["recovered_velocity"]


def recovered_velocity(
    model: Dynamics, ds: xr.Dataset, truth: xr.Dataset | Dynamics | None = None, *, warmup: int | None = None
) -> xr.Dataset:
    """Compare the velocities that a model recovers with the true ones.

    What counts as the recovered velocity of a position is the model's velocity where it has one (second-order models),
    else its augmented state of the same number (augmented models), else the position's time derivative in the model's
    vector field (Hamiltonian models and systems). A System is evaluated at the true states; a model predicts.

    Parameters
    ----------
    model : Dynamics
        A fitted model or a System.
    ds : xarray.Dataset
        The record; a model finds its initial states in it.
    truth : xarray.Dataset or Dynamics, optional
        The true states on the record's coordinates, velocities among them; or a System that gives the velocities at the
        record's true states (where these hold momenta). Default: what a simulated record carries.
    warmup : int, optional
        Handed to ``model.predict``: how many observations the initial state may be estimated from.

    Returns
    -------
    xarray.Dataset
        Over ``state``, the names of the velocities: ``correlation``; ``rmse``, the raw error in the velocity's units;
        ``nrmse``, the same over the true velocity's standard deviation; ``r2_linear`` and ``rmse_linear`` after the best
        linear map from all states of the model to the true velocity. All pool trajectories and times. Beside them, on the
        record's coordinates, ``<velocity>_recovered``, ``<velocity>_linear`` and ``<velocity>_true``. The attribute
        ``recovered_from`` says what was compared. NaN where an augmented model has fewer augmented states than positions.

    Raises
    ------
    DataError
        If no true velocity is known, or the model has none of the record's positions.

    References
    ----------
    .. [1] Norcliffe et al., "On Second Order Behaviour in Augmented Neural ODEs", NeurIPS 2020, arXiv:2006.07220.

    Examples
    --------
    >>> import numpy as np
    >>> from physode import systems
    >>> pendulum = systems.get("pendulum")
    >>> record = pendulum.simulate(np.linspace(0, 5, 51), n_trajectories=2, observe=["theta"], seed=0)
    >>> found = recovered_velocity(pendulum, record)
    >>> found.state.values.tolist(), round(float(found.correlation[0]), 9)
    (['omega'], 1.0)
    """
    true = _true_velocities(ds, truth)
    prediction = _states_of(model, ds, truth, warmup)
    kind, recovered = _recover(model, prediction, ds, [position for _, position, _ in true])
    features = values(prediction, _sampled(prediction, model.states))
    dims = ("trajectory", time_dim(ds))
    coords = {name: coord for name, coord in ds.coords.items() if set(coord.dims) <= set(dims)}
    names = [name for name, _, _ in true]
    units = [str(series.attrs.get("units", "")) for _, _, series in true]
    result = xr.Dataset(coords=coords).assign_coords(
        state=("state", names), position=("state", [position for _, position, _ in true]), units=("state", units)
    )
    table = {key: np.full(len(true), np.nan) for key in ("correlation", "rmse", "nrmse", "r2_linear", "rmse_linear")}
    for i, ((name, position, series), found) in enumerate(zip(true, recovered, strict=True)):
        target = series.transpose(*dims).values
        mapped, r2 = linear_map(np.concatenate([features, found[..., None]], axis=-1) if np.isfinite(found).any() else features, target)
        table["r2_linear"][i], table["rmse_linear"][i] = r2, _rms(mapped - target)
        table["rmse"][i] = _rms(found - target)
        table["nrmse"][i] = table["rmse"][i] / deviation if (deviation := float(np.nanstd(target))) > 0 else np.nan
        table["correlation"][i] = _correlation(found, target)
        attrs = {"units": units[i], "time_derivative_of": position}
        label = str(series.attrs.get("long_name", name))
        for suffix, data, what in (("recovered", found, "recovered"), ("linear", mapped, "best linear map to"), ("true", target, "true")):
            result[f"{name}_{suffix}"] = (dims, data, attrs | {"long_name": f"{what} {label}"})
    labels = {
        "correlation": "correlation with the true velocity",
        "rmse": "root mean square error",
        "nrmse": "root mean square error over the standard deviation of the true velocity",
        "r2_linear": "R2 of the best linear map to the true velocity",
        "rmse_linear": "root mean square error after the best linear map",
    }
    for key, column in table.items():
        result[key] = ("state", column, {"long_name": labels[key]} | ({} if key.startswith("rmse") else {"units": "1"}))
    result.attrs = {"dynamics": model.name, "recovered_from": kind}
    return result


def _true_velocities(ds: xr.Dataset, truth: xr.Dataset | Dynamics | None) -> list[tuple[str, str, xr.DataArray]]:
    """Name, position and series of each true velocity."""
    known = truth if isinstance(truth, xr.Dataset) else true_states(ds)
    if known is None:
        raise DataError(
            "no true velocity is known: the record was measured. Pass truth=, a data set on the record's coordinates "
            "whose velocities carry the attribute time_derivative_of."
        )
    if truth is not None and not isinstance(truth, xr.Dataset):
        rate = _field_at(truth, known)
        positions = [name for name in truth.states if known[name].attrs.get("role") == "position"]
        return [(f"{name}_velocity", name, _rate_of(truth, rate, known, name)) for name in positions]
    found = [
        (str(name), str(series.attrs["time_derivative_of"]), series)
        for name, series in known.data_vars.items()
        if "time_derivative_of" in series.attrs and series.attrs.get("role") != "augmented"
    ]
    if not found:
        raise DataError(
            f"none of the true states {', '.join(map(str, known.data_vars))} is a velocity (attribute time_derivative_of). "
            "If they hold positions and momenta, pass the System as truth=."
        )
    return found


def _rate_of(system: Dynamics, rate: Array, known: xr.Dataset, name: str) -> xr.DataArray:
    length, time = unit_of(system, name), unit_of(system, "time")
    series = known[name].copy(data=rate[..., system.states.index(name)])
    series.attrs = {"units": f"{'' if length == '1' else length} {time}-1".strip(), "long_name": f"velocity of {name}"}
    return series


def _sampled(ds: xr.Dataset, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in ds.data_vars]


def _field_at(dynamics: Dynamics, states: xr.Dataset) -> Array:
    """Evaluate the vector field at the states of a data set, (trajectory, n, state)."""
    missing = [name for name in dynamics.states if name not in states.data_vars]
    if missing:
        raise DataError(
            f"{dynamics.name!r} needs the states {', '.join(dynamics.states)}; {', '.join(missing)} are missing from the truth."
        )
    z = values(states, list(dynamics.states))
    flat, time = z.reshape(-1, z.shape[-1]), times(states).reshape(-1)
    usable, rate = np.isfinite(flat).all(axis=1) & np.isfinite(time), np.full(flat.shape, np.nan)
    if usable.any():
        rate[usable] = dynamics.rhs(time[usable], flat[usable])
    return rate.reshape(z.shape)


def _states_of(model: Dynamics, ds: xr.Dataset, truth: xr.Dataset | Dynamics | None, warmup: int | None) -> xr.Dataset:
    if isinstance(model, Predictor):
        return model.predict(ds, warmup=warmup)
    known = truth if isinstance(truth, xr.Dataset) else true_states(ds)
    return ds if known is None else known


def _recover(model: Dynamics, prediction: xr.Dataset, ds: xr.Dataset, positions: list[str]) -> tuple[str, list[Array]]:
    """Say what stands for the velocities, and give its series (trajectory, n) for each position."""
    absent = [name for name in positions if name not in model.states]
    if absent:
        raise DataError(f"{model.name!r} has no state {', '.join(absent)}, only {', '.join(model.states)}; compare it on a record it fits.")
    if not isinstance(model, Predictor):
        rate = _field_at(model, prediction)
        return "time derivative of the position", [rate[..., model.states.index(name)] for name in positions]
    own: Mapping[str, str] = {str(series.attrs.get("time_derivative_of")): str(name) for name, series in prediction.data_vars.items()}
    if all(name in own for name in positions):
        return "velocity", [values(prediction, [own[name]])[..., 0] for name in positions]
    augmented = [str(name) for name, series in prediction.data_vars.items() if series.attrs.get("role") == "augmented"]
    if augmented:
        none = np.full((ds.sizes["trajectory"], ds.sizes[time_dim(ds)]), np.nan)
        found = [values(prediction, [name])[..., 0] for name in augmented[: len(positions)]]
        return "augmented state", found + [none] * (len(positions) - len(found))
    rate = _field_at(model, prediction)
    return "time derivative of the position", [rate[..., model.states.index(name)] for name in positions]


def _rms(difference: Array) -> float:
    finite = difference[np.isfinite(difference)]
    return float(np.sqrt(np.mean(finite**2))) if finite.size else float("nan")


def _correlation(found: Array, target: Array) -> float:
    usable = np.isfinite(found) & np.isfinite(target)
    if usable.sum() < 2 or np.ptp(found[usable]) == 0 or np.ptp(target[usable]) == 0:
        return float("nan")
    return float(np.corrcoef(found[usable], target[usable])[0, 1])
