"""Records from arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physode.errors import DataError
from physode.trajectories.build import Columns, assemble, listed, trajectory_labels
from physode.trajectories.increasing import check_increasing
from physode.trajectories.provenance import provenance
from physode.trajectories.validation import validate

__all__ = ["from_numpy"]


def from_numpy(
    time: ArrayLike | Sequence[ArrayLike],
    values: ArrayLike | Sequence[ArrayLike],
    states: Sequence[str],
    *,
    inputs: Mapping[str, ArrayLike | Sequence[ArrayLike]] | None = None,
    input_time: ArrayLike | Sequence[ArrayLike] | None = None,
    interpolation: Mapping[str, str] | None = None,
    trajectories: Sequence[str | int] | None = None,
    units: Mapping[str, str] | None = None,
    roles: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Make a record from arrays.

    Parameters
    ----------
    time : array_like, shape (n,) or (trajectory, n), or a list of arrays of different lengths
        The times: shared by all trajectories, or those of each.
    values : array_like, shape (n,), (n, state) or (trajectory, n, state), or a list of arrays of shape (n_i, state)
        The measured states, NaN where one is missing. Shape (n,) is one trajectory of one state.
    states : sequence of str
        Names of the states, in the order of the last axis of `values`.
    inputs : mapping from name to array_like, optional
        Inputs u(t), each of the shape of `time`, or of `input_time`: shared by all trajectories, or one row (or list element) for each.
    input_time : array_like, shape (m,) or (trajectory, m), or a list of arrays, optional
        The times of the inputs' samples, if they are not those of the states.
    interpolation : mapping from input to {"linear", "previous"}, optional
        What an input is between its samples: linear (the default), or held from the previous one. An input that is named here may be NaN
        where it was not sampled.
    trajectories : sequence of str or int, optional
        Labels of the trajectories; by default 0, 1, 2, ...
    units : mapping from name to str, optional
        Units of the states, the inputs and ``"time"``.
    roles : mapping from state to str, optional
        As in `from_dataframe`.

    Returns
    -------
    xarray.Dataset
        Dimensions ``(trajectory, time)`` if all trajectories have the same times, else ``(trajectory, obs)``; float64.

    Raises
    ------
    DataError
        If shapes do not fit each other, or if the record is not one that could be fitted (see `validate`).

    See Also
    --------
    from_dataframe, read_csv

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> time = np.linspace(0, 1, 11)
    >>> ds = trajectories.from_numpy(time, np.column_stack([np.sin(time), np.cos(time)]), ["x", "v"],
    ...                              units={"x": "m", "v": "m s-1", "time": "s"}, roles={"x": "position", "v": "velocity"})
    >>> dict(ds.sizes)
    {'trajectory': 1, 'time': 11}
    >>> ds["v"].attrs["time_derivative_of"]
    'x'
    """
    states = listed("states", states)
    blocks = _blocks(values, len(states))
    per_trajectory = _per_trajectory(time, len(blocks), "time")
    if trajectories is not None and len(trajectories) != len(blocks):
        raise DataError(f"{len(trajectories)} trajectory labels were given for {len(blocks)} trajectories in the values.")
    labels = trajectory_labels(range(len(blocks)) if trajectories is None else trajectories)
    driven = {name: _per_trajectory(series, len(blocks), f"the input {name!r}") for name, series in (inputs or {}).items()}
    clock = None if input_time is None else _per_trajectory(input_time, len(blocks), "input_time")
    for i, (label, block) in enumerate(zip(labels.tolist(), blocks, strict=True)):
        if len(per_trajectory[i]) != len(block):
            raise DataError(
                f"trajectory {label!r} has {len(block)} rows of values but {len(per_trajectory[i])} of 'time'; give one for each row."
            )
        wanted, of = (len(block), "rows of values") if clock is None else (len(clock[i]), "times in input_time")
        for name, series in driven.items():
            if len(series[i]) != wanted:
                raise DataError(f"trajectory {label!r} has {wanted} {of} but {len(series[i])} of {name!r}; give one for each row.")
        check_increasing(per_trajectory[i], label, lambda j: f"row {j + 1}")
        if clock is not None:
            check_increasing(clock[i], label, lambda j: f"input sample {j + 1}")
    data = {name: [block[:, k] for block in blocks] for k, name in enumerate(states)} | driven
    if len(data) != len(states) + len(driven):
        raise DataError(f"a name is used twice among the states {list(states)} and inputs {list(driven)}; give each its own.")
    columns = Columns("time", states, list(driven), units, roles, interpolation)
    return validate(assemble(columns, labels, per_trajectory, data, provenance("from_numpy"), clock))


_OTHER = {"M": "dates", "m": "time spans", "c": "complex numbers"}
"""Kinds of numpy's types that would turn into numbers of another meaning."""


def _array(found: Any, what: str) -> NDArray[np.float64]:
    """Turn anything into numbers, masked values into NaN."""
    try:
        whole = np.asarray(found)
        parts = whole.flat if whole.dtype.kind == "O" else [whole]  # objects may be dates one by one
        other = {np.asarray(part).dtype.kind for part in parts} & set(_OTHER)
        if not other:
            return np.asarray(np.ma.filled(np.ma.asarray(found, dtype=np.float64), np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} could not be turned into numbers: {error}.") from error
    kind = min(other)
    hint = "" if kind == "c" else ", for example seconds since the first row"
    raise DataError(f"{what} holds {_OTHER[kind]}; give real numbers{hint}.")


def _is_ragged(found: Any) -> bool:
    return isinstance(found, (list, tuple)) and bool(found) and len({np.shape(part)[:1] for part in found}) > 1


def _blocks(found: Any, n_states: int) -> list[NDArray[np.float64]]:
    """Give one array of shape (n_i, state) per trajectory."""
    if _is_ragged(found):
        parts = [_array(part, "values") for part in found]
        blocks = [part[:, None] if part.ndim == 1 else part for part in parts]
    else:
        whole = _array(found, "values")
        if whole.ndim == 1:
            whole = whole[:, None]
        blocks = [whole] if whole.ndim == 2 else list(whole) if whole.ndim == 3 else []
    if not blocks:
        raise DataError(
            f"values have the shape {np.shape(found)}; give (n,), (n, state) or (trajectory, n, state) with at least one trajectory, "
            "or a list of arrays (n_i, state)."
        )
    for block in blocks:
        if block.ndim != 2 or block.shape[1] != n_states:
            raise DataError(
                f"values of a trajectory have the shape {block.shape}, but {n_states} states were named; the last axis is the state."
            )
    return blocks


def _per_trajectory(found: Any, n_trajectories: int, what: str) -> list[NDArray[np.float64]]:
    """Give one array of shape (n_i,) per trajectory."""
    if _is_ragged(found):
        parts = [_array(part, what) for part in found]
    else:
        whole = _array(found, what)
        parts = [whole] * n_trajectories if whole.ndim == 1 else list(whole) if whole.ndim else [whole]
    if len(parts) != n_trajectories or any(part.ndim != 1 for part in parts):
        raise DataError(
            f"{what} has the shape {np.shape(parts[0]) if len(parts) == 1 else (len(parts), *np.shape(parts[0]))}; "
            f"give one series, or one for each of the {n_trajectories} trajectories."
            if parts
            else f"{what} is empty; give one series, or one for each trajectory."
        )
    return parts
