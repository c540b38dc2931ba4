"""The states of a model that nobody measured, and how many dimensions they use."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.each import each
from physode.analysis.velocity_source import states_of
from physode.errors import DataError
from physode.trajectories import state_names, values

__all__ = ["centred", "latent_dimension", "latent_names"]


def latent_names(model: Dynamics, ds: xr.Dataset) -> list[str]:
    """Give the states of the model that the record does not have.

    Raises
    ------
    DataError
        If it has them all.
    """
    measured = state_names(ds)
    latent = [name for name in model.states if name not in measured]
    if not latent:
        raise DataError(
            f"every state of {model.name!r} ({', '.join(model.states)}) is in the record: there is none to find a meaning for. "
            "Fit an augmented or second-order model to positions only."
        )
    return latent


def centred(series: Array) -> Array:
    """Bring trajectories (trajectory, n, state) to points (point, state) about their mean; points with a gap are left out."""
    flat = series.reshape(-1, series.shape[-1])
    flat = flat[np.isfinite(flat).all(axis=1)]
    return np.asarray(flat - flat.mean(axis=0))


@each
def latent_dimension(model: Dynamics, ds: xr.Dataset, *, warmup: int | None = None) -> xr.Dataset:
    r"""Count the dimensions that a model's trajectories really use, by the singular values of the centred and scaled states.

    Parameters
    ----------
    model : Dynamics
        A fitted model, or a System.
    ds : xarray.Dataset
        The record along which its states are taken.
    warmup : int, optional
        Handed to ``model.predict``.

    Returns
    -------
    xarray.Dataset
        For the ``part`` "latent states" (those that the record does not have) and for "all states", each state over its own standard
        deviation: ``singular_value(part, component)``, over the root of the number of points; ``explained_variance(part, component)``,
        fractions of 1; ``participation_ratio(part)``, :math:`(\sum \lambda)^2 / \sum \lambda^2` of the variances: 1 if one direction
        carries all, the number of states if all carry the same. NaN beyond the number of states.

    Raises
    ------
    DataError
        If the record has every state of the model.

    Examples
    --------
    >>> from physode import systems
    >>> pair = systems.get("coupled-oscillators")
    >>> record = pair.simulate(np.linspace(0, 30, 301), {"x1": 1.0, "x2": 1.0, "v1": 0.0, "v2": 0.0}, observe=["x1", "x2"])
    >>> found = latent_dimension(pair, record)  # in step: one velocity is the other
    >>> round(float(found.participation_ratio.sel(part="latent states")), 6)
    1.0
    """
    prediction = states_of(model, ds, None, warmup)
    latent = latent_names(model, ds)
    singular = np.full((2, len(model.states)), np.nan)
    for row, names in enumerate((latent, [*model.states])):
        points = centred(values(prediction, list(names)))
        size = points.std(axis=0)
        found = np.linalg.svd(points / np.where(size > 0, size, 1.0), compute_uv=False) / np.sqrt(len(points))
        singular[row, : len(found)] = found
    variance = singular**2
    total = np.nansum(variance, axis=1)
    attrs = {"units": "1"}
    return xr.Dataset(
        {
            "singular_value": (("part", "component"), singular, attrs | {"long_name": "singular value of the scaled states"}),
            "explained_variance": (("part", "component"), variance / total[:, None], attrs | {"long_name": "fraction of the variance"}),
            "participation_ratio": (
                "part",
                total**2 / np.nansum(variance**2, axis=1),
                attrs | {"long_name": "number of dimensions used (participation ratio)"},
            ),
        },
        {"part": ["latent states", "all states"], "component": np.arange(1, len(model.states) + 1)},
        {"dynamics": model.name, "latent_states": ", ".join(latent)},
    )
