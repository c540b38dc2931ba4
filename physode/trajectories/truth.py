"""The noise-free states of a simulated record."""

from __future__ import annotations

import xarray as xr

from physode.trajectories.contract import state_names

__all__ = ["TRUE_SUFFIX", "true_states"]

TRUE_SUFFIX = "_true"
"""What the name of a noise-free state ends with."""


def true_states(ds: xr.Dataset) -> xr.Dataset | None:
    """Give the noise-free states of a record, under their plain names.

    Parameters
    ----------
    ds : xarray.Dataset
        A record.

    Returns
    -------
    xarray.Dataset or None
        On the record's coordinates: the variables ``<state>_true`` of a simulated record; if it has none, the states
        themselves if it was simulated (attribute ``system``), without noise; None for a measured record. Each variable has
        its role (position, velocity, momentum or state), as follows from what is whose derivative or momentum.

    Examples
    --------
    >>> import numpy as np, physode.trajectories as trajectories
    >>> time = np.linspace(0, 1, 5)
    >>> measured = trajectories.from_numpy(time, np.sin(time), ["x"])
    >>> trajectories.true_states(measured) is None
    True
    >>> simulated = trajectories.add_noise(measured.assign_attrs(system="sine"), 0.1, seed=0)
    >>> bool((trajectories.true_states(simulated)["x"] == np.sin(time)).all())
    True
    """
    marked = {str(name).removesuffix(TRUE_SUFFIX): name for name, variable in ds.data_vars.items() if variable.attrs.get("role") == "truth"}
    if not marked:
        return ds[state_names(ds)] if "system" in ds.attrs else None
    result = ds[list(marked.values())].rename_vars({name: state for state, name in marked.items()})
    pointers = ("time_derivative_of", "conjugate_to")
    positions = {variable.attrs.get(pointer) for variable in result.data_vars.values() for pointer in pointers}
    for name, variable in result.data_vars.items():
        if "time_derivative_of" in variable.attrs:
            role = "velocity"
        elif "conjugate_to" in variable.attrs:
            role = "momentum"
        else:
            role = "position" if name in positions else "state"
        variable.attrs = {**variable.attrs, "role": role}
    return result
