"""Trees as files: written whole or not at all, read into memory, and damaged ones told plainly."""

from __future__ import annotations

import os
from pathlib import Path

import xarray as xr

from physode.errors import FileFormatError
from physode.files import atomic_path

__all__ = ["open_result", "read_tree", "tree_bytes", "write_tree"]


def write_tree(tree: xr.DataTree, path: str | os.PathLike[str]) -> None:
    """Write a tree as netCDF, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(tree_bytes(tree))


def tree_bytes(tree: xr.DataTree) -> bytes:
    """Give a tree as the bytes of a netCDF file."""
    return bytes(tree.to_netcdf(engine="h5netcdf"))


def read_tree(path: str | os.PathLike[str]) -> xr.DataTree:
    """Read a tree into memory and close the file.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged or something else.
    """
    if not Path(path).is_file():
        raise FileFormatError(f"{path} is not there; give the netCDF file of a comparison, for example runs/pendulum/result.nc.")
    try:
        with xr.open_datatree(path, engine="h5netcdf", decode_timedelta=False) as tree:
            return tree.load().copy(deep=True)
    except Exception as error:
        raise FileFormatError(
            f"{path} cannot be read as netCDF ({type(error).__name__}: {error}); it is damaged or another kind of file."
        ) from None


def open_result(path: str | os.PathLike[str]) -> xr.DataTree:
    """Read the result of a comparison.

    Parameters
    ----------
    path : path
        ``result.nc``, or the folder that holds it.

    Returns
    -------
    xarray.DataTree
        What `physode.compare` returned; in memory, the file is closed.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, or not the result of a comparison.

    Examples
    --------
    >>> open_result("no-such-folder")
    Traceback (most recent call last):
    physode.errors.FileFormatError: no-such-folder is not there; give the netCDF file of a comparison, for example runs/pendulum/result.nc.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "result.nc"
    tree = read_tree(path)
    missing = [name for name in ("observations", "predictions", "training", "metrics", "models") if name not in tree.children]
    if missing:
        raise FileFormatError(f"{path} holds no comparison: the groups {', '.join(missing)} are missing.")
    return tree
