"""Measurement noise with a known standard deviation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from physode.errors import DataError, unknown_name
from physode.trajectories.contract import state_names, time_dim
from physode.trajectories.provenance import provenance
from physode.trajectories.truth import TRUE_SUFFIX, true_states

__all__ = ["NOISE_SUFFIX", "add_noise"]

NOISE_SUFFIX = "_noise_std"
"""What the name of a noise level ends with."""


def add_noise(ds: xr.Dataset, std: float | Mapping[str, float], seed: int) -> xr.Dataset:
    """Add independent Gaussian noise to the states of a record.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.
    std : float or mapping from state to float
        Standard deviation, in the units of the state; one for all states, or one for each named state (the others stay as they are).
    seed : int
        Seed of the random numbers.

    Returns
    -------
    xarray.Dataset
        A new record with ``<state>_noise_std`` for each state that got noise (added in quadrature if it had some already). If the
        true states are known (see `true_states`), they are kept as ``<state>_true``, for every state.

    Raises
    ------
    DataError
        If a standard deviation is negative or not finite, or if a variable is in the way of a new one.
    UnknownNameError
        If `std` names no state of the record.

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> time = np.linspace(0, 1, 1000)
    >>> noisy = trajectories.add_noise(trajectories.from_numpy(time, np.sin(time), ["x"], units={"x": "m"}), 0.1, seed=0)
    >>> round(float((noisy["x"] - np.sin(time)).std()), 3)
    0.098
    >>> float(noisy["x_noise_std"]), noisy["x_noise_std"].attrs["units"]
    (0.1, 'm')
    """
    states = state_names(ds)
    levels = dict(std) if isinstance(std, Mapping) else dict.fromkeys(states, std)
    for name, level in levels.items():
        if name not in states:
            raise unknown_name("state", name, states)
        if not (np.isfinite(level) and level >= 0):
            raise DataError(f"the noise of the state {name!r} has the standard deviation {level!r}; it must be finite and not negative.")
    result = ds.copy()
    truth = true_states(ds)
    if truth is not None and not any(variable.attrs.get("role") == "truth" for variable in ds.data_vars.values()):
        for name, variable in ((str(name), variable) for name, variable in truth.data_vars.items()):
            _refuse_taken(ds, f"{name}{TRUE_SUFFIX}", "truth")
            result[f"{name}{TRUE_SUFFIX}"] = variable.copy().assign_attrs(role="truth")
    random = np.random.default_rng(seed)
    dims = ("trajectory", time_dim(ds))
    for name in states:
        draws = random.standard_normal([ds.sizes[dim] for dim in dims])  # drawn for every state, so that no level changes another's noise
        level = float(levels.get(name, 0.0))
        if level == 0:
            continue
        noise_name = f"{name}{NOISE_SUFFIX}"
        _refuse_taken(ds, noise_name, "noise")
        result[name] = (ds[name] + xr.DataArray(level * draws, dims=dims)).assign_attrs(ds[name].attrs)
        total = (ds[noise_name] ** 2 + level**2) ** 0.5 if noise_name in ds else xr.DataArray(level)
        units = {key: value for key, value in ds[name].attrs.items() if key == "units"}
        result[noise_name] = total.assign_attrs({"role": "noise", "long_name": f"standard deviation of the noise of {name}", **units})
    shown = ", ".join(f"{name}={float(level)!r}" for name, level in levels.items())
    return result.assign_attrs(provenance(f"add_noise {shown}, seed={seed}", before=ds.attrs))


def _refuse_taken(ds: xr.Dataset, name: str, role: str) -> None:
    if name in ds.variables and ds[name].attrs.get("role") != role:
        raise DataError(f"the record has a variable {name!r} that is not the {role} of a state; rename it, for that name is needed.")
