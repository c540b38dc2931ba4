"""Whether a band holds what it should, how often it says, and how wide it must be for that."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physode.analysis.band import band_levels, banded_states
from physode.analysis.dynamics import Array
from physode.errors import DataError
from physode.trajectories import time_dim, true_states, values

__all__ = ["band_ends", "coverage", "judged"]


def coverage(band: xr.Dataset, ds: xr.Dataset) -> xr.Dataset:
    """Measure how often a band holds what it should, on a record that trained neither the model nor the band.

    Parameters
    ----------
    band : xarray.Dataset
        The result of `prediction_band` or `conformal`. With several levels the result is a calibration curve.
    ds : xarray.Dataset
        The record that was predicted. A band for the truth is held against its true states, a band for observations against
        the observed ones. The first observations, from which the initial states were estimated (``warmup``), are not counted.

    Returns
    -------
    xarray.Dataset
        Over ``state``, and ``level`` if the band has several: ``coverage``, the share of the times at which the band holds the state,
        averaged over trajectories; ``standard_error``, from the scatter between trajectories (within one, errors go together);
        ``width``, mean width of the band over the standard deviation of the state in the record: of two bands that cover as they should,
        the narrower is the better one. ``trajectory_coverage`` has the dimension ``trajectory`` too.

    Raises
    ------
    DataError
        If the truth is asked for and not known, the band is not on the record's coordinates, or nothing is left to count.

    References
    ----------
    .. [1] Gneiting, Balabdaoui, Raftery, J. R. Stat. Soc. B 69 (2007) 243, doi:10.1111/j.1467-9868.2007.00587.x.

    Examples
    --------
    >>> from physode.analysis import prediction_band
    >>> from physode.trajectories import from_numpy
    >>> record = from_numpy(np.arange(4.0), np.array([[0.0], [1.0], [2.0], [3.0]]), ["x"])
    >>> members = 0 * record + xr.DataArray([-1.0, 0.0, 1.0], dims="seed")
    >>> band = prediction_band(members, record, 0.7).assign_attrs(target="observation")
    >>> float(coverage(band, record).coverage[0])
    0.5
    """
    names, target = judged(band, ds)
    low, _, high = band_ends(band, names)
    seen = np.isfinite(target)
    held = np.where(seen, (low <= target) & (target <= high), np.nan)
    counted = np.asarray(seen.any(axis=1)).all(axis=1)  # trajectories
    if not counted.any():
        raise DataError(f"no value is left to count after the first {band.attrs.get('warmup', 0)} observations; predict further.")
    share = np.nanmean(held[:, counted], axis=2)  # (level, trajectory, state)
    n = share.shape[1]
    error = share.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.full(share[:, 0].shape, np.nan)
    deviation = np.nanstd(target, axis=(0, 1))
    width = np.where(seen, high - low, np.nan)[:, counted]
    result = xr.Dataset(
        coords={
            "state": ("state", names),
            "trajectory": ds["trajectory"][counted],
            "level": ("level", band_levels(band), band["level"].attrs),
        },
        attrs={"target": str(band.attrs["target"]), "n_trajectories": n},
    )
    dims = ("level", "state")
    result["coverage"] = (dims, share.mean(axis=1), {"units": "1", "long_name": "share of the times within the band"})
    result["standard_error"] = (dims, error, {"units": "1", "long_name": "standard error of the coverage, over trajectories"})
    sharp = {"units": "1", "long_name": "mean width of the band over the standard deviation"}
    result["width"] = (dims, np.nanmean(width, axis=(1, 2)) / np.where(deviation > 0, deviation, np.nan), sharp)
    each = {"units": "1", "long_name": "share of the times within the band, of each trajectory"}
    result["trajectory_coverage"] = (("level", "trajectory", "state"), share, each)
    return result if "level" in band.dims else result.isel(level=0)


def judged(band: xr.Dataset, ds: xr.Dataset) -> tuple[list[str], Array]:
    """Give the states of a band and what it should hold of them, (trajectory, time, state), NaN where nothing is to be counted."""
    if "target" not in band.attrs:
        raise DataError("the band does not say what it should hold (attribute 'target'); make it with physode.analysis.prediction_band.")
    source: xr.Dataset | None = ds if band.attrs["target"] == "observation" else true_states(ds)
    if source is None:
        raise DataError("the truth of this record is not known, so that no band for it can be judged; ask for target='observation'.")
    names = [name for name in banded_states(band) if name in source]
    if not names:
        raise DataError(f"the record has none of the band's states: {', '.join(banded_states(band))}.")
    for name in ("trajectory", "time"):
        if not (name in band.coords and band[name].reset_coords(drop=True).equals(ds[name].reset_coords(drop=True))):
            raise DataError(f"the band's {name!r} differs from the record's; make the band on the record that it is judged by.")
    target = values(source, names).copy()
    target[:, : int(band.attrs.get("warmup", 0))] = np.nan
    return names, target


def band_ends(band: xr.Dataset, names: list[str]) -> tuple[Array, Array, Array]:
    """Lower end, middle and upper end; the ends (level, trajectory, time, state), the middle without levels."""
    dims = ("trajectory", time_dim(band))
    whole = band if "level" in band.dims else band.expand_dims("level")
    low, high = (np.stack([whole[f"{name}_{part}"].transpose("level", *dims).values for name in names], -1) for part in ("lower", "upper"))
    return low, values(band, [f"{name}_median" for name in names]), high
