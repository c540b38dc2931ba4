"""How far ahead a model can be believed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.analysis.coordinates import check_coordinates
from physode.analysis.dynamics import Dynamics, Predictor
from physode.analysis.each import each
from physode.analysis.horizons import bins, deviation, known_at_start, origin, rms_by, symmetric_error, valid_time
from physode.analysis.precision import precision_horizon
from physode.analysis.predicted import predicted, predicted_back
from physode.analysis.settings import positive, whole
from physode.errors import DataError
from physode.trajectories import check_not_empty, state_names, times, true_states, values

__all__ = ["forecast_error"]


@each
def forecast_error(
    prediction: xr.Dataset | Predictor | Dynamics,
    ds: xr.Dataset,
    *,
    start: float | None = None,
    exponent: float | None = None,
    truth: Dynamics | None = None,
    threshold: float = 0.5,
    warmup: int | None = None,
    backward: bool = False,
) -> xr.Dataset:
    """Measure the error of a prediction against its horizon, the time since the last observation that it may know.

    Parameters
    ----------
    prediction : xarray.Dataset or model
        Trajectories on the record's coordinates, or a fitted model that predicts them; or several models, by name, or as an ensemble.
    ds : xarray.Dataset
        The record. Its true states count where they are known, else the observed ones.
    start : float, optional
        Time of the last observation known to the model. Default: that of observation number `warmup` if this is given, the last time
        marked "train" if the record is split by time, else each trajectory's first time. Where `start` or a split by time decides, a model
        predicts without what was observed later; else without `warmup`, it may use the whole record, as in ``model.predict(ds)``.
    exponent : float, optional
        The **true** largest Lyapunov exponent, per unit time: valid times are then given in Lyapunov times too. Only a positive one has
        such a time.
    truth : Dynamics, optional
        The system that made the record: no forecast then counts as valid beyond `precision_horizon`, up to which the record itself is true.
    threshold : float, default 0.5
        A forecast is valid as long as its error, over the standard deviation and averaged over the states, stays below.
        0.5 is the choice of [1]_; results depend on it.
    warmup : int, optional
        Handed to ``model.predict``: how many observations the initial state may be estimated from. Default: all up to the start.
    backward : bool, default False
        Whether to go back in time from `start`, by default (and at the latest) each trajectory's last time at which all states are known;
        a model (or System) is integrated from the true state there. A field that attracts where the true one does not loses its way
        backward.

    Returns
    -------
    xarray.Dataset
        Over ``state`` and ``time``, which holds the horizon: ``rmse`` in the state's units, over trajectories; ``nrmse``, the
        same over the state's standard deviation in the record; ``persistence_nrmse``, of the forecast that nothing changes. Over ``state``:
        ``smape``, the symmetric mean absolute percentage error 200 |x - x'| / (|x| + |x'|) [2]_ of all that is ahead, between 0 and 200; it
        depends on where the zero of a state is. Over ``trajectory``: ``valid_time``, until the first error above the threshold, at most
        until the last known state, and NaN where none ahead is known; ``persistence_valid_time``, NaN where a state was not known at the
        start; with an exponent ``valid_lyapunov_times``, with the truth ``precision_horizon``; ``median_valid_time``. Where trajectories
        have times or starts of their own, horizons are gathered into 50 bins. A prediction that is missing has an infinite error.

    Raises
    ------
    DataError
        If the record is empty, the prediction is not on its coordinates, shares no state with it, or `start` leaves nothing.
    PhysodeError
        If `warmup` is no whole number of 1 or more, or `exponent` or `threshold` not positive and finite.

    References
    ----------
    .. [1] Vlachas et al., Neural Networks 126 (2020) 191, doi:10.1016/j.neunet.2020.02.016.
    .. [2] Gilpin, NeurIPS Datasets and Benchmarks 2021, arXiv:2110.05266.

    See Also
    --------
    baselines : what any model must beat.

    Examples
    --------
    >>> from physode import systems
    >>> record = systems.get("pendulum").simulate(np.linspace(0, 5, 51), n_trajectories=3, seed=0)
    >>> found = forecast_error(record, record)
    >>> float(found.rmse.max()), float(found.valid_time.min())
    (0.0, 5.0)
    """
    positive(exponent=exponent, threshold=threshold)
    whole(1, warmup=warmup)
    check_not_empty(ds)
    time = times(ds)
    begin = origin(ds, time, start, backward=backward, warmup=warmup)
    horizon = (begin[:, None] - time) if backward else (time - begin[:, None])
    ahead = horizon >= 0
    if not (horizon > 0).any():
        raise DataError(f"no time lies after the start of the forecast, {float(begin.max()):g}; choose an earlier start.")
    made = predicted_back(prediction, ds, begin) if backward else predicted(prediction, ds, begin, start=start, warmup=warmup)
    known = true_states(ds)
    source = ds if known is None else known
    names = [name for name in state_names(source) if name in made.data_vars]
    if not names:
        raise DataError(f"the prediction shares no state with the record: {', '.join(map(str, made.data_vars))}.")
    check_coordinates(made, ds)
    target, guess = values(source, names), values(made, names)
    scale = np.array([deviation(target[..., i], name) for i, name in enumerate(names)])
    last = known_at_start(target, horizon)
    lost = np.isnan(guess) & np.isfinite(target)
    error = np.where(ahead[..., None], np.where(lost, np.inf, guess - target), np.nan)
    still = np.where(ahead[..., None], last[:, None] - target, np.nan)
    labels, index = bins(ds, horizon, ahead)
    rmse, persistence = (rms_by(e, index, len(labels)) for e in (error, still))
    valid, persistent = (valid_time(e / scale, horizon, threshold) for e in (error, still))
    unheard = (np.isnan(still) & ahead[..., None] & np.isfinite(target)).any(axis=(1, 2))
    persistent[unheard] = np.nan  # what was not known at the start cannot stay
    believed = None if truth is None else precision_horizon(truth, ds, start=begin, threshold=threshold, backward=backward).values
    valid = valid if believed is None else np.minimum(valid, believed)
    unit = str(ds["time"].attrs.get("units", ""))
    result = xr.Dataset(
        coords={
            "state": ("state", names),
            "units": ("state", [str(source[name].attrs.get("units", "")) for name in names]),
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
    smape = {"units": "%", "long_name": "symmetric mean absolute percentage error"}
    result["smape"] = ("state", symmetric_error(guess, target, horizon > 0), smape)
    result["valid_time"] = ("trajectory", valid, {"units": unit, "long_name": "valid prediction time"})
    result["persistence_valid_time"] = ("trajectory", persistent, {"units": unit, "long_name": "valid prediction time if nothing changed"})
    median = float(np.nanmedian(valid)) if np.isfinite(valid).any() else np.nan
    result["median_valid_time"] = ((), median, {"units": unit, "long_name": "median valid prediction time"})
    if believed is not None:
        result["precision_horizon"] = ("trajectory", believed, {"units": unit, "long_name": "how long the record is true"})
    if exponent is not None:
        lyapunov = {"units": "1", "long_name": "valid prediction time in Lyapunov times"}
        result["valid_lyapunov_times"] = ("trajectory", valid * exponent, lyapunov)
        result.attrs["exponent"] = float(exponent)
    result.attrs["threshold"] = float(threshold)
    return result
