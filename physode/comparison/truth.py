"""What is known of the truth behind a record: its noise-free states, and the system that made it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from physode import systems
from physode.errors import DataError, UnknownNameError
from physode.trajectories import parameter_names, state_names, true_states
from physode.trajectories.truth import TRUE_SUFFIX

__all__ = ["Truth", "resolve_truth"]


@dataclass(frozen=True)
class Truth:
    """The truth behind a record, as far as it is known."""

    states: xr.Dataset | None = None
    system: systems.System | None = None


def resolve_truth(record: xr.Dataset, truth: xr.Dataset | systems.System | None = None) -> tuple[xr.Dataset, Truth]:
    """Find the truth behind a record.

    Parameters
    ----------
    record : xarray.Dataset
        A record; a simulated one brings its truth along.
    truth : Dataset or System, optional
        A simulated record with the same coordinates, or the system that made this one. By default what the record says itself.

    Returns
    -------
    record : xarray.Dataset
        With the variables ``<state>_true`` of a truth that was given beside it.
    truth : Truth
        What is known.

    Raises
    ------
    DataError
        If a truth was given that does not fit the record.
    """
    if isinstance(truth, xr.Dataset):
        states = true_states(truth)
        if states is None:
            raise DataError("the truth is a record without noise-free states; give a simulated record, or a system.")
        record = _beside(record, states)
        system = _system_of(truth) or _system_of(record)
    else:
        system = truth if truth is not None else _system_of(record)
        if truth is not None and not set(truth.states) & set(names := state_names(record)):
            raise DataError(
                f"{truth.name!r} moves {', '.join(truth.states)}, and the record holds {', '.join(names)}; give its own system."
            )
    return record, Truth(true_states(record), system)


def _beside(record: xr.Dataset, states: xr.Dataset) -> xr.Dataset:
    """Add noise-free states to a record that has none of its own."""
    for name in ("trajectory", "time"):
        if name not in states.coords or not np.array_equal(states[name].values, record[name].values, equal_nan=name == "time"):
            raise DataError(f"the truth and the record differ in {name!r}; simulate the truth at the record's times and trajectories.")
    added = {}
    for state, variable in states.data_vars.items():
        if f"{state}{TRUE_SUFFIX}" not in record:
            added[f"{state}{TRUE_SUFFIX}"] = variable.assign_attrs(role="truth").variable
    return record.assign(added)


def _system_of(record: xr.Dataset) -> systems.System | None:
    """Rebuild the system that a record names, if it is one of the registry's and has one value per parameter."""
    parameters = {}
    for name in parameter_names(record):
        if record[name].ndim:
            return None
        parameters[name] = float(record[name])
    try:
        return systems.get(str(record.attrs["system"]), **parameters)
    except (KeyError, UnknownNameError):
        return None
