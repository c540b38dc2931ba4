"""Whether augmented states are the velocity, up to nothing, a linear map or a smooth one."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Dynamics
from physode.analysis.each import each
from physode.analysis.held_out import FOLDS, folds_of, held_out_r2
from physode.analysis.latent import latent_names
from physode.analysis.velocity import correlation_of, rms
from physode.analysis.velocity_source import recover, states_of, true_velocities
from physode.trajectories import time_dim, values

__all__ = ["augmented_velocity"]

_PARTS: Final = ("latent states", "all states")


@each
def augmented_velocity(
    model: Dynamics, ds: xr.Dataset, truth: xr.Dataset | Dynamics | None = None, *, warmup: int | None = None
) -> xr.Dataset:
    """Say how well the states that nobody measured give the true velocity: as they are, mapped linearly, mapped smoothly.

    The maps are judged on trajectories that they have not seen (on blocks of time where there are fewer than five).

    Parameters
    ----------
    model : Dynamics
        A model fitted to positions, or a System.
    ds : xarray.Dataset
        The record of positions.
    truth : xarray.Dataset or Dynamics, optional
        See `recovered_velocity`.
    warmup : int, optional
        Handed to ``model.predict``.

    Returns
    -------
    xarray.Dataset
        Over ``state``, the names of the velocities: ``r2_direct`` of what stands for the velocity (see `recovered_velocity`), without
        any map, and ``correlation``; over ``part`` also, from the latent states alone or from all states of the model: ``r2_linear`` and
        ``r2_smooth``, held out. An R2 of 1 is a perfect map, one of 0 no better than the mean, one of -inf that of a prediction that is
        lost where the true velocity is known; its ``correlation`` is NaN.

    Raises
    ------
    DataError
        If no true velocity is known, or the model has no state that the record does not have.

    See Also
    --------
    latent_agreement : whether two seeds find the same latent states.

    References
    ----------
    .. [1] Norcliffe et al., "On Second Order Behaviour in Augmented Neural ODEs", NeurIPS 2020, doi:10.48550/arXiv.2006.07220.

    Examples
    --------
    >>> from physode import systems
    >>> pendulum = systems.get("pendulum-canonical", mass=2.0)
    >>> record = pendulum.simulate(np.linspace(0, 5, 51), n_trajectories=4, observe=["theta"], seed=0)
    >>> found = augmented_velocity(pendulum, record, truth=pendulum)
    >>> round(float(found.r2_linear.sel(part="latent states")[0]), 6)
    1.0
    """
    true = true_velocities(ds, truth)
    prediction = states_of(model, ds, truth, warmup)
    kind, recovered = recover(model, prediction, ds, [position for _, position, _ in true])
    latent = latent_names(model, ds)
    parts = [values(prediction, names) for names in (latent, [*model.states])]
    dims = ("trajectory", time_dim(ds))
    folds = folds_of(ds.sizes["trajectory"], ds.sizes[time_dim(ds)])
    table = np.full((2, len(true)), np.nan)
    mapped = np.full((2, len(true), len(parts)), np.nan)
    for i, ((_, _, series), found) in enumerate(zip(true, recovered, strict=True)):
        target = series.transpose(*dims).values
        known = np.isfinite(target)
        if found is not None and known.any() and np.ptp(target[known]) > 0:
            table[0, i] = 1 - rms(found, target) ** 2 / np.var(target[known])
            table[1, i] = correlation_of(found, target)
        for k, features in enumerate(parts):
            lost = not np.isfinite(features[known]).all()
            for row, smooth in enumerate((False, True)):
                mapped[row, i, k] = -np.inf if lost else held_out_r2(features, target, folds, smooth=smooth)
    attrs = {"units": "1"}
    return xr.Dataset(
        {
            "r2_direct": ("state", table[0], attrs | {"long_name": "R2 without any map"}),
            "correlation": ("state", table[1], attrs | {"long_name": "correlation with the true velocity"}),
            "r2_linear": (("state", "part"), mapped[0], attrs | {"long_name": "R2 of the best linear map, held out"}),
            "r2_smooth": (("state", "part"), mapped[1], attrs | {"long_name": "R2 of the best smooth map, held out"}),
        },
        {"state": [name for name, _, _ in true], "part": list(_PARTS), "position": ("state", [position for _, position, _ in true])},
        {
            "dynamics": model.name,
            "recovered_from": kind,
            "latent_states": ", ".join(latent),
            "held_out": "trajectories" if ds.sizes["trajectory"] >= FOLDS else "blocks of time",
        },
    )
