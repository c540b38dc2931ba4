"""How far ahead a model can be believed."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from physode.analysis.backward import backward_prediction
from physode.analysis.dynamics import Array, Dynamics, Predictor
from physode.errors import DataError
from physode.trajectories import state_names, time_dim, times, true_states, values

__all__ = ["forecast_error"]

_N_BINS: Final = 50  # of horizon, where each trajectory has its own times


def forecast_error(
    prediction: xr.Dataset | Predictor | Dynamics,
    ds: xr.Dataset,
    *,
    start: float | None = None,
    exponent: float | None = None,
    threshold: float = 0.5,
    warmup: int | None = None,
    backward: bool = False,
) -> xr.Dataset:
    """Measure the error of a prediction against its horizon, the time since the last observation that it may know.

    Parameters
    ----------
    prediction : xarray.Dataset or model
        Trajectories on the record's coordinates, or a fitted model that predicts them.
    ds : xarray.Dataset
        The record. Its true states count where they are known, else the observed ones.
    start : float, optional
        Time of the last observation known to the model. Default: the last time marked "train" if the record is split by
        time, else each trajectory's first time.
    exponent : float, optional
        The **true** largest Lyapunov exponent, per unit time: valid times are then given in Lyapunov times too.
    threshold : float, default 0.5
        A forecast is valid as long as its error, over the standard deviation and averaged over the states, stays below.
        0.5 is the choice of [1]_; results depend on it.
    warmup : int, optional
        Handed to ``model.predict``: how many observations the initial state may be estimated from.
    backward : bool, default False
        Whether to go back in time from `start`, by default each trajectory's last time; a model (or System) is integrated
        from the true state there. A field that attracts where the true one does not loses its way backward.

    Returns
    -------
    xarray.Dataset
        Over ``state`` and ``time``, which holds the horizon: ``rmse`` in the state's units, over trajectories; ``nrmse``, the
        same over the state's standard deviation in the record; ``persistence_nrmse``, of the forecast that nothing changes.
        Over ``trajectory``: ``valid_time``, until the first error above the threshold, at most the length of the forecast,
        ``persistence_valid_time``, and with an exponent ``valid_lyapunov_times``; ``median_valid_time``. Where trajectories
        have times of their own, horizons are gathered into 50 bins. A prediction that is missing has an infinite error.

    Raises
    ------
    DataError
        If the prediction is not on the record's coordinates, shares no state with it, or `start` leaves nothing.

    Notes
    -----
    No forecast of a chaotic system is worth more than the solver that made the truth: see Hurley and Shaheen, arXiv:2508.06730.

    References
    ----------
    .. [1] Vlachas et al., Neural Networks 126 (2020) 191, doi:10.1016/j.neunet.2020.02.016.

    Examples
    --------
    >>> from physode import systems
    >>> record = systems.get("pendulum").simulate(np.linspace(0, 5, 51), n_trajectories=3, seed=0)
    >>> found = forecast_error(record, record)
    >>> float(found.rmse.max()), float(found.valid_time.min())
    (0.0, 5.0)
    """
    made = _prediction(prediction, ds, warmup, backward)
    known = true_states(ds)
    truth = ds if known is None else known
    names = [name for name in state_names(truth) if name in made.data_vars]
    if not names:
        raise DataError(f"the prediction shares no state with the record: {', '.join(map(str, made.data_vars))}.")
    _check_coordinates(made, ds)
    target, guess, time = values(truth, names), values(made, names), times(ds)
    origin = _origin(ds, time, start, backward)
    horizon = (origin[:, None] - time) if backward else (time - origin[:, None])
    ahead = horizon >= 0
    if not (horizon > 0).any():
        raise DataError(f"no time lies after the start of the forecast, {float(origin.max()):g}; choose an earlier start.")
    scale = np.array([_deviation(target[..., i], name) for i, name in enumerate(names)])
    last = _known_at_start(target, horizon)
    lost = np.isnan(guess) & np.isfinite(target)
    error = np.where(ahead[..., None], np.where(lost, np.inf, guess - target), np.nan)
    still = np.where(ahead[..., None], last[:, None] - target, np.nan)
    labels, index = _bins(ds, horizon, ahead)
    rmse, persistence = (_rms_by(e, index, len(labels)) for e in (error, still))
    valid, persistent = (_valid_time(e / scale, horizon, threshold) for e in (error, still))
    unit = str(ds["time"].attrs.get("units", ""))
    result = xr.Dataset(
        coords={
            "state": ("state", names),
            "units": ("state", [str(truth[name].attrs.get("units", "")) for name in names]),
            "time": ("time", labels, {"units": unit, "long_name": "horizon"}),
            "trajectory": ds["trajectory"],
        }
    )
    result["rmse"] = (("state", "time"), rmse, {"long_name": "root mean square error"})
    result["nrmse"] = (("state", "time"), rmse / scale[:, None], {"units": "1", "long_name": "error over the standard deviation"})
    result["persistence_nrmse"] = (
        ("state", "time"),
        persistence / scale[:, None],
        {"units": "1", "long_name": "error over the standard deviation if nothing changed"},
    )
    result["valid_time"] = ("trajectory", valid, {"units": unit, "long_name": "valid prediction time"})
    result["persistence_valid_time"] = ("trajectory", persistent, {"units": unit, "long_name": "valid prediction time if nothing changed"})
    result["median_valid_time"] = ((), float(np.nanmedian(valid)), {"units": unit, "long_name": "median valid prediction time"})
    if exponent is not None:
        lyapunov = {"units": "1", "long_name": "valid prediction time in Lyapunov times"}
        result["valid_lyapunov_times"] = ("trajectory", valid * exponent, lyapunov)
        result.attrs["exponent"] = float(exponent)
    result.attrs["threshold"] = float(threshold)
    return result


def _check_coordinates(made: xr.Dataset, ds: xr.Dataset) -> None:
    dim = time_dim(ds)
    for name in ("trajectory", "time"):
        same = dim in made.dims and made[name].shape == ds[name].shape
        if not same or not made[name].variable.equals(ds[name].variable):
            raise DataError(f"the prediction's {name!r} differs from the record's; predict on the record itself: model.predict(ds).")


def _prediction(prediction: xr.Dataset | Predictor | Dynamics, ds: xr.Dataset, warmup: int | None, backward: bool) -> xr.Dataset:
    if isinstance(prediction, xr.Dataset):
        return prediction
    if backward:
        if not isinstance(prediction, Dynamics):
            raise DataError("a forecast backward in time needs a vector field; pass a fitted model or a System.")
        return backward_prediction(prediction, ds)
    if not isinstance(prediction, Predictor):
        raise DataError("a System predicts nothing by itself; simulate it, or ask for backward=True.")
    return prediction.predict(ds, warmup=warmup)


def _origin(ds: xr.Dataset, time: Array, start: float | None, backward: bool) -> Array:
    if start is not None:
        return np.full(len(time), float(start))
    if backward:
        return np.asarray(np.nanmax(time, axis=1))
    if "split" in ds.coords and time_dim(ds) in ds["split"].dims:
        train = np.broadcast_to(ds["split"].values == "train", time.shape)
        if train.any(axis=1).all():
            return np.asarray(np.nanmax(np.where(train, time, np.nan), axis=1))
    return np.asarray(np.nanmin(time, axis=1))


def _deviation(target: Array, name: str) -> float:
    deviation = float(np.nanstd(target))
    if not deviation > 0:
        raise DataError(f"the state {name!r} is constant in the record, so that no error can be measured by its standard deviation.")
    return deviation


def _known_at_start(target: Array, horizon: Array) -> Array:
    """Give the state known nearest before the start of each forecast, (trajectory, state)."""
    before = np.isfinite(target) & (horizon <= 0)[..., None]
    index = np.where(before, horizon[..., None], -np.inf).argmax(axis=1)
    found = np.take_along_axis(target, index[:, None], axis=1)[:, 0]
    return np.where(before.any(axis=1), found, np.nan)


def _bins(ds: xr.Dataset, horizon: Array, ahead: np.ndarray) -> tuple[Array, np.ndarray]:
    """Label the horizons, and say into which bin each entry falls, -1 for none."""
    if time_dim(ds) == "time":
        labels, index = np.unique(horizon[0][ahead[0]], return_inverse=True)
        row = np.full(horizon.shape[1], -1)
        row[ahead[0]] = index
        return np.asarray(labels, dtype=np.float64), np.broadcast_to(row, horizon.shape)
    edges = np.linspace(0, float(np.nanmax(horizon)), _N_BINS + 1)
    index = np.clip(np.searchsorted(edges, np.nan_to_num(horizon), side="right") - 1, 0, _N_BINS - 1)
    return (edges[1:] + edges[:-1]) / 2, np.where(ahead, index, -1)


def _rms_by(error: Array, index: np.ndarray, n_bins: int) -> Array:
    out = np.full((error.shape[-1], n_bins), np.nan)
    for i in range(error.shape[-1]):
        usable = ~np.isnan(error[..., i]) & (index >= 0)
        count = np.bincount(index[usable], minlength=n_bins)
        total = np.bincount(index[usable], weights=error[..., i][usable] ** 2, minlength=n_bins)
        out[i, count > 0] = np.sqrt(total[count > 0] / count[count > 0])
    return out


def _valid_time(scaled: Array, horizon: Array, threshold: float) -> Array:
    """Horizon up to which the error averaged over states stays below the threshold, (trajectory,)."""
    ahead = horizon >= 0
    seen = ~np.isnan(scaled)
    mean = np.sqrt(np.sum(np.where(seen, scaled, 0.0) ** 2, axis=2) / np.maximum(seen.sum(axis=2), 1))
    bad = ahead & seen.any(axis=2) & ~(mean < threshold)
    end = np.where(ahead, horizon, -np.inf).max(axis=1)
    return np.asarray(np.minimum(np.where(bad, horizon, np.inf).min(axis=1), end))
