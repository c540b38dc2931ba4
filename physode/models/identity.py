"""What makes a fit the one it is, so that another one is not taken up in its place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from physode.trajectories import input_names, state_names

if TYPE_CHECKING:
    from physode.models.base import AbstractModel

__all__ = ["identity"]


def identity(model: AbstractModel, records: Sequence[xr.Dataset], seeds: Sequence[int], validation: xr.Dataset | None) -> dict[str, str]:
    """Describe a fit, in words that an error can use.

    Parameters
    ----------
    model : AbstractModel
    records : sequence of Dataset
    seeds : sequence of int
    validation : Dataset or None

    Returns
    -------
    dict of str to str
        JSON-ready; equal for the same fit only. Of records names, roles, units and noise count as well as values.
    """
    return {
        "model": f"{model!r}",
        "record": " ".join(_digest(record) for record in records),
        "seed": ", ".join(str(seed) for seed in seeds),
        "validation record": "none" if validation is None else _digest(validation),
    }


def _digest(ds: xr.Dataset) -> str:
    """Hash all variables with their attributes, and the order of states and inputs, which is that of the parameters.

    What is said of the record as a whole, such as when it was made, does not matter.
    """
    found = hashlib.sha256(json.dumps([state_names(ds), input_names(ds)]).encode())
    for name in sorted(ds.variables, key=str):
        variable = ds[name]
        about = [str(name), [str(dim) for dim in variable.dims], list(variable.shape), str(variable.dtype)]
        found.update(json.dumps([*about, variable.attrs], default=str, sort_keys=True).encode())
        numbers = variable.values if variable.dtype != object else variable.values.astype(str)
        found.update(np.ascontiguousarray(numbers).tobytes())
    return found.hexdigest()
