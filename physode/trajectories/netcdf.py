"""Records in netCDF files, written whole or not at all, and read back bit for bit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from physode.errors import DataError, FileFormatError
from physode.files import atomic_path
from physode.trajectories.attributes import plain_attributes
from physode.trajectories.structure import check_structure

__all__ = ["read", "record_bytes", "write"]

_FILL_NAMES = ("_FillValue", "missing_value")


def write(ds: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a record to a netCDF file, completely or not at all.

    Parameters
    ----------
    ds : xarray.Dataset
        A record, or a prediction on its coordinates.
    path : path
        The file, usually ``*.nc``. Its folder must exist.
    overwrite : bool, default False
        Whether a file of that name may be replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ExistsError
        If there is a file of that name and `overwrite` is false; it is left alone.
    DataError
        If the record does not have the form of the data contract.

    See Also
    --------
    read

    Examples
    --------
    >>> import pathlib, tempfile, physode.trajectories as trajectories
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.nc"
    >>> ds = trajectories.from_numpy([0.0, 1.0, 2.0], [1.0, 2.0, 4.0], ["x"], units={"x": "m"})
    >>> trajectories.read(trajectories.write(ds, path)).identical(ds)
    True
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileFormatError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(record_bytes(ds))
    return path


def record_bytes(ds: xr.Dataset) -> bytes:
    """Give a record as the bytes of a netCDF file: made in memory, since HDF5 crashes the process where a disk is full.

    Raises
    ------
    DataError
        If the record does not have the form of the data contract.
    """
    clean = check_structure(ds).drop_encoding()
    encoding: dict[Any, dict[str, Any]] = {}
    for name, variable in clean.variables.items():
        if variable.dtype.kind == "f":
            encoding[name] = {"_FillValue": None}
        if variable.dtype.kind in "fi" and variable.size:
            # HDF5 keeps checksums of chunks only, so the whole variable is one chunk or a few.
            encoding.setdefault(name, {}).update({"fletcher32": True, "chunksizes": variable.shape} if variable.ndim else {})
    return bytes(clean.to_netcdf(engine="h5netcdf", encoding=encoding))


def read(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a record from a netCDF file, into memory.

    Parameters
    ----------
    path : path
        A file from `write`, or any netCDF file that keeps the data contract.

    Returns
    -------
    xarray.Dataset
        What was written, bit for bit; NaN for the fill values of other files.

    Raises
    ------
    FileFormatError
        If there is no such file, or if it is damaged, not netCDF, or no record; the message names the file.

    See Also
    --------
    write, validate

    Examples
    --------
    >>> import physode.trajectories as trajectories
    >>> trajectories.read("nowhere.nc")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    physode.errors.FileFormatError: there is no file nowhere.nc...
    """
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"there is no file {path}; look at its name and the current folder ({Path.cwd()}).")
    try:
        with h5py.File(path, "r") as file:  # h5netcdf would leave a half-open file behind if one of these two steps fails
            len(file.attrs)
        raw = xr.load_dataset(path, engine="h5netcdf", mask_and_scale=False, decode_times=False, decode_timedelta=False)
    except Exception as error:  # a damaged file may raise anything from the depth of HDF5
        raise FileFormatError(
            f"{path} cannot be read as netCDF; it is damaged, cut off or of another kind ({type(error).__name__}: {error}). "
            "Write it again, or give it as CSV."
        ) from error
    ds = raw.drop_encoding()
    ds.attrs = plain_attributes(ds.attrs)
    for name in ds.variables:
        ds[name].attrs = plain_attributes(ds[name].attrs)
        if ds[name].dtype.kind == "f":  # a fill value of labels, or of packed numbers, is no number of the record: it is told below
            ds[name] = _unfilled(ds[name])
    for name in ("trajectory", "split"):
        if name in ds.coords and ds[name].dtype.kind in "OT":
            ds = ds.assign_coords({name: (ds[name].dims, np.array(ds[name].values.tolist(), dtype=str), ds[name].attrs)})
    try:
        return check_structure(ds)
    except DataError as error:
        raise FileFormatError(f"{path} is a netCDF file, but not a record of physode: {error}") from error


def _unfilled(variable: xr.DataArray) -> xr.DataArray:
    """Put NaN for the fill values that a file names, as xarray's own files do for every float, and leave their names out."""
    told = [name for name in _FILL_NAMES if not isinstance(variable.attrs.get(name, ""), str)]
    fills = [value for name in told for value in np.atleast_1d(variable.attrs.pop(name))]
    filled = np.isin(variable.values, np.array(fills, dtype=variable.dtype))
    return variable.where(~filled) if filled.any() else variable
