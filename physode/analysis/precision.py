"""How long a record of a chaotic system is true to its equations."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.dynamics import Dynamics
from physode.analysis.horizons import deviation, origin, valid_time
from physode.analysis.integrate import integrate
from physode.analysis.settings import positive
from physode.errors import DataError
from physode.trajectories import check_not_empty, time_dim, times, true_states, values

__all__ = ["precision_horizon"]

TOLERANCE = 1e-13
"""Relative tolerance of the second integration, tighter than that of any record."""


def precision_horizon(
    truth: Dynamics, ds: xr.Dataset, *, start: ArrayLike | None = None, threshold: float = 0.5, backward: bool = False
) -> xr.DataArray:
    """Measure how long the true states of a record agree with a second integration at a tolerance of 1e-13.

    Parameters
    ----------
    truth : Dynamics
        The system that made the record.
    ds : xarray.Dataset
        A simulated record, with all states of the system among its true states.
    start : float or array (trajectory,), optional
        Time from which the second integration starts, at the record's true state. Default: each trajectory's first time (or last one).
    threshold : float, default 0.5
        Of the error over the standard deviation, averaged over the states; as in `forecast_error`.
    backward : bool, default False
        Whether to go back in time.

    Returns
    -------
    xarray.DataArray
        Over ``trajectory``, from the start, in units of time; up to the last known state where it stays below; NaN where none is known.

    Raises
    ------
    DataError
        If the record is empty, or a true state is missing.
    PhysodeError
        If `threshold` is not positive and finite.

    Notes
    -----
    Errors grow as exp(lambda t), so that a solver with an error e loses a chaotic truth after about log(threshold / e) / lambda;
    no forecast can be seen to be valid beyond [1]_.

    References
    ----------
    .. [1] Hurley and Shaheen, arXiv:2508.06730 (2025).

    Examples
    --------
    >>> from physode import systems
    >>> lorenz = systems.get("lorenz")
    >>> record = lorenz.simulate(np.linspace(0, 15, 151), seed=0, rtol=1e-3, atol=1e-5)
    >>> bool(2 < precision_horizon(lorenz, record)[0] < 15)
    True
    """
    positive(threshold=threshold)
    check_not_empty(ds)
    known = true_states(ds)
    missing = [name for name in truth.states if known is None or name not in known]
    if known is None or missing:
        raise DataError(f"the true states {', '.join(missing)} of {truth.name!r} are not known; give a simulated record of that system.")
    target, time = values(known, truth.states), times(ds)
    begin = origin(ds, time, None, backward=backward) if start is None else np.broadcast_to(np.asarray(start, dtype=np.float64), len(time))
    horizon = (begin[:, None] - time) if backward else (time - begin[:, None])
    again = np.full_like(target, np.nan)
    usable = (horizon >= 0) & np.isfinite(target).all(axis=2)
    together = time_dim(ds) == "time" and (usable == usable[0]).all()
    for rows in [np.arange(len(target))] if together else np.arange(len(target))[:, None]:
        order = np.argsort(horizon[rows[0]])
        order = order[usable[rows[0], order]]
        if len(order):
            again[np.ix_(rows, order)] = integrate(truth, target[rows, order[0]], time[rows[0], order], tolerance=TOLERANCE)
    scale = np.array([deviation(target[..., i], name) for i, name in enumerate(truth.states)])
    unit = {"units": str(ds["time"].attrs.get("units", "")), "long_name": "precision horizon"}
    return xr.DataArray(
        valid_time((again - target) / scale, horizon, threshold), {"trajectory": ds["trajectory"]}, ("trajectory",), attrs=unit
    )
