"""The form of a record: dimensions, coordinates, names, roles, types, times."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.errors import DataError, unknown_name
from physode.trajectories.attributes import check_attributes
from physode.trajectories.contract import INPUT_DIMS, INTERPOLATIONS, ROLES, SCHEMA, time_dim, times
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
    _check_input_clock(ds)
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
    if ds["time"].dtype.kind in "Mm":
        raise DataError(
            f"the coordinate 'time' is {ds['time'].dtype}, not float64; give numbers, for example seconds since the first row: "
            "ds.assign_coords(time=(ds['time'] - ds['time'][0]) / np.timedelta64(1, 's'))."
        )
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


def _check_input_clock(ds: xr.Dataset) -> None:
    found = [dim for dim in INPUT_DIMS if dim in ds.dims]
    if not found:
        return
    if len(found) > 1:
        raise DataError(
            "the record has the dimensions 'input_time' (inputs sampled at the same times in all trajectories) and 'input_obs' (at times "
            "of their own); use one of them."
        )
    dims = ("input_time",) if found == ["input_time"] else ("trajectory", "input_obs")
    if "input_time" not in ds.coords:
        raise DataError(
            f"inputs lie along the dimension {found[0]!r}, and the record has no coordinate 'input_time' with the times of their samples; "
            f"add it with ds.assign_coords(input_time=({dims}, ...))."
        )
    clock = ds["input_time"]
    if clock.dims != dims:
        raise DataError(f"the coordinate 'input_time' has the dimensions {clock.dims}, not {dims}. {_MAKERS}")
    if clock.dtype != np.float64:
        raise DataError(f"the coordinate 'input_time' is {clock.dtype}, not float64; convert it with .astype('float64').")
    units, own = ds["time"].attrs.get("units"), clock.attrs.get("units")
    if own is not None and own != units:
        raise DataError(f"the coordinate 'input_time' has the units {own!r} and 'time' {units!r}; give both in the same units.")


def _check_variable(variable: xr.DataArray, name: object, dim: str) -> None:
    check_name(name)
    where = f"variable {name!r}"
    check_attributes(variable.attrs, where)
    role = variable.attrs.get("role")
    if role is None:
        raise DataError(f"{where} has no role; set it, for example ds[{name!r}].attrs['role'] = 'state'. Roles: {', '.join(ROLES)}.")
    if role not in ROLES:
        raise DataError(f"{where}: {unknown_name('role', str(role), ROLES)}")
    if "interpolation" in variable.attrs and role != "input":
        raise DataError(f"{where} has the attribute 'interpolation' and the role {role!r}; only inputs are interpolated. Remove it.")
    if "interpolation" in variable.attrs and variable.attrs["interpolation"] not in INTERPOLATIONS:
        raise DataError(f"{where}: {unknown_name('interpolation', str(variable.attrs['interpolation']), INTERPOLATIONS)}")
    along = {("trajectory", dim), *((("trajectory", own) for own in INPUT_DIMS) if role == "input" else ())}
    if role in ("noise", "parameter"):
        if set(variable.dims) - {"trajectory"} and not (role == "noise" and variable.dims == ("trajectory", dim)):
            each = ", or one for each measurement" if role == "noise" else ""
            found = f"{where} has the role {role!r} and the dimensions {variable.dims}"
            raise DataError(f"{found}; it must be one number, or one for each trajectory{each}.")
    elif variable.dims not in along:
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
    else:
        _check_each(times(ds), labels, "row")
    if "input_time" in ds.dims:
        check_increasing(ds["input_time"].values, labels[0] if labels else 0, lambda i: f"sample {i + 1} of the inputs")
    elif "input_obs" in ds.dims:
        _check_each(ds["input_time"].values, labels, "input sample")


def _check_each(clock: np.ndarray, labels: list[object], what: str) -> None:
    for row, label in zip(clock, labels, strict=True):
        n_valid = int(np.count_nonzero(~np.isnan(row)))
        if np.isnan(row[:n_valid]).any():
            raise DataError(
                f"trajectory {label!r}: a missing time lies before a valid one ({what} {int(np.flatnonzero(np.isnan(row))[0]) + 1}); "
                f"padding belongs at the end. {_MAKERS}"
            )
        check_increasing(row[:n_valid], label, lambda i: f"{what} {i + 1}")
