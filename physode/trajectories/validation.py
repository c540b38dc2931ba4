"""Whether a record can be fitted: its form and its values."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.errors import DataError
from physode.trajectories.clocks import input_values, own_clock_names, sample_times
from physode.trajectories.contract import (
    ROLES,
    STATE_ROLES,
    check_not_empty,
    input_names,
    interpolation,
    sample_names,
    state_names,
    times,
    values,
)
from physode.trajectories.noise import NOISE_SUFFIX
from physode.trajectories.structure import check_structure

__all__ = ["check_inputs", "check_record", "validate"]


def validate(ds: xr.Dataset) -> xr.Dataset:
    """Check that a record keeps the data contract, and give it back.

    Parameters
    ----------
    ds : xarray.Dataset
        One variable per state, float64, with dimensions ``(trajectory, time)``, or ``(trajectory, obs)`` and a coordinate
        ``time(trajectory, obs)``. A missing value is NaN at a valid time; short trajectories are padded with NaN in data and time.
        Inputs, which have the role "input", may lie on a clock of their own: dimensions ``(trajectory, input_time)``, or
        ``(trajectory, input_obs)`` and a coordinate ``input_time(trajectory, input_obs)``. Their attribute ``interpolation`` says what
        they are between samples: "linear" (the default), or "previous" if they are held. An input that has the attribute needs no sample
        in every row. Noise, ``<state>_noise_std``, is one number, one for each trajectory, or one for each measurement.

    Returns
    -------
    xarray.Dataset
        The same object.

    Raises
    ------
    DataError
        Names the variable, what was found and the fix: wrong dimensions, types, names, roles or attributes; times that do not
        increase; infinite values; a trajectory of fewer than two rows; a state that is constant or never observed; an input that is
        missing or does not cover the observations.

    Examples
    --------
    >>> import physode.trajectories as trajectories
    >>> ds = trajectories.from_numpy([0, 1, 2], [1.0, 2.0, 4.0], ["x"])
    >>> trajectories.validate(ds) is ds
    True
    """
    check_record(ds)
    states = state_names(ds)
    if not states:
        raise DataError(
            f"the record has no state among its variables {list(map(str, ds.data_vars))}; "
            f"give at least one the role {' or '.join(STATE_ROLES)}. All roles: {', '.join(ROLES)}."
        )
    _check_rows(ds, states)
    _check_states(ds, states)
    return ds


def check_record(ds: xr.Dataset) -> None:
    """Raise DataError unless a record keeps the data contract, however little of it was measured: it may be one to predict.

    See Also
    --------
    validate : also looks whether there is something to fit.
    """
    check_structure(ds)
    check_not_empty(ds)
    _check_finite(ds)
    _check_noise(ds)
    _check_padding(ds)
    check_inputs(ds)


def _where(ds: xr.Dataset, name: str, bad: np.ndarray) -> str:
    """Say where the first marked value of a variable lies."""
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    parts = []
    if index:
        parts.append(f"trajectory {ds['trajectory'].values[index[0]].item()!r}")
    if len(index) == 2:
        parts.append(f"{'input sample' if name in own_clock_names(ds) else 'row'} {index[1] + 1}")
        parts.append(f"time {float(sample_times(ds, name)[index])!r}")
    return f" at {', '.join(parts)}" if parts else ""


def _check_finite(ds: xr.Dataset) -> None:
    for name in map(str, ds.data_vars):
        found = ds[name].values
        bad = np.isinf(found)
        if bad.any():
            raise DataError(
                f"variable {name!r} has an infinite value{_where(ds, name, bad)} ({int(bad.sum())} in all); "
                "write a missing value as NaN (an empty cell), or remove the row."
            )
        role = ds[name].attrs["role"]
        if role in ("noise", "parameter"):
            unknown = np.isnan(found) & ~np.isnan(times(ds)) if found.ndim == 2 else np.isnan(found)
            if unknown.any():
                where = _where(ds, name, unknown)
                raise DataError(f"variable {name!r} with the role {role!r} is NaN{where}; remove it or give its value.")
        if role == "noise" and (found < 0).any():
            where = _where(ds, name, found < 0)
            raise DataError(f"variable {name!r} is a standard deviation and is negative{where}; it must be zero or more.")
        if role == "noise" and (found == 0).any() and (found > 0).any():
            where = _where(ds, name, found == 0)
            raise DataError(
                f"variable {name!r} is zero{where} and not everywhere; an exact value would outweigh all the others. "
                "Give it a small standard deviation."
            )


def _check_noise(ds: xr.Dataset) -> None:
    """Noise that nobody would find, or in another unit than what it is the noise of."""
    for name in (str(name) for name in ds.data_vars if ds[name].attrs["role"] == "noise"):
        of = name.removesuffix(NOISE_SUFFIX)
        if of == name or not of:
            raise DataError(
                f"variable {name!r} has the role 'noise' and does not say of which state; call it '<state>{NOISE_SUFFIX}', for example "
                f"{[*state_names(ds), 'x'][0] + NOISE_SUFFIX!r}."
            )
        own, units = ds[name].attrs.get("units"), ds[of].attrs.get("units") if of in ds else None
        if own and units and own != units:
            raise DataError(f"{name!r} is in {own!r}, and {of!r} in {units!r}; give the noise in the unit of what it is the noise of.")


def _check_padding(ds: xr.Dataset) -> None:
    clocks = dict.fromkeys(sample_names(ds), "time") | dict.fromkeys(own_clock_names(ds), "input_time")
    for name, clock in clocks.items():
        bad = np.isnan(sample_times(ds, name)) & ~np.isnan(ds[name].values)
        if bad.any():
            trajectory, row = np.argwhere(bad)[0]
            label = ds["trajectory"].values[trajectory].item()
            raise DataError(
                f"variable {name!r} has a value without a time at trajectory {label!r}, row {row + 1}; "
                f"padding is NaN in the data and in {clock!r}. Give its time, or write NaN."
            )


def _check_rows(ds: xr.Dataset, states: list[str]) -> None:
    observed = np.isfinite(values(ds, states)).any(axis=2).sum(axis=1)
    for label, count in zip(ds["trajectory"].values.tolist(), observed.tolist(), strict=True):
        if count < 2:
            raise DataError(
                f"trajectory {label!r} has {count} {'row' if count == 1 else 'rows'} with a measured state; "
                "at least 2 are needed to see a motion. Remove the trajectory or give more of it."
            )


def _check_states(ds: xr.Dataset, states: list[str]) -> None:
    for name in states:
        found = ds[name].values
        if np.isnan(found).all():
            raise DataError(f"the state {name!r} has no value at all; leave it out of the states, or give its measurements.")
        if np.nanmin(found) == np.nanmax(found) and np.isfinite(found).sum() > len(found):
            raise DataError(
                f"the state {name!r} is constant: {float(np.nanmin(found))!r} in every row; there is no motion to learn. "
                "Leave it out of the states, or look whether the right column was read."
            )


def check_inputs(ds: xr.Dataset) -> None:
    """Raise DataError unless every input is known along all observations."""
    for name in input_names(ds):
        bad = ~np.isnan(sample_times(ds, name)) & np.isnan(ds[name].values)
        if bad.any() and "interpolation" not in ds[name].attrs:
            raise DataError(
                f"the input {name!r} is missing{_where(ds, name, bad)} ({int(bad.sum())} in all); an input must be known at every time. "
                "Fill the gaps, remove the rows, or say what it is between its samples: "
                f"ds[{name!r}].attrs['interpolation'] = 'linear', or 'previous' if it is held."
            )
        lacking = ~np.isnan(times(ds)) & np.isnan(input_values(ds, [name])[..., 0])
        if lacking.any():
            raise _not_covered(ds, name, lacking)


def _not_covered(ds: xr.Dataset, name: str, lacking: np.ndarray) -> DataError:
    row, column = (int(i) for i in np.argwhere(lacking)[0])
    label, seen = ds["trajectory"].values[row].item(), times(ds)[row]
    clock = sample_times(ds, name)[row][np.isfinite(ds[name].values[row])]
    samples = f"its samples cover {float(clock[0])!r} to {float(clock[-1])!r}" if len(clock) else "it has no sample there"
    ends = "a held input needs a sample at the first observation or before it"
    if interpolation(ds[name]) == "linear":
        ends = "an input that is linear between samples needs one at or beyond either end of the observations"
    cut = "leave the trajectory out"
    if len(clock):
        early = seen[column] < clock[0]
        cut = f"cut the observations {'before' if early else 'after'} {float(clock[0 if early else -1])!r}"
    return DataError(
        f"the input {name!r} does not cover the observations of trajectory {label!r}, which go from {float(seen[0])!r} to "
        f"{float(np.nanmax(seen))!r}: {samples}; {ends}. Add samples, or {cut}."
    )
