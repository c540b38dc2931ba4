"""All states in one labelled array, and back."""

from __future__ import annotations

import xarray as xr

from physode.errors import DataError
from physode.trajectories.contract import state_names, time_dim

__all__ = ["stack_states", "unstack_states"]

_ATTRIBUTE_COORDS = ("units", "role", "long_name", "time_derivative_of", "conjugate_to")


def stack_states(ds: xr.Dataset) -> xr.DataArray:
    """Stack the states of a record along a new dimension ``state``.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.

    Returns
    -------
    xarray.DataArray
        Dimensions ``(trajectory, time, state)`` or ``(trajectory, obs, state)``. The attributes of the states become coordinates along
        ``state`` (``units``, ``role``, ``long_name``, ...), an empty text where a state has none.

    Raises
    ------
    DataError
        If the record has no state.

    See Also
    --------
    unstack_states

    Examples
    --------
    >>> import physode.trajectories as trajectories
    >>> ds = trajectories.from_numpy([0, 1], [[1.0, 3.0], [2.0, 4.0]], ["x", "v"], units={"x": "m"})
    >>> stacked = trajectories.stack_states(ds)
    >>> stacked.dims, stacked["units"].values.tolist()
    (('trajectory', 'time', 'state'), ['m', ''])
    >>> trajectories.unstack_states(stacked).identical(ds)
    True
    """
    states = state_names(ds)
    if not states:
        raise DataError(f"the record has no state to stack; its variables are {list(map(str, ds.data_vars))}.")
    stacked = ds[states].to_dataarray("state", name="states").transpose("trajectory", time_dim(ds), "state")
    stacked.attrs = dict(ds.attrs)
    for key in _ATTRIBUTE_COORDS:
        if any(key in ds[name].attrs for name in states):
            stacked = stacked.assign_coords({key: ("state", [str(ds[name].attrs.get(key, "")) for name in states])})
    return stacked


def unstack_states(stacked: xr.DataArray) -> xr.Dataset:
    """Undo `stack_states`: one variable per state, with its attributes.

    Parameters
    ----------
    stacked : xarray.DataArray
        With the dimension ``state``, its names as coordinate.

    Returns
    -------
    xarray.Dataset
        The states. Inputs, truth and parameters are not in the array, and so not here.

    Raises
    ------
    DataError
        If there is no named dimension ``state``.

    See Also
    --------
    stack_states
    """
    if "state" not in stacked.dims or "state" not in stacked.coords:
        raise DataError(f"the array has no dimension 'state' with names, only {stacked.dims}; use stack_states to make one.")
    keys = [key for key in _ATTRIBUTE_COORDS if key in stacked.coords and stacked[key].dims == ("state",)]
    variables = {}
    for index, name in enumerate(stacked["state"].values.tolist()):
        one = stacked.isel(state=index)
        attrs = {key: one[key].item() for key in keys if one[key].item()}
        variables[name] = one.drop_vars(["state", *keys]).assign_attrs(attrs).rename(None)
        variables[name].attrs = attrs
    return xr.Dataset(variables, attrs=stacked.attrs)
