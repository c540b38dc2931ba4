"""Records by name: those that physode ships, and those that you fetch once and that it checks."""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from physode.errors import DataError, FileFormatError, unknown_name
from physode.files import sha256
from physode.trajectories.arrays import from_numpy
from physode.trajectories.columns import missing_column, numbers
from physode.trajectories.csvfile import read_table
from physode.trajectories.provenance import provenance

__all__ = ["DATA_VARIABLE", "describe", "load_dataset", "names", "official_split"]

DATA_VARIABLE = "PHYSODE_DATA"
"""The environment variable that names the folder of data sets that physode does not ship."""


def names() -> list[str]:
    """Name the data sets.

    Examples
    --------
    >>> import physode.datasets
    >>> physode.datasets.names()
    ['cascaded-tanks', 'f16', 'hudson-bay', 'silverbox']
    """
    return sorted(_registry())


def describe() -> pd.DataFrame:
    """Tell of each data set what it is, whether it is here, and whom to cite.

    Returns
    -------
    pandas.DataFrame
        One row per data set, with the columns ``title``, ``states``, ``inputs``, ``available`` (bool: can be loaded now), ``licence``,
        ``citation``, ``doi`` and ``source``.

    Examples
    --------
    >>> import physode.datasets
    >>> physode.datasets.describe()["states"].to_dict()
    {'cascaded-tanks': 'y', 'f16': 'Acceleration1, Acceleration2, Acceleration3', 'hudson-bay': 'hare, lynx', 'silverbox': 'V2'}
    """
    rows = []
    for name in names():
        entry = _registry()[name]
        path = _path(entry, None)
        rows.append(
            {
                "name": name,
                "title": entry["title"],
                "states": ", ".join(label for label, about in entry["variables"].items() if about["role"] != "input"),
                "inputs": ", ".join(label for label, about in entry["variables"].items() if about["role"] == "input"),
                "available": path is not None and path.is_file(),
                **{key: entry[key] for key in ("licence", "citation", "doi", "source")},
            }
        )
    return pd.DataFrame(rows).set_index("name")


def load_dataset(name: str, *, directory: str | os.PathLike[str] | None = None) -> xr.Dataset:
    """Load a data set by its name.

    Parameters
    ----------
    name : str
        One of `names`.
    directory : path, optional
        The folder of data sets that physode does not ship; by default the one that the environment variable ``PHYSODE_DATA`` names.

    Returns
    -------
    xarray.Dataset
        A record, with ``source``, ``licence``, ``citation`` and ``doi`` among its attributes.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    DataError
        If it must be fetched first; the message says from where and to where.
    FileFormatError
        If the file is not the one that was registered, by its SHA-256.

    Examples
    --------
    >>> import physode
    >>> ds = physode.load_dataset("hudson-bay")
    >>> ds["lynx"].sel(time=1904.0).item(), ds["lynx"].attrs["units"], ds["time"].attrs["units"]
    (59.4, 'thousand pelts', 'year')
    """
    if name not in _registry():
        raise unknown_name("data set", name, names())
    entry = _registry()[name]
    path = _path(entry, directory)
    if path is None or not path.is_file():
        raise _to_fetch(name, entry, path)
    found = sha256(path)
    if found != entry["sha256"]:
        raise FileFormatError(
            f"{path} is not the file of the data set {name!r}: its SHA-256 begins with {found[:12]}, registered is {entry['sha256'][:12]}. "
            f"It was changed or cut off; fetch it again from {entry['source']}."
        )
    return _record(name, entry, path)


