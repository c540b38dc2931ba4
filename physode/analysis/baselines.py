"""The errors of the forecasts that any model must beat."""

from __future__ import annotations

from typing import Any

import xarray as xr

from physode.analysis.autoregression import Autoregression, Persistence
from physode.analysis.forecast import forecast_error
from physode.analysis.settings import whole

__all__ = ["baselines"]


def baselines(train: xr.Dataset, test: xr.Dataset, warmup: int, **options: Any) -> xr.Dataset:
    """Measure the forecast errors of simple models, fitted to the same record as a learned one.

    Parameters
    ----------
    train, test : xarray.Dataset
        Records with the same states and one sampling interval; trajectories of `test` are forecast.
    warmup : int
        How many observations of each test trajectory a forecast may start from.
    **options
        Handed to `forecast_error`: ``exponent``, ``truth``, ``threshold``, ``start``.

    Returns
    -------
    xarray.Dataset
        As of `forecast_error`, with a dimension ``model``: "persistence" (nothing changes), "linear" (the best linear map from one
        time to the next, as in dynamic mode decomposition) and "autoregression" (linear in up to 10 past times, as many as Akaike's
        criterion asks for and the warmup allows). Hidden states, which they know nothing of, are not among the states. The
        coordinate ``order`` says how many past times were used. The errors of a model stand beside them after ``forecast_error(model, test,
        warmup=warmup).expand_dims(model=["mine"])`` and `xarray.concat`.

    Raises
    ------
    DataError
        If the sampling is uneven, or differs.
    PhysodeError
        If `warmup` is no whole number of 1 or more.

    See Also
    --------
    forecast_error

    Examples
    --------
    >>> import numpy as np
    >>> from physode import systems
    >>> record = systems.get("damped-oscillator").simulate(np.linspace(0, 10, 51), n_trajectories=4, seed=0)
    >>> found = baselines(record.isel(trajectory=[0, 1]), record.isel(trajectory=[2, 3]), warmup=5)
    >>> found.model.values.tolist(), bool((found.nrmse.sel(model="linear") < 1e-6).all())
    (['persistence', 'linear', 'autoregression'], True)
    """
    whole(1, warmup=warmup)
    fitted: dict[str, Autoregression | Persistence] = {
        "persistence": Persistence(),
        "linear": Autoregression(order=1).fit(train),
        "autoregression": Autoregression(most=min(10, warmup)).fit(train),
    }
    errors = [forecast_error(model, test, warmup=warmup, **options) for model in fitted.values()]
    orders = [model.order_ if isinstance(model, Autoregression) else 1 for model in fitted.values()]
    return xr.concat(errors, xr.Variable("model", list(fitted)), combine_attrs="override", join="exact").assign_coords(
        order=("model", orders)
    )
