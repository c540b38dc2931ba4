"""The words of the data contract, and how a record is asked for its parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError, unknown_name

__all__ = [
    "INPUT_DIMS",
    "INTERPOLATIONS",
    "RESERVED_NAMES",
    "ROLES",
    "SCHEMA",
    "STATE_ROLES",
    "check_not_empty",
    "input_names",
    "interpolation",
    "parameter_names",
    "sample_names",
    "state_names",
    "time_dim",
    "times",
    "values",
]

SCHEMA = "physode/1"
"""Name and version of the data contract, kept in the attribute ``schema``."""

STATE_ROLES = ("position", "velocity", "momentum", "state")
"""Roles of the observed states."""

ROLES = (*STATE_ROLES, "augmented", "input", "truth", "noise", "parameter")
"""Every value that the attribute ``role`` of a variable may have."""

INTERPOLATIONS = ("linear", "previous")
"""What an input may be between its samples, the attribute ``interpolation``, by scipy's names: linear, or held from the previous one."""

INPUT_DIMS = ("input_time", "input_obs")
"""Dimensions of inputs on a clock of their own: shared by all trajectories, or with a coordinate ``input_time(trajectory, input_obs)``."""

RESERVED_NAMES = frozenset(
    {"trajectory", "time", "obs", "state", "model", "seed", "epoch", "split", "quantile", "exponent", *INPUT_DIMS},
)
"""Names of dimensions and coordinates, which no variable may have."""


def _with_role(ds: xr.Dataset, *roles: str) -> list[str]:
    return [str(name) for name, variable in ds.data_vars.items() if variable.attrs.get("role") in roles]


def state_names(ds: xr.Dataset) -> list[str]:
    """Name the observed states of a record, in the record's order.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.

    Returns
    -------
    list of str
        The variables with role position, velocity, momentum or state.

    See Also
    --------
    input_names, parameter_names

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> time = np.linspace(0, 1, 5)
    >>> ds = trajectories.from_numpy(time, np.column_stack([time**2, 2 * time]), ["x", "v"])
    >>> trajectories.state_names(ds)
    ['x', 'v']
    """
    return _with_role(ds, *STATE_ROLES)


def input_names(ds: xr.Dataset) -> list[str]:
    """Name the inputs u(t) of a record, in the record's order.

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> time = np.linspace(0, 1, 5)
    >>> ds = trajectories.from_numpy(time, time**2, ["x"], inputs={"force": np.sin(time)})
    >>> trajectories.input_names(ds)
    ['force']
    """
    return _with_role(ds, "input")


def interpolation(variable: xr.DataArray) -> str:
    """Say what an input is between its samples: ``"linear"``, or ``"previous"`` if it is held.

    Examples
    --------
    >>> interpolation(xr.DataArray([0.0, 1.0], attrs={"role": "input"}))
    'linear'
    """
    return str(variable.attrs.get("interpolation", INTERPOLATIONS[0]))


def parameter_names(ds: xr.Dataset) -> list[str]:
    """Name the true parameters that a simulated record carries, in the record's order.

    Examples
    --------
    >>> import xarray as xr, physode.trajectories as trajectories
    >>> trajectories.parameter_names(xr.Dataset({"gravity": ((), 9.81, {"role": "parameter", "units": "m s-2"})}))
    ['gravity']
    """
    return _with_role(ds, "parameter")


def time_dim(ds: xr.Dataset) -> str:
    """Say which dimension runs along a trajectory: ``"time"`` (regular) or ``"obs"`` (irregular).

    Raises
    ------
    DataError
        If the record has neither or both.

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> trajectories.time_dim(trajectories.from_numpy([0, 1, 2], [1.0, 2.0, 4.0], ["x"]))
    'time'
    >>> trajectories.time_dim(trajectories.from_numpy([[0, 1, 3], [0, 1, 2]], np.arange(6.0).reshape(2, 3, 1), ["x"]))
    'obs'
    """
    found = [dim for dim in ("time", "obs") if dim in ds.dims]
    if len(found) != 1:
        raise DataError(
            f"a record has the dimension 'time' (all trajectories share their times) or 'obs' (each has its own), never none or both; "
            f"found the dimensions {sorted(map(str, ds.dims))}. Make it with from_dataframe, from_numpy or read_csv."
        )
    return found[0]


def check_not_empty(ds: xr.Dataset) -> None:
    """Raise DataError for a record without trajectories or times.

    Examples
    --------
    >>> import physode.trajectories as trajectories
    >>> trajectories.check_not_empty(trajectories.from_numpy([0, 1], [1.0, 2.0], ["x"]).isel(time=[]))
    Traceback (most recent call last):
    physode.errors.DataError: the record has no time; it is empty.
    """
    for dim, what in (("trajectory", "trajectory"), (time_dim(ds), "time")):
        if not ds.sizes[dim]:
            raise DataError(f"the record has no {what}; it is empty.")


def times(ds: xr.Dataset) -> NDArray[np.float64]:
    """Give the times of every trajectory.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.

    Returns
    -------
    ndarray of float64, shape (trajectory, n)
        In the units of the record's time; NaN where a short trajectory of an irregular record is padded.

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> trajectories.times(trajectories.from_numpy([0, 1, 2], np.arange(6.0).reshape(2, 3, 1), ["x"]))
    array([[0., 1., 2.],
           [0., 1., 2.]])
    """
    time = np.asarray(ds["time"].values, dtype=np.float64)
    if time_dim(ds) == "time":
        return np.tile(time, (ds.sizes["trajectory"], 1))
    return np.asarray(ds["time"].transpose("trajectory", "obs").values, dtype=np.float64)


def values(ds: xr.Dataset, names: Sequence[str]) -> NDArray[np.float64]:
    """Give variables of a record as one array.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.
    names : sequence of str
        Variables that have a value at each time, in the wanted order.

    Returns
    -------
    ndarray of float64, shape (trajectory, n, len(names))
        NaN where a value is missing or padded.

    Raises
    ------
    UnknownNameError
        If a name is no such variable of the record.

    Examples
    --------
    >>> import physode.trajectories as trajectories
    >>> ds = trajectories.from_numpy([0, 1], [[1.0, 3.0], [2.0, 4.0]], ["x", "v"])
    >>> trajectories.values(ds, ["v", "x"])
    array([[[3., 1.],
            [4., 2.]]])
    """
    dims = ("trajectory", time_dim(ds))
    known = sample_names(ds)
    result = np.empty((ds.sizes[dims[0]], ds.sizes[dims[1]], len(names)))
    for index, name in enumerate(names):
        if name not in known:
            raise unknown_name("variable", name, known)
        result[:, :, index] = ds[name].transpose(*dims).values
    return result


def sample_names(ds: xr.Dataset) -> list[str]:
    """Name the variables that have a value at each time of each trajectory: states, inputs, truth.

    Examples
    --------
    >>> import physode.trajectories as trajectories
    >>> trajectories.sample_names(trajectories.from_numpy([0, 1], [1.0, 2.0], ["x"], inputs={"u": [0.0, 1.0]}))
    ['x', 'u']
    """
    dims = {"trajectory", time_dim(ds)}
    return [str(name) for name, variable in ds.data_vars.items() if set(variable.dims) == dims]