def official_split(name: str, *, directory: str | os.PathLike[str] | None = None) -> dict[str, xr.Dataset]:
    """Load the parts of a benchmark record as its authors cut them.

    Parameters
    ----------
    name : {"cascaded-tanks", "silverbox"}
    directory : path, optional
        See `load_dataset`.

    Returns
    -------
    dict of str to xarray.Dataset
        "train", and the parts that are only scored. Each has the attribute ``window``: from so many of its first samples the initial
        state may be estimated, and they are not scored. Nothing may be chosen by a test part; a validation part is cut from "train".

    Raises
    ------
    UnknownNameError
        If there is no official split of that data set.
    DataError, FileFormatError
        As `load_dataset`.

    Notes
    -----
    The parts and windows are those of version 1.0.1 of the package nonlinear-benchmarks [1]_; before, the window of the tanks was 5.

    References
    ----------
    .. [1] G. I. Beintema, M. Schoukens, nonlinear_benchmarks, https://github.com/MaartenSchoukens/nonlinear_benchmarks.

    See Also
    --------
    physode.analysis.simulation_error : scores a model on a part.
    """
    protocols = {key: entry["protocol"] for key, entry in _registry().items() if "protocol" in entry}
    if name not in protocols:
        raise unknown_name("official split", name, protocols)
    ds, parts = load_dataset(name, directory=directory), protocols[name]["parts"]
    return {
        part: ds.isel({dim: slice(*limits) for dim, limits in where.items()}).assign_attrs(
            provenance(f"official split, {part}", before=ds.attrs), window=protocols[name]["window"]
        )
        for part, where in parts.items()
    }


@cache
def _registry() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = json.loads((_folder() / "registry.json").read_text(encoding="utf-8"))
    return entries


def _folder() -> Path:
    """Find the data in an installed package, or else in the checkout."""
    package = Path(str(files("physode")))
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent / "datasets"


def _path(entry: dict[str, Any], directory: str | os.PathLike[str] | None) -> Path | None:
    """Say where the file is, or should be; None if no folder was named."""
    if "file" in entry:
        return _folder() / str(entry["file"])
    root = directory if directory is not None else os.environ.get(DATA_VARIABLE)
    return Path(root).expanduser() / str(entry["external"]) if root else None


def _to_fetch(name: str, entry: dict[str, Any], path: Path | None) -> DataError:
    if path is None:
        found = f"the environment variable {DATA_VARIABLE}, which names the folder of such files, is not set"
        target = f"<folder>/{entry['external']}, with {DATA_VARIABLE}=<folder> in the environment"
    else:
        found, target = f"{path} does not exist", str(path)
    return DataError(
        f"the data set {name!r} does not come with physode (licence: {entry['licence']}), and {found}. "
        f"Download {Path(entry['external']).name} from {entry['source']} (doi:{entry['doi']}) and keep it as {target}."
    )


def _record(name: str, entry: dict[str, Any], path: Path) -> xr.Dataset:
    table = read_table(path)
    variables: dict[str, dict[str, str]] = entry["variables"]
    states = [label for label, about in variables.items() if about["role"] != "input"]
    inputs = [label for label, about in variables.items() if about["role"] == "input"]
    trajectories: dict[str, dict[str, str]] = entry.get("trajectories", {"0": {label: label for label in variables}})

    def column(label: str, use: str) -> np.ndarray:
        if label not in table.columns:
            raise missing_column(label, table.columns, use)
        return numbers(table[label], label, lambda i: f"line {table.index[i]}")

    ds = from_numpy(
        column(entry["time"]["column"], "time") if "column" in entry["time"] else np.arange(len(table)) / entry["time"]["rate"],
        np.stack([np.column_stack([column(columns[label], "state") for label in states]) for columns in trajectories.values()]),
        states,
        inputs={label: np.stack([column(columns[label], "input") for columns in trajectories.values()]) for label in inputs},
        trajectories=list(trajectories),
        units={"time": entry["time"]["units"], **{label: about["units"] for label, about in variables.items()}},
        roles={label: variables[label]["role"] for label in states},
    )
    for label, about in variables.items():
        ds[label].attrs["long_name"] = about["long_name"]
    facts = {key: entry[key] for key in ("title", "source", "licence", "citation", "doi")}
    return ds.assign_attrs(provenance(f"load_dataset {name}", dataset=name, **facts))
