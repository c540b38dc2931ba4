"""A record of which a part was not measured, so that nothing can be learned from it."""

from __future__ import annotations

import xarray as xr

from physode.trajectories.contract import state_names

__all__ = ["hide_states"]


def hide_states(ds: xr.Dataset, hidden: xr.DataArray) -> xr.Dataset:
    """Take the observed states out of a part of a record, as if they had not been measured there; times, inputs and truth stay.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.
    hidden : xarray.DataArray of bool
        Over the dimensions of a state, or some of them: where to hide.

    Returns
    -------
    xarray.Dataset

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> ds = trajectories.from_numpy(np.arange(4.0), np.arange(4.0) ** 2, ["x"])
    >>> hide_states(ds, ds["time"] > 1)["x"].values
    array([[ 0.,  1., nan, nan]])
    """
    return ds.assign({name: ds[name].where(~hidden) for name in state_names(ds)})
