"""Whether a prediction is one of this record, trajectory by trajectory and time by time."""

from __future__ import annotations

import xarray as xr

from physode.errors import DataError
from physode.trajectories import time_dim

__all__ = ["check_coordinates"]


def check_coordinates(made: xr.Dataset, ds: xr.Dataset) -> None:
    """Raise a DataError unless a prediction has the trajectories and times of a record, in their order.

    Parameters
    ----------
    made : xarray.Dataset
        The prediction.
    ds : xarray.Dataset
        The record.
    """
    dims = {"trajectory", time_dim(ds)}
    for name in ("trajectory", "time"):
        same = dims <= set(made.dims) and made[name].shape == ds[name].shape
        if not same or not made[name].reset_coords(drop=True).equals(ds[name].reset_coords(drop=True)):
            raise DataError(f"the prediction's {name!r} differs from the record's; predict on the record itself: model.predict(ds).")
