"""The form of a record: dimensions, coordinates, names, roles, types, times."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.errors import DataError, unknown_name
from physode.trajectories.attributes import check_attributes
from physode.trajectories.contract import ROLES, SCHEMA, time_dim, times
from physode.trajectories.increasing import check_increasing
from physode.trajectories.names import check_name

__all__ = ["check_structure"]

_MAKERS = "Make records with from_dataframe, from_numpy or read_csv."
_POINTERS = {"velocity": "time_derivative_of", "momentum": "conjugate_to"}


def check_structure(ds: xr.Dataset) -> xr.Dataset:
    """Return `ds` if it has the form of a record, whatever its values are; a prediction may hold what a record may not.

    Raises
    ------
    DataError
        Names the variable, what was found and the fix.

    See Also
    --------
    validate : also looks at the values.
    """
    if not isinstance(ds, xr.Dataset):
        raise DataError(f"a record is an xarray.Dataset, but this is a {type(ds).__name__}. {_MAKERS}")
    if ds.attrs.get("schema", SCHEMA) != SCHEMA:
        raise DataError(f"the record follows the schema {ds.attrs['schema']!r}; this version of physode knows {SCHEMA!r}.")
    if "trajectory" not in ds.dims:
        raise DataError(
            f"the record has no dimension 'trajectory', only {sorted(map(str, ds.dims))}; a single trajectory is a record of length one: "
            "ds.expand_dims(trajectory=[0])."
        )
    dim = time_dim(ds)
    check_attributes(ds.attrs, "the record")
    _check_coordinates(ds, dim)
    for name in ds.data_vars:
        _check_variable(ds[name], name, dim)
    _check_times(ds, dim)
    return ds


def _check_coordinates(ds: xr.Dataset, dim: str) -> None:
    wanted = {"trajectory": ("trajectory",), "time": ("time",) if dim == "time" else ("trajectory", "obs")}
    for name, dims in wanted.items():
        if name not in ds.coords:
            raise DataError(f"the record has no coordinate {name!r}; add it with ds.assign_coords({name}=...).")
        if ds[name].dims != dims:
            raise DataError(f"the coordinate {name!r} has the dimensions {ds[name].dims}, not {dims}. {_MAKERS}")
    if ds["time"].dtype != np.float64:
        raise DataError(
            f"the coordinate 'time' is {ds['time'].dtype}, not float64; convert it: ds.assign_coords(time=ds['time'].astype('float64'))."
        )
    labels = ds["trajectory"].values
    if labels.dtype.kind not in "iUO" or (labels.dtype.kind == "O" and not all(isinstance(label, str) for label in labels)):
        raise DataError(f"the labels of the coordinate 'trajectory' are {labels.dtype}; they must be whole numbers or text.")
    if any(not str(label).strip() for label in labels):
        raise DataError("a label of the coordinate 'trajectory' is an empty text; give each trajectory a label of its own.")
    if len(set(labels.tolist())) != len(labels):
        repeated = next(label for label in labels.tolist() if labels.tolist().count(label) > 1)
        raise DataError(f"the trajectory label {repeated!r} is used more than once; give each trajectory a label of its own.")
    for coordinate, found in ds.coords.items():
        check_attributes(found.attrs, f"the coordinate {coordinate!r}")


def _check_variable(variable: xr.DataArray, name: object, dim: str) -> None:
    check_name(name)
    where = f"variable {name!r}"
    check_attributes(variable.attrs, where)
    role = variable.attrs.get("role")
    if role is None:
        raise DataError(f"{where} has no role; set it, for example ds[{name!r}].attrs['role'] = 'state'. Roles: {', '.join(ROLES)}.")
    if role not in ROLES:
        raise DataError(f"{where}: {unknown_name('role', str(role), ROLES)}")
    if role in ("noise", "parameter"):
        if set(variable.dims) - {"trajectory"}:
            raise DataError(
                f"{where} has the role {role!r} and the dimensions {variable.dims}; it must be one number, or one for each trajectory."
            )
    elif variable.dims != ("trajectory", dim):
        raise DataError(
            f"{where} has the dimensions {variable.dims}, not ('trajectory', {dim!r}); "
            f"use ds.transpose('trajectory', {dim!r}), or the role 'parameter' if it does not change with time."
        )
    if variable.dtype != np.float64:
        raise DataError(f"{where} is {variable.dtype}, not float64; convert it: ds[{name!r}] = ds[{name!r}].astype('float64').")
    pointer = _POINTERS.get(role)
    if pointer and not isinstance(variable.attrs.get(pointer), str):
        raise DataError(
            f"{where} has the role {role!r} but does not say of what; set ds[{name!r}].attrs[{pointer!r}] to the name of its position."
        )


def _check_times(ds: xr.Dataset, dim: str) -> None:
    labels = ds["trajectory"].values.tolist()
    if dim == "time":
        check_increasing(ds["time"].values, labels[0] if labels else 0, lambda i: f"row {i + 1}")
        return
    for row, label in zip(times(ds), labels, strict=True):
        n_valid = int(np.count_nonzero(~np.isnan(row)))
        if np.isnan(row[:n_valid]).any():
            raise DataError(
                f"trajectory {label!r}: a missing time lies before a valid one (row {int(np.flatnonzero(np.isnan(row))[0]) + 1}); "
                f"padding belongs at the end. {_MAKERS}"
            )
        check_increasing(row[:n_valid], label, lambda i: f"row {i + 1}")
