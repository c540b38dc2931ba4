"""Bands that keep what they promise: the errors on a calibration record say by how much to widen or narrow them."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from physode.analysis.band import band_levels
from physode.analysis.coverage import band_ends, judged
from physode.analysis.dynamics import Array
from physode.errors import DataError

__all__ = ["conformal"]


def conformal(band: xr.Dataset, calibration: xr.Dataset, record: xr.Dataset) -> xr.Dataset:
    """Scale a band so that its stated coverage holds, whatever is wrong with the model (split-conformal prediction).

    Parameters
    ----------
    band : xarray.Dataset
        The result of `prediction_band`, on the record to be predicted.
    calibration : xarray.Dataset
        The result of `prediction_band` by the same ensemble, for the same levels, target and warmup, on the calibration record.
    record : xarray.Dataset
        The calibration record: trajectories that trained nothing, drawn as those to be predicted are.

    Returns
    -------
    xarray.Dataset
        The band with its half-width multiplied by ``correction``, for each ``state``, and ``level`` if there are several.

    Raises
    ------
    DataError
        If the two bands differ in level, target or warmup, or the calibration record has fewer than level / (1 - level) trajectories.

    Notes
    -----
    The error at each time over the half-width of the band there is its score, so that the band keeps the shape that the
    ensemble gives it [1]_. Scores of one trajectory go together and are no independent evidence; k trajectories are. The correction is
    the quantile of order ``level`` (1 + 1/k) of all scores, each trajectory counting the same [2]_. If trajectories are exchangeable, a new
    one lies within the band at no less than the stated share of its times on average, for any finite k. Of a measured record no truth is
    known: it calibrates bands for observations.

    References
    ----------
    .. [1] Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, J. Am. Stat. Assoc. 113 (2018) 1094, doi:10.1080/01621459.2017.1307116.
    .. [2] Dunn, Wasserman, Ramdas, J. Am. Stat. Assoc. 118 (2023) 2491, doi:10.1080/01621459.2022.2060112.

    Examples
    --------
    >>> from physode.analysis import prediction_band
    >>> from physode.trajectories import from_numpy
    >>> record = from_numpy(np.arange(2.0), np.arange(1.0, 5.0)[:, None, None] * np.ones((4, 2, 1)), ["x"])
    >>> members = 0 * record + xr.DataArray([-1.0, 1.0], dims="seed")
    >>> band = prediction_band(members, record, 0.5).assign_attrs(target="observation")
    >>> float(conformal(band, band, record).x_upper[0, 0])  # of the errors 1, 2, 3, 4 the third: order 0.5 * (1 + 1/4)
    3.0
    """
    for name in ("target", "warmup"):
        if band.attrs.get(name) != calibration.attrs.get(name):
            raise DataError(
                f"the band has the {name} {band.attrs.get(name)!r}, its calibration {calibration.attrs.get(name)!r}; make both alike."
            )
    levels = band_levels(band)
    if not np.array_equal(levels, band_levels(calibration)) or ("level" in band.dims) != ("level" in calibration.dims):
        raise DataError(f"the band has the levels {levels.tolist()}, its calibration {band_levels(calibration).tolist()}; make both alike.")
    names, target = judged(calibration, record)
    scores = _scores(calibration, names, target)
    counted = np.asarray(np.isfinite(target).any(axis=1)).all(axis=1)
    k = int(counted.sum())
    needed = math.ceil(float((levels / (1 - levels)).max()) - 1e-9)
    if k < needed:
        raise DataError(
            f"a level of {levels.max():g} takes at least {needed} calibration trajectories, found {k}; "
            "hold out more of them, or ask for a lower level."
        )
    factor = np.array(
        [[_quantile(at[counted, :, i], level * (1 + 1 / k)) for i in range(len(names))] for at, level in zip(scores, levels, strict=True)]
    )
    correction = xr.DataArray(factor, {"level": levels, "state": names}, ("level", "state"))
    correction = correction if "level" in band.dims else correction.isel(level=0, drop=True)
    result = band.copy()
    for name in names:
        scale = correction.sel(state=name, drop=True)
        for part in ("lower", "upper"):
            variable = band[f"{name}_{part}"]
            moved = band[f"{name}_median"] + scale * (variable - band[f"{name}_median"])
            result[f"{name}_{part}"] = moved.transpose(*variable.dims).assign_attrs(variable.attrs)
    about = {"units": "1", "long_name": "factor of the half-width"}
    return result.assign(correction=correction.assign_attrs(about)).assign_attrs(n_calibration_trajectories=k)


def _scores(band: xr.Dataset, names: list[str], target: Array) -> Array:
    """Errors over half-widths, (level, trajectory, time, state); NaN where nothing is counted."""
    low, middle, high = band_ends(band, names)
    half = (high - low) / 2
    error = np.broadcast_to(np.abs(target - middle), half.shape)
    return np.asarray(np.divide(error, half, out=np.where(error > 0, np.inf, 0.0 * error), where=half > 0))


def _quantile(scores: Array, order: float) -> float:
    """Smallest score that the share `order` of the times does not exceed, each trajectory counting the same; (trajectory, time)."""
    usable = ~np.isnan(scores)
    weights = np.where(usable, 1.0 / (len(scores) * np.maximum(usable.sum(axis=1, keepdims=True), 1)), 0.0)[usable]
    flat = scores[usable]
    rank = np.argsort(flat)
    reached = int(np.searchsorted(np.cumsum(weights[rank]), order - 1e-9))
    return float(flat[rank[min(reached, len(flat) - 1)]])
