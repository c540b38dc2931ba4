"""The numbers that a prediction is judged by, for each part of the record."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from physode.comparison.forecast import finite_pairs, judged
from physode.comparison.replay import velocity_series
from physode.trajectories import select_split, state_names
from physode.trajectories.truth import TRUE_SUFFIX

__all__ = ["SPLITS", "score_splits"]

SPLITS = ("train", "test")

_NAMES = {
    "rmse": "root mean square error against the observations",
    "nrmse": "root mean square error over the standard deviation of the observations in the whole record",
    "r2": "coefficient of determination against the observations",
    "rmse_truth": "root mean square error against the noise-free truth",
}

_VELOCITY = ("correlation", "rmse", "nrmse", "r2_linear")


def score_splits(model: Any, record: xr.Dataset, prediction: xr.Dataset) -> xr.Dataset:
    """Compare a prediction with the record and, where it is known, with the truth.

    Parameters
    ----------
    model : fitted estimator
        Asked for its recovered velocity when the truth has velocities.
    record : xarray.Dataset
        With its coordinate ``split``.
    prediction : xarray.Dataset
        All states of the model on the record's coordinates.

    Returns
    -------
    xarray.Dataset
        Over (split, state): ``rmse`` (in the state's units; infinite where the prediction ran away), ``nrmse``, ``r2``; with a truth
        beside the noise ``rmse_truth``. Of held-out trajectories the samples count that come after those which the forecasts start from.
        With a true velocity, over all samples, ``velocity_correlation``, ``velocity_rmse``, ``velocity_nrmse``, ``velocity_r2_linear``.
    """
    names = state_names(record)
    numbers = {name: np.full((len(SPLITS), len(names)), np.nan) for name in _NAMES}
    for i, part in enumerate(SPLITS):
        mask = judged(record, part)
        for j, name in enumerate(names):
            measured, predicted = finite_pairs(record[name], prediction[name], mask)
            if not measured.size:
                continue
            with np.errstate(over="ignore"):
                error = float(np.mean((predicted - measured) ** 2))
            spread, variance = float(np.nanstd(record[name].values)), float(np.var(measured))
            numbers["rmse"][i, j] = np.sqrt(error)
            numbers["nrmse"][i, j] = np.sqrt(error) / spread if spread > 0 else np.nan
            numbers["r2"][i, j] = 1 - error / variance if variance > 0 else np.nan
            if name + TRUE_SUFFIX in record:
                true, predicted = finite_pairs(record[name + TRUE_SUFFIX], prediction[name], mask)
                with np.errstate(over="ignore"):
                    numbers["rmse_truth"][i, j] = np.sqrt(np.mean((predicted - true) ** 2))
    coords = {"split": list(SPLITS), "state": names}
    scores = xr.Dataset({name: (("split", "state"), numbers[name], {"long_name": text}) for name, text in _NAMES.items()}, coords)
    if np.isnan(scores["rmse_truth"]).all():
        scores = scores.drop_vars("rmse_truth")
    found = {part: velocity_series(model, prediction, select_split(record, part)) for part in SPLITS}
    names_of = {name: f"velocity_{name}" for name in _VELOCITY}
    velocity = [
        scored[list(_VELOCITY)].rename(names_of).reset_coords(drop=True).expand_dims(split=[part])
        for part, scored in found.items()
        if scored is not None
    ]
    if not velocity:
        return scores
    beside = xr.concat(velocity, "split", join="exact")
    states = list(dict.fromkeys([*names, *beside["state"].values.tolist()]))
    return scores.reindex(state=states).assign(beside.reindex(state=states, split=list(SPLITS)))
