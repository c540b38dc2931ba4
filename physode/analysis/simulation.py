"""The error of a free run: what is asked of a model on a measured record."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.analysis.dynamics import Predictor
from physode.analysis.each import each
from physode.analysis.settings import whole
from physode.errors import DataError
from physode.trajectories import state_names, values

__all__ = ["simulation_error"]


@runtime_checkable
class _Remembers(Protocol):
    """A model that knows what it was fitted to."""

    def seen(self, ds: xr.Dataset, warmup: int = 0) -> NDArray[np.bool_]: ...


@each
def simulation_error(model: Predictor, ds: xr.Dataset, warmup: int | None) -> xr.Dataset:
    """Measure the error of free runs after an initialisation window, as benchmarks of measured records ask for it.

    The initial state of each trajectory is estimated from its first `warmup` samples, among them the states that nobody measures;
    from there the model runs by itself, driven by the inputs alone. The samples of the window are not scored [1]_.

    Parameters
    ----------
    model : Predictor
        A fitted model, or several of them by name, by seed or as an ensemble.
    ds : xarray.Dataset
        A record that the model was not fitted to.
    warmup : int or None
        Samples in the initialisation window. None: the initial state is estimated from the whole record and the whole record is
        scored, which tells how well a fit follows its own record.

    Returns
    -------
    xarray.Dataset
        Over ``state`` and ``trajectory``: ``rmse`` in the units of the state (coordinate ``units``) and ``scored``, the number of
        measured samples that it is taken over. Over ``state``: ``r2``, the coefficient of determination over all trajectories. The
        attribute ``warmup`` says the window (0 for None). Only states that were measured after the window are scored.

    Raises
    ------
    DataError
        If a window is given and samples after it were used in fitting the model, or none is left after it.
    PhysodeError
        If `warmup` is no whole number of 1 or more.

    References
    ----------
    .. [1] M. D. Champneys, G. I. Beintema, R. Toth, M. Schoukens, T. J. Rogers, "Baseline results for selected nonlinear system
       identification benchmarks", arXiv:2405.10779 (2024).

    See Also
    --------
    forecast_error : the error as a function of the horizon.

    Examples
    --------
    >>> import numpy as np
    >>> from physode import systems
    >>> from physode.analysis import Persistence
    >>> record = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 61))
    >>> found = simulation_error(Persistence(), record, warmup=10)
    >>> found.rmse.dims, found.state.values.tolist(), found.scored.values.tolist(), found.attrs["warmup"]
    (('state', 'trajectory'), ['x', 'v'], [[51], [51]], 10)
    """
    whole(1, warmup=warmup)
    start = warmup or 0
    if warmup is not None and isinstance(model, _Remembers):
        _refuse_seen(model.seen(ds, warmup), ds, warmup)
    made = model.predict(ds, warmup=warmup)
    states = [name for name in state_names(ds) if name in made.data_vars]
    names = [name for name in states if np.isfinite(values(ds, [name])[:, start:]).any()]
    if not names:
        all_of_them = ", ".join(map(repr, states))
        raise DataError(f"no measured sample of {all_of_them} is left after a window of {start}; give a shorter one, or a longer record.")
    measured, simulated = values(ds, names)[:, start:], values(made, names)[:, start:]
    with np.errstate(over="ignore"):
        squares = (measured - simulated) ** 2
    scored = np.isfinite(measured).sum(axis=1)
    lost = np.isnan(simulated) & np.isfinite(measured)
    total = np.nansum(np.where(lost, np.inf, squares), axis=1)
    spread = np.nansum((measured - np.nanmean(measured, axis=(0, 1))) ** 2, axis=(0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        rmse, r2 = np.sqrt(total / scored), 1 - total.sum(axis=0) / spread
    return xr.Dataset(
        {
            "rmse": (("state", "trajectory"), rmse.T, {"long_name": "root mean square error of the free run"}),
            "scored": (("state", "trajectory"), scored.T, {"units": "1", "long_name": "samples scored"}),
            "r2": ("state", r2, {"units": "1", "long_name": "coefficient of determination of the free run"}),
        },
        coords={
            "state": ("state", names),
            "units": ("state", [str(ds[name].attrs.get("units", "")) for name in names]),
            "trajectory": ds["trajectory"],
        },
        attrs={"warmup": start},
    )


def _refuse_seen(seen: NDArray[np.bool_], ds: xr.Dataset, warmup: int) -> None:
    if seen.any():
        found = ", ".join(repr(label) for label in ds["trajectory"].values[seen].tolist())
        raise DataError(
            f"samples after the window of {warmup} were used in fitting this model, in trajectory {found}: that would be no test. "
            "Score a record that it has not seen (physode.split makes one), or leave warmup out to see how well the fit follows its record."
        )
