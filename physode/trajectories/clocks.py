"""Inputs u(t) between their samples, which lie on the observations' clock or on one of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.trajectories.contract import INPUT_DIMS, interpolation, sample_names, time_dim, times

__all__ = ["OneClock", "input_times", "input_values", "on_one_clock", "own_clock_names", "sample_times", "trim_inputs"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
SAME = 1e-9
"""Share of the typical gap between observations below which an input's sample and an observation are at the same time."""


def own_clock_names(ds: xr.Dataset) -> list[str]:
    """Name the inputs that are sampled on a clock of their own."""
    return [str(name) for name, variable in ds.data_vars.items() if set(variable.dims) & set(INPUT_DIMS)]


def input_times(ds: xr.Dataset) -> Array:
    """Give the times of the inputs' own clock, shape (trajectory, n); NaN is padding.

    A sample that differs from an observation's time by rounding alone gets that time.
    """
    clock = np.asarray(ds["input_time"].values, dtype=np.float64)
    clock = np.tile(clock, (ds.sizes["trajectory"], 1)) if clock.ndim == 1 else clock
    return np.array([_snapped(row, seen[np.isfinite(seen)]) for row, seen in zip(clock, times(ds), strict=True)]).reshape(clock.shape)


def _snapped(clock: Array, seen: Array) -> Array:
    if len(seen) < 2:
        return clock
    right = np.clip(np.searchsorted(seen, clock), 1, len(seen) - 1)
    nearest = np.where(clock - seen[right - 1] < seen[right] - clock, seen[right - 1], seen[right])
    return np.where(np.abs(clock - nearest) <= SAME * float(np.median(np.diff(seen))), nearest, clock)


def sample_times(ds: xr.Dataset, name: str) -> Array:
    """Give the times at which a variable is sampled, shape (trajectory, n); NaN is padding."""
    return times(ds) if time_dim(ds) in ds[name].dims else input_times(ds)


def input_values(ds: xr.Dataset, names: Sequence[str], at: Array | None = None) -> Array:
    """Give the inputs of a record as one array, at its observations or at other times.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.
    names : sequence of str
        Inputs, in the wanted order.
    at : ndarray, shape (trajectory, n), optional
        Times, NaN where padded; by default those of the observations.

    Returns
    -------
    ndarray of float64, shape (trajectory, n, len(names))
        Between samples as the attribute ``interpolation`` says. NaN where the time is, and where no sample covers it: before the first
        one, after the last one of an input that is linear between its samples, and at a missing value of an input without the attribute.

    Examples
    --------
    >>> import physode.trajectories as trajectories
    >>> ds = trajectories.from_numpy([0, 1, 2], [1.0, 2.0, 4.0], ["x"], inputs={"u": [5.0, 7.0]}, input_time=[0, 1.5],
    ...                              interpolation={"u": "previous"})
    >>> trajectories.input_values(ds, ["u"])[0, :, 0].tolist()
    [5.0, 5.0, 7.0]
    """
    wanted = times(ds) if at is None else at
    out = np.full((*wanted.shape, len(names)), np.nan)
    for k, name in enumerate(names):
        clock, sampled = sample_times(ds, name), ds[name].transpose("trajectory", ...).values
        said = "interpolation" in ds[name].attrs
        for row, t in enumerate(wanted):
            known = np.isfinite(clock[row]) & np.isfinite(sampled[row])
            out[row, :, k] = _between(t, clock[row, known], sampled[row, known], interpolation(ds[name]))
            if not said:  # nobody allowed for gaps, so that a missing value stays one
                out[row, np.isin(t, clock[row, ~known]), k] = np.nan
    return out


def _between(t: Array, clock: Array, sampled: Array, kind: str) -> Array:
    if not len(clock):
        return np.full_like(t, np.nan)
    if kind == "previous":
        last = np.searchsorted(clock, t, side="right") - 1
        return np.where((last >= 0) & np.isfinite(t), sampled[last], np.nan)
    return np.asarray(np.interp(t, clock, sampled, left=np.nan, right=np.nan))


@dataclass(frozen=True)
class OneClock:
    """A record with all its inputs at every one of its rows.

    Attributes
    ----------
    record : xarray.Dataset
        Its rows are the observations and, between the first and the last of a trajectory, the samples of the inputs; at these nothing
        was measured. No input jumps or bends but at a row.
    rows : ndarray of int, shape (trajectory, n)
        Row of each observation; in the padding of a short trajectory the last one.
    """

    record: xr.Dataset
    rows: Rows


