"""What a model predicts for a record, without a look at what it is to forecast."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.analysis.backward import backward_prediction
from physode.analysis.dynamics import Array, Dynamics, Predictor
from physode.analysis.horizons import last_trained
from physode.errors import DataError
from physode.trajectories import hide_states, time_dim, times

__all__ = ["predicted", "predicted_back"]


def predicted(
    prediction: xr.Dataset | Predictor | Dynamics, ds: xr.Dataset, begin: Array, *, start: float | None, warmup: int | None
) -> xr.Dataset:
    """Give a prediction as it is, or that of a model.

    Parameters
    ----------
    prediction : xarray.Dataset or Predictor
    ds : xarray.Dataset
        The record.
    begin : ndarray, shape (trajectory,)
        Time of the last observation that the forecast may know; if `start` or a split by time said so, later ones are hidden.
    start : float or None
        As in `forecast_error`.
    warmup : int or None
        Handed to ``model.predict``, by default as many samples as there are until `begin`.

    Raises
    ------
    DataError
        If it is no Predictor, or no sample is as early as `begin`.
    """
    if isinstance(prediction, xr.Dataset):
        return prediction
    if not isinstance(prediction, Predictor):
        raise DataError("a System predicts nothing by itself; simulate it, or ask for backward=True.")
    time = times(ds)
    if start is None and (warmup is not None or last_trained(ds, time) is None):
        return prediction.predict(ds, warmup=warmup)
    shown = hide_states(ds, xr.DataArray(time > begin[:, None], dims=("trajectory", time_dim(ds))))
    return prediction.predict(shown, warmup=_samples(time, begin) if warmup is None else warmup)


def _samples(time: Array, begin: Array) -> int:
    """Count the samples that may be known, but never all of the longest trajectory, which then has nothing to forecast."""
    n = int((time <= begin[:, None]).sum(axis=1).max())
    if n == 0:
        raise DataError(f"no time of the record is as early as the start of the forecast, {float(begin.max()):g}; choose a later start.")
    return min(n, int(np.isfinite(time).sum(axis=1).max()) - 1)


def predicted_back(prediction: xr.Dataset | Predictor | Dynamics, ds: xr.Dataset, begin: Array) -> xr.Dataset:
    """Give a prediction as it is, or integrate a vector field backward in time from `begin`, (trajectory,)."""
    if isinstance(prediction, xr.Dataset):
        return prediction
    if not isinstance(prediction, Dynamics):
        raise DataError("a forecast backward in time needs a vector field; pass a fitted model or a System.")
    return backward_prediction(prediction, ds, begin)
