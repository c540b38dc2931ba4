"""Going back in time: where a learned field attracts that should not, small errors grow there."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physode.analysis.dynamics import Array, Dynamics, Predictor, unit_of
from physode.analysis.each import each
from physode.analysis.integrate import integrate
from physode.errors import DataError
from physode.trajectories import check_not_empty, time_dim, times, true_states, values

__all__ = ["backward_prediction"]

_KEPT: Final = ("long_name", "role", "time_derivative_of", "conjugate_to")  # what a state's attributes say, backward in time too


@each
def backward_prediction(dynamics: Dynamics, ds: xr.Dataset, start: ArrayLike | None = None) -> xr.Dataset:
    """Integrate a system or a fitted model backward from a state of each trajectory.

    Parameters
    ----------
    dynamics : Dynamics
        The vector field.
    ds : xarray.Dataset
        A record. The state to start from is the true one where it is known, else the observed one; what the record does not hold, a
        model takes from its own prediction.
    start : float or array (trajectory,), optional
        Time from which to go back, at the first sample from there on at which all states are known. Default, and where there is no such
        sample: the last one at which they are.

    Returns
    -------
    xarray.Dataset
        Variables of all states on the record's coordinates; NaN after the start, and where the integration could not be carried on.

    Raises
    ------
    DataError
        If the record is empty, or a state can not be had.

    Examples
    --------
    >>> from physode import systems
    >>> pendulum = systems.get("pendulum")
    >>> record = pendulum.simulate(np.linspace(0, 5, 51), seed=0)
    >>> bool(np.abs(backward_prediction(pendulum, record) - record[["theta", "omega"]]).to_array().max() < 1e-6)
    True
    """
    check_not_empty(ds)
    known = true_states(ds)
    sources = [ds if known is None else known]
    missing = [name for name in dynamics.states if name not in sources[0].data_vars]
    if missing and isinstance(dynamics, Predictor):
        sources.append(dynamics.predict(ds))
    columns, described = [], {}
    for name in dynamics.states:
        source = next((s for s in sources if name in s.data_vars), None)
        if source is None:
            raise DataError(f"{dynamics.name!r} needs the state {name!r}, which the record does not hold.")
        columns.append(values(source, [name])[..., 0])
        described[name] = {key: source[name].attrs[key] for key in _KEPT if key in source[name].attrs}
    series, time = np.stack(columns, axis=-1), times(ds)
    begin = _begin(np.isfinite(series).all(axis=2) & np.isfinite(time), time, np.inf if start is None else start)
    path = np.full(series.shape, np.nan)
    together = time_dim(ds) == "time" and (begin == begin[0]).all()
    for rows in [np.arange(len(path))] if together else np.arange(len(path))[:, None]:
        seen = np.flatnonzero(np.isfinite(time[rows[0], : begin[rows[0]] + 1]))[::-1]
        if len(seen):
            path[np.ix_(rows, seen)] = integrate(dynamics, series[rows, seen[0]], time[rows[0], seen])
    dims = ("trajectory", time_dim(ds))
    coords = {name: coord for name, coord in ds.coords.items() if set(coord.dims) <= set(dims)}
    return xr.Dataset(
        {name: (dims, path[..., i], {"units": unit_of(dynamics, name)} | described[name]) for i, name in enumerate(dynamics.states)},
        coords,
        {"dynamics": dynamics.name},
    )


def _begin(complete: NDArray[np.bool_], time: Array, start: ArrayLike) -> NDArray[np.intp]:
    """Number the sample of each trajectory from which to go back; -1 where none is complete."""
    late = complete & (time >= np.broadcast_to(np.asarray(start, dtype=np.float64), len(time))[:, None])
    last = np.where(complete, np.arange(time.shape[1]), -1).max(axis=1)
    return np.asarray(np.where(late.any(axis=1), late.argmax(axis=1), last))