def on_one_clock(ds: xr.Dataset) -> OneClock:
    """Lay a record out so that each row has its inputs; one that has them already comes back as it is."""
    inputs = [str(name) for name, variable in ds.data_vars.items() if variable.attrs.get("role") == "input"]
    if not own_clock_names(ds):
        dims = ("trajectory", time_dim(ds))
        gaps = [name for name in inputs if "interpolation" in ds[name].attrs and np.isnan(ds[name].values).any()]
        filled = {name: (dims, input_values(ds, [name])[..., 0], ds[name].attrs) for name in gaps}
        return OneClock(ds.assign(filled), np.tile(np.arange(ds.sizes[dims[1]]), (ds.sizes["trajectory"], 1)))
    seen, clock = times(ds), input_times(ds)
    inside = (clock > seen[:, :1]) & (clock < np.nanmax(seen, axis=1, keepdims=True))
    every = union_times(seen, np.where(inside, clock, np.nan))
    regular = time_dim(ds) == "time" and bool((every == every[0]).all())
    dims = ("trajectory", "time" if regular else "obs")
    rows = rows_of(seen, every)
    variables = {str(name): variable.variable for name, variable in ds.data_vars.items() if set(variable.dims) <= {"trajectory"}}
    for name in sample_names(ds):
        variables[name] = xr.Variable(dims, spread(ds[name].transpose("trajectory", ...).values, rows, seen, every.shape), ds[name].attrs)
    for name in inputs:
        variables[name] = xr.Variable(dims, input_values(ds, [name], every)[..., 0], ds[name].attrs)
    time = (("time",), every[0], ds["time"].attrs) if regular else (dims, every, ds["time"].attrs)
    record = xr.Dataset(variables, {"trajectory": ds["trajectory"].variable, "time": time}, ds.attrs)
    return OneClock(record[[name for name in ds.data_vars if name in record]], rows)


def union_times(one: Array, other: Array) -> Array:
    """Join two clocks, each of shape (trajectory, n), NaN anywhere; padded with NaN at the end."""
    joined = [np.unique(row[np.isfinite(row)]) for row in np.concatenate([one, other], axis=1)]
    out = np.full((len(joined), max(map(len, joined), default=0)), np.nan)
    for row, found in zip(out, joined, strict=True):
        row[: len(found)] = found
    return out


def rows_of(clock: Array, every: Array) -> Rows:
    """Position of each time of a clock in a union that has it; for NaN the last one."""
    ends = np.isfinite(every).sum(axis=1) - 1
    found = [np.searchsorted(union[: end + 1], row) for row, union, end in zip(clock, every, ends, strict=True)]
    return np.asarray(np.minimum(np.array(found, dtype=np.intp).reshape(clock.shape), ends[:, None]))


def spread(
    values: NDArray[np.generic], rows: Rows, clock: Array, shape: tuple[int, ...], blank: float | str = np.nan
) -> NDArray[np.generic]:
    """Lay values of shape (trajectory, n) out over the rows of a union, `blank` where it has none."""
    out = np.full(shape, blank, dtype=values.dtype)
    trajectory, place = np.nonzero(np.isfinite(clock))
    out[trajectory, rows[trajectory, place]] = values[trajectory, place]
    return out


def trim_inputs(ds: xr.Dataset) -> xr.Dataset:
    """Leave out samples of the inputs' own clock that say nothing about u(t) between the first and the last observation."""
    names = own_clock_names(ds)
    if not names:
        return ds
    seen, clock = times(ds), input_times(ds)
    first, last = seen[:, :1], np.nanmax(seen, axis=1, keepdims=True)
    kept = np.zeros(clock.shape, dtype=np.bool_)
    for name in names:  # on one clock they may have different rates
        kept |= _drives(np.where(np.isfinite(ds[name].transpose("trajectory", ...).values), clock, np.nan), first, last)
    dim = next(dim for dim in INPUT_DIMS if dim in ds.dims)
    if dim == "input_time":
        return ds.isel(input_time=np.flatnonzero(kept.any(axis=0)))
    length = int(kept.sum(axis=1).max())
    order = np.argsort(~kept, axis=1, kind="stable")[:, :length]
    there = np.take_along_axis(kept, order, axis=1)

    def taken(name: str) -> tuple[tuple[str, str], Array, dict[str, object]]:
        found = np.take_along_axis(ds[name].transpose("trajectory", dim).values, order, axis=1)
        return ("trajectory", dim), np.where(there, found, np.nan), ds[name].attrs

    chosen = ds.drop_dims(dim).assign({name: taken(name) for name in names}).assign_coords(input_time=taken("input_time"))
    return chosen[list(ds.data_vars)]


def _drives(known: Array, first: Array, last: Array) -> NDArray[np.bool_]:
    """Mark the samples of one input, at these times and NaN where it has none, that say something about u(t) between two times."""
    # A sample counts if the next one lies after the first observation, and the one before it before the last one.
    none = np.full((len(known), 1), np.nan)
    after = np.concatenate([np.fmin.accumulate(known[:, :0:-1], axis=1)[:, ::-1], none], axis=1)
    before = np.concatenate([none, np.fmax.accumulate(known[:, :-1], axis=1)], axis=1)
    return np.asarray(np.isfinite(known) & ~(after <= first) & ~(before >= last))
