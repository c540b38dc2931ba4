"""A model that has predicted: analyses ask it again and get what it said, not another prediction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.analysis import energy_drift, recovered_velocity
from physode.analysis.dynamics import Learned
from physode.analysis.energy import common_span
from physode.errors import DataError
from physode.systems import System
from physode.trajectories import input_names, time_dim, true_states

__all__ = ["ENERGY_HORIZON", "Replay", "energy_series", "velocity_series"]

Array = NDArray[np.float64]

ENERGY_HORIZON = 10.0
"""How many times the length of the record the energy is followed for."""

_ENERGY_TIMES, _ENERGY_TRAJECTORIES = 401, 4


class Replay:
    """A fitted model whose `predict` repeats a stored prediction for any part of the record that it was made for.

    What a model says about held-out data depends on how much of it was shown; a prediction that was made fairly is kept fair.

    Parameters
    ----------
    model : Learned
        The fitted model.
    prediction : xarray.Dataset
        Its states on the coordinates of the whole record.
    """

    def __init__(self, model: Learned, prediction: xr.Dataset) -> None:
        self._model, self._prediction = model, prediction
        self.name: str = model.name
        self.states: tuple[str, ...] = tuple(model.states)
        self.units: Mapping[str, str] = model.units
        self.time_scale: float = model.time_scale
        self.rhs, self.jvp = model.rhs, model.jvp
        self.divergence, self.sample_states = model.divergence, model.sample_states
        self.vector_field = model.vector_field

    def predict(self, ds: xr.Dataset, warmup: int | None = None) -> xr.Dataset:
        """Return the stored prediction at the samples of `ds`; `warmup` was decided when it was made."""
        found = self._prediction.sel(trajectory=ds["trajectory"].values)
        if time_dim(ds) == "time":
            return found.sel(time=ds["time"].values)
        width = ds.sizes["obs"]
        if np.array_equal(found["time"].values[:, :width], ds["time"].values, equal_nan=True):
            return found.isel(obs=slice(width))
        return _same_times(found, ds)


def _same_times(found: xr.Dataset, ds: xr.Dataset) -> xr.Dataset:
    """Pick the samples of an irregular prediction that have the times of `ds`."""
    wanted, given = ds["time"].values, found["time"].values
    rows = np.stack([np.searchsorted(row[np.isfinite(row)], want) for row, want in zip(given, wanted, strict=True)])
    rows = np.minimum(rows, given.shape[1] - 1)
    padding = ~np.isfinite(wanted)
    picked = {}
    for name, variable in found.data_vars.items():
        series = np.take_along_axis(variable.values, rows, axis=1)
        picked[name] = (("trajectory", "obs"), np.where(padding, np.nan, series), variable.attrs)
    return xr.Dataset(picked, {"trajectory": ds["trajectory"], "time": ds["time"]})


def velocity_series(model: Learned, prediction: xr.Dataset, record: xr.Dataset) -> xr.Dataset | None:
    """Set the recovered beside the true velocities, on the coordinates of the record.

    Returns
    -------
    xarray.Dataset or None
        The result of `physode.recovered_velocity` for what was predicted; None if there is no true velocity, or if the model
        does not hold the positions that the true velocities belong to.
    """
    if true_states(record) is None:
        return None
    try:
        return recovered_velocity(Replay(model, prediction), record)
    except DataError:
        return None


def energy_series(model: Learned, prediction: xr.Dataset, part: xr.Dataset, system: System | None) -> xr.Dataset | None:
    """Follow the true system's energy along the learned dynamics, for ten times the length of the record.

    Returns
    -------
    xarray.Dataset or None
        ``energy`` and ``floor_energy`` over (trajectory, time), ``energy_drift`` (the largest departure from the first value, over
        the energy scale); at most four trajectories. None if no energy is known or conserved, or if the model lacks a state
        that it depends on.
    """
    if system is None or not system.conserves_energy or input_names(part):
        return None
    few = part.isel(trajectory=slice(_ENERGY_TRAJECTORIES))
    start, duration = common_span(few)
    horizon = np.linspace(start, start + ENERGY_HORIZON * duration, _ENERGY_TIMES)
    try:
        found = energy_drift(Replay(model, prediction), few, energy=system, time=horizon)
    except DataError:
        return None
    drift = (
        found["max_drift"]
        .max()
        .assign_attrs(long_name=f"largest drift of the energy in {ENERGY_HORIZON:g} times the record, over its scale")
    )
    return found[["energy", "floor_energy", "scale"]].assign(energy_drift=drift)
