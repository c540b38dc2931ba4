"""The two doors between names and tensors: a record goes in as a batch, states come out as a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from physode.errors import DataError, PhysodeError
from physode.models.layout import Layout
from physode.models.scaling import Scaling
from physode.training.batch import Batch, SampledInputs
from physode.trajectories import input_values, interpolation, provenance, time_dim, times, values
from physode.trajectories.noise import NOISE_SUFFIX

__all__ = ["check_warmup", "decode", "driving_record", "encode", "noise_levels"]

Array = NDArray[np.float64]

LONGEST_PAUSE = 1e6
"""Longest time between two observations, in time constants."""


def check_warmup(ds: xr.Dataset, observed: Sequence[str], warmup: int | None) -> None:
    """Raise DataError unless initial states can be estimated from the first `warmup` samples, and something is left to forecast.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.
    observed : sequence of str
        Its states that the model knows; one of them must be measured in each trajectory, however often.
    warmup : int or None
        None stands for all samples. It may exceed some trajectories of a record, but not the longest one.
    """
    longest = int(np.isfinite(times(ds)).sum(axis=1).max())
    if warmup is not None and warmup >= longest:
        raise DataError(
            f"warmup is {warmup}, and the longest trajectory of the record has a length of {longest}: nothing is left to forecast. Give a "
            "smaller one, or None to estimate initial states from the whole record."
        )
    unknown = ~np.isfinite(values(ds, observed)[:, :warmup]).any(axis=(1, 2))
    if unknown.any():
        label = ds["trajectory"].values[unknown][0].item()
        where, longer = ("", "Leave") if warmup is None else (f" in its first {warmup} samples", "Give a longer warmup, or leave")
        raise DataError(
            f"trajectory {label!r} has no measurement of {' or '.join(observed)}{where}, so that its initial state cannot be estimated. "
            f"{longer} the trajectory out; from an initial state that is known otherwise, use simulate."
        )


def encode(ds: xr.Dataset, layout: Layout, scaling: Scaling) -> Batch:
    """Turn a record with its inputs in every row (`on_one_clock`) into scaled tensors.

    Returns
    -------
    Batch
        float64; each trajectory's time starts at 0.

    Raises
    ------
    DataError
        If the record lacks a variable of the layout, or has a pause that no solver steps through.
    """
    layout.check(ds)
    time = times(ds)
    pause = float(np.nanmax(np.diff(time, axis=1), initial=0.0))
    if pause > LONGEST_PAUSE * scaling.time_scale:
        each = f"{scaling.time_scale:.3g} {layout.time_units}".rstrip()
        raise DataError(
            f"two times of the record are {pause:.3g} apart, which is {pause / scaling.time_scale:.3g} time constants of the motion "
            f"({each} each): too many to integrate. Look whether the times are in the right unit, or make "
            "two trajectories of what lies before and after."
        )
    mean, scale = scaling.mean[list(layout.index)], scaling.scale[list(layout.index)]
    scaled_time = torch.from_numpy((time - time[:, :1]) / scaling.time_scale)
    measured = torch.from_numpy((values(ds, layout.observed) - mean) / scale)
    u = (input_values(ds, layout.inputs) - scaling.input_mean) / scaling.input_scale
    held = tuple(interpolation(ds[name]) == "previous" for name in layout.inputs)
    weight = noise_levels(ds, layout.observed)[1]
    weights = None if weight is None else torch.from_numpy(weight)
    return Batch(scaled_time, measured, SampledInputs(scaled_time, torch.from_numpy(u), held), weights)


def driving_record(layout: Layout, inputs: Mapping[str, Any], coords: Mapping[str, Any]) -> xr.Dataset:
    """Make a record of inputs alone, for a simulation on the coordinates `trajectory` and `time`.

    Parameters
    ----------
    layout : Layout
    inputs : mapping of str to array or (times, values)
        See `AbstractModel.simulate`.
    coords : mapping
    """
    for name in inputs:
        if name not in layout.inputs:
            raise PhysodeError(f"this model has no input {name!r}; it is driven by {', '.join(layout.inputs) or 'nothing'}.")
    missing = [name for name in layout.inputs if name not in inputs]
    if missing:
        raise PhysodeError(
            f"this model is driven by {', '.join(missing)}; give inputs={{'{missing[0]}': values on the time grid, or (times, values)}}."
        )
    ds = xr.Dataset(coords=coords)
    n, time = ds.sizes["trajectory"], ds["time"].values
    pairs = {name: inputs[name] if isinstance(inputs[name], tuple) else (time, inputs[name]) for name in layout.inputs}
    clocks = {name: np.asarray(clock, dtype=np.float64) for name, (clock, _) in pairs.items()}
    own = [clock for name, clock in clocks.items() if isinstance(inputs[name], tuple)]
    knots = np.unique(np.concatenate(own)) if own else time
    for name, (_, values_) in pairs.items():
        clock, found = clocks[name], np.asarray(values_, dtype=np.float64)
        if clock.ndim != 1 or not (np.diff(clock) > 0).all() or found.shape not in ((), clock.shape, (n, len(clock))):
            raise PhysodeError(
                f"input {name!r} has {found.shape} values for {clock.shape} times; give one value for each of its increasing times, or "
                f"one row of them for each of the {n} trajectories."
            )
        if not np.isfinite(found).all():
            raise PhysodeError(f"input {name!r} is not finite at {int((~np.isfinite(found)).sum())} of its samples; give a number at each.")
        on = np.full((n, len(knots)), np.nan) if isinstance(inputs[name], tuple) else np.empty((n, len(time)))
        on[:, np.searchsorted(knots if isinstance(inputs[name], tuple) else time, clock)] = found
        attrs = {"interpolation": "linear", **layout.attrs[name]}
        ds[name] = (("trajectory", "input_time" if isinstance(inputs[name], tuple) else "time"), on, attrs)
    return ds.assign_coords(input_time=("input_time", knots)) if own else ds


def noise_levels(ds: xr.Dataset, names: Sequence[str]) -> tuple[Array, Array | None]:
    """Read the noise that a record states.

    Returns
    -------
    level : ndarray, shape (len(names),)
        One over the root of the mean precision of a state's measurements; 0 where no noise, or none, is stated.
    weight : ndarray, shape (trajectory, n, len(names)), or None
        Precision of each measurement against that mean, 1 where nothing was measured; None where the noise is the same for all.
    """
    data = values(ds, names)
    level, weight, varies = np.zeros(len(names)), np.ones_like(data), False
    for k, name in enumerate(names):
        stated = ds.get(f"{name}{NOISE_SUFFIX}")
        if stated is None or stated.attrs.get("role") != "noise":
            continue
        sigma = np.broadcast_to(stated.values[:, None] if stated.ndim == 1 else stated.values, data.shape[:2])
        known = np.isfinite(data[..., k]) & np.isfinite(sigma)
        if known.any() and (sigma[known] > 0).all():
            precision = sigma[known] ** -2.0
            level[k], weight[known, k] = 1 / np.sqrt(precision.mean()), precision / precision.mean()
            varies |= bool(np.ptp(sigma[known]) > 0)
    return level, weight if varies else None


def decode(states: Array, ds: xr.Dataset, layout: Layout, action: str) -> xr.Dataset:
    """Turn states into a record on the coordinates of another one.

    Parameters
    ----------
    states : ndarray, shape (trajectory, n, n_states)
        In the units of the layout.
    ds : xarray.Dataset
        Gives the coordinates.
    layout : Layout
    action : str
        For the history.
    """
    dims = ("trajectory", time_dim(ds))
    blank = ~np.isfinite(times(ds))
    variables = {}
    for k, name in enumerate(layout.states):
        column = states[..., k].copy()
        column[blank] = np.nan
        variables[name] = (dims, column, dict(layout.attrs[name]))
    coords = {name: coord for name, coord in ds.coords.items() if set(coord.dims) <= set(dims)}
    return xr.Dataset(variables, coords, provenance(action))
