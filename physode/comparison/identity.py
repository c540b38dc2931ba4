"""What makes two cells the same: canonical JSON and digests of the data and of the code that fits it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physode.errors import PhysodeError

__all__ = ["canonical_json", "code_digest", "config_id", "data_digest"]

_FITTING_CODE = ("trajectories", "systems", "fields", "solvers", "training", "models", "analysis", "comparison")


def canonical_json(config: Mapping[str, Any]) -> str:
    """Write a configuration as the one JSON text that stands for it: sorted keys, no spaces, no NaN.

    Parameters
    ----------
    config : mapping
        Strings, numbers, booleans, None, lists, tuples and mappings of them; NumPy scalars count as numbers.

    Returns
    -------
    str
        Equal configurations give equal texts.

    Raises
    ------
    PhysodeError
        If a value cannot be written, so that two different configurations could not be told apart.

    Examples
    --------
    >>> canonical_json({"seed": 1, "hidden": (64, 64)})
    '{"hidden":[64,64],"seed":1}'
    """

    def plain(value: object) -> object:
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return value.tolist()
        raise TypeError(f"a {type(value).__name__} ({value!r})")

    try:
        return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain)
    except (TypeError, ValueError) as error:
        raise PhysodeError(
            f"this configuration cannot be written as JSON: {error}. Use numbers, strings, lists and mappings only, for example "
            f"activation='tanh' in place of a function."
        ) from None


def config_id(config: Mapping[str, Any]) -> str:
    """Return the name of the cell with that configuration: 16 hexadecimal digits.

    Examples
    --------
    >>> config_id({"seed": 1}) == config_id({"seed": 1}) != config_id({"seed": 2})
    True
    """
    return hashlib.sha256(canonical_json(config).encode()).hexdigest()[:16]


def data_digest(ds: xr.Dataset) -> str:
    """Return the SHA-256 of what a record says: its variables, coordinates, dimensions and their attributes.

    The record's own attributes (when it was made, its history) are left out, so that a record simulated again is the same record.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> one = xr.Dataset({"x": ("time", [1.0, 2.0])}, attrs={"created_at": "now"})
    >>> data_digest(one) == data_digest(one.assign_attrs(created_at="later"))
    True
    >>> data_digest(one) == data_digest(one + 1)
    False
    """
    digest = hashlib.sha256()
    for name in sorted(str(name) for name in ds.variables):
        variable = ds[name].variable
        data = np.ascontiguousarray(variable.values)
        raw = json.dumps(data.tolist()).encode() if data.dtype.kind in "OUST" else data.tobytes()
        attrs = {str(key): np.asarray(value).tolist() for key, value in variable.attrs.items()}
        kind = "text" if data.dtype.kind in "OUST" else data.dtype.str
        head = json.dumps([name, [str(dim) for dim in variable.dims], list(data.shape), kind, attrs, len(raw)], sort_keys=True)
        digest.update(head.encode())
        digest.update(raw)
    return digest.hexdigest()


@functools.cache
def code_digest() -> str:
    """Return the SHA-256 of the source files that decide what a fit gives.

    A cell made by other code is another cell: an edited or upgraded physode never passes off its predecessor's results as its own.
    """
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for package in _FITTING_CODE:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
