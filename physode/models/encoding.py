"""The two doors between names and tensors: a record goes in as a batch, states come out as a record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError
from physode.models.layout import Layout
from physode.models.scaling import Scaling
from physode.training.batch import Batch, SampledInputs
from physode.trajectories import provenance, time_dim, times, values

__all__ = ["decode", "encode", "finite_inputs"]

Array = NDArray[np.float64]


def encode(ds: xr.Dataset, layout: Layout, scaling: Scaling) -> Batch:
    """Turn a record into scaled tensors.

    Returns
    -------
    Batch
        float64; each trajectory's time starts at 0.

    Raises
    ------
    DataError
        If the record lacks a variable of the layout, or an input is missing at some time.
    """
    layout.check(ds)
    time = times(ds)
    mean, scale = scaling.mean[list(layout.index)], scaling.scale[list(layout.index)]
    scaled_time = torch.from_numpy((time - time[:, :1]) / scaling.time_scale)
    measured = torch.from_numpy((values(ds, layout.observed) - mean) / scale)
    u = (finite_inputs(ds, layout.inputs) - scaling.input_mean) / scaling.input_scale
    return Batch(scaled_time, measured, SampledInputs(scaled_time, torch.from_numpy(u)))


def finite_inputs(ds: xr.Dataset, names: Sequence[str]) -> Array:
    """Inputs of a record, shape (trajectory, n, n_inputs), refused where one is missing at a valid time."""
    time = times(ds)
    if not names:
        return np.zeros((*time.shape, 0))
    u = values(ds, names)
    missing = np.isfinite(time)[..., None] & ~np.isfinite(u)
    if missing.any():
        row, column, which = (int(i) for i in np.argwhere(missing)[0])
        raise DataError(
            f"input {names[which]!r} is missing at time {time[row, column]:g} of trajectory {ds['trajectory'].values[row]!r}; "
            "a model needs its inputs at every time. Fill the gap (for example with interpolate_na) or cut the record there."
        )
    return u


def decode(states: Array, ds: xr.Dataset, layout: Layout, action: str) -> xr.Dataset:
    """Turn states into a record on the coordinates of another one.

    Parameters
    ----------
    states : ndarray, shape (trajectory, n, n_states)
        In the units of the layout.
    ds : xarray.Dataset
        Gives the coordinates.
    layout : Layout
    action : str
        For the history.
    """
    dims = ("trajectory", time_dim(ds))
    blank = ~np.isfinite(times(ds))
    variables = {}
    for k, name in enumerate(layout.states):
        column = states[..., k].copy()
        column[blank] = np.nan
        variables[name] = (dims, column, dict(layout.attrs[name]))
    return xr.Dataset(variables, coords=ds.coords, attrs=provenance(action))
