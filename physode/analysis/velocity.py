"""The velocity that a model found from positions alone, against the true one."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.each import each
from physode.analysis.maps import linear_map
from physode.analysis.velocity_source import recover, states_of, true_velocities
from physode.trajectories import time_dim, values

__all__ = ["correlation_of", "recovered_velocity", "rms"]


@each
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
        linear map from all states of the model to the true velocity. All pool trajectories and times: where a prediction is lost
        though the true velocity is known, errors are infinite, ``r2_linear`` is -inf and ``correlation`` NaN. Beside them, on the
        record's coordinates, ``<velocity>_recovered``, ``<velocity>_linear`` and ``<velocity>_true``. The attribute
        ``recovered_from`` says what was compared. NaN where an augmented model has fewer augmented states than positions.

    Raises
    ------
    DataError
        If the record is empty, no true velocity is known, or the model has none of the record's positions.

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
    true = true_velocities(ds, truth)
    prediction = states_of(model, ds, truth, warmup)
    kind, recovered = recover(model, prediction, ds, [position for _, position, _ in true])
    features = values(prediction, [name for name in model.states if name in prediction.data_vars])
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
        series_of = features if found is None else np.concatenate([features, found[..., None]], axis=-1)
        mapped, r2 = linear_map(series_of, target)
        table["rmse_linear"][i] = rms(mapped, target)
        table["r2_linear"][i] = r2 if table["rmse_linear"][i] < np.inf else -np.inf
        if found is None:
            found = np.full_like(target, np.nan)
        else:
            table["rmse"][i] = rms(found, target)
            table["nrmse"][i] = table["rmse"][i] / deviation if (deviation := float(np.nanstd(target))) > 0 else np.nan
            table["correlation"][i] = correlation_of(found, target)
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


def rms(found: Array, target: Array) -> float:
    """Root mean square error over where the target is known; infinite if what was found is not all there."""
    known = np.isfinite(target)
    difference = np.where(np.isfinite(found), found, np.inf)[known] - target[known]
    return float(np.sqrt(np.mean(difference**2))) if known.any() else float("nan")


def correlation_of(found: Array, target: Array) -> float:
    """Correlation over where the target is known; NaN if what was found is not all there, or either is constant."""
    known = np.isfinite(target)
    found, target = found[known], target[known]
    if len(found) < 2 or not np.isfinite(found).all() or np.ptp(found) == 0 or np.ptp(target) == 0:
        return float("nan")
    return float(np.corrcoef(found, target)[0, 1])
