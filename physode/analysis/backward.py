"""Going back in time: where a learned field attracts that should not, small errors grow there."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Dynamics, Predictor, unit_of
from physode.analysis.each import each
from physode.analysis.integrate import integrate
from physode.errors import DataError
from physode.trajectories import time_dim, times, true_states, values

__all__ = ["backward_prediction"]

_KEPT: Final = ("long_name", "role", "time_derivative_of", "conjugate_to")  # what a state's attributes say, backward in time too


@each
def backward_prediction(dynamics: Dynamics, ds: xr.Dataset) -> xr.Dataset:
    """Integrate a system or a fitted model backward from the last state of each trajectory.

    Parameters
    ----------
    dynamics : Dynamics
        The vector field.
    ds : xarray.Dataset
        A record. The last state is the true one where it is known, else the observed one; what the record does not hold, a
        model takes from its own prediction.

    Returns
    -------
    xarray.Dataset
        Variables of all states on the record's coordinates; NaN where the integration could not be carried on.

    Raises
    ------
    DataError
        If a state can not be had.

    Examples
    --------
    >>> from physode import systems
    >>> pendulum = systems.get("pendulum")
    >>> record = pendulum.simulate(np.linspace(0, 5, 51), seed=0)
    >>> bool(np.abs(backward_prediction(pendulum, record) - record[["theta", "omega"]]).to_array().max() < 1e-6)
    True
    """
    known = true_states(ds)
    sources = [ds if known is None else known]
    missing = [name for name in dynamics.states if name not in sources[0].data_vars]
    if missing and isinstance(dynamics, Predictor):
        sources.append(dynamics.predict(ds))
    columns, described = [], {}
    for name in dynamics.states:
        source = next((s for s in sources if name in s.data_vars), None)
        if source is None:
            raise DataError(f"{dynamics.name!r} needs the last state {name!r}, which the record does not hold.")
        columns.append(values(source, [name])[..., 0])
        described[name] = {key: source[name].attrs[key] for key in _KEPT if key in source[name].attrs}
    series, time = np.stack(columns, axis=-1), times(ds)
    path = np.full(series.shape, np.nan)
    if time_dim(ds) == "time" and np.isfinite(series[:, -1]).all():
        path = integrate(dynamics, series[:, -1], time[0, ::-1])[:, ::-1]
    else:
        for i, (row, when) in enumerate(zip(series, time, strict=True)):
            complete = np.flatnonzero(np.isfinite(row).all(axis=1) & np.isfinite(when))
            if len(complete):
                seen = np.flatnonzero(np.isfinite(when[: complete[-1] + 1]))
                path[i, seen] = integrate(dynamics, row[None, complete[-1]], when[seen][::-1])[0, ::-1]
    dims = ("trajectory", time_dim(ds))
    coords = {name: coord for name, coord in ds.coords.items() if set(coord.dims) <= set(dims)}
    return xr.Dataset(
        {name: (dims, path[..., i], {"units": unit_of(dynamics, name)} | described[name]) for i, name in enumerate(dynamics.states)},
        coords,
        {"dynamics": dynamics.name},
    )
