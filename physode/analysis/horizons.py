"""Errors by horizon: the arithmetic that forecasts and their baselines share. All arrays are (trajectory, time, ...)."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array
from physode.errors import DataError
from physode.trajectories import state_names, time_dim, true_states, values

__all__ = ["bins", "deviation", "known_at_start", "last_trained", "origin", "rms_by", "symmetric_error", "valid_time"]

_N_BINS: Final = 50  # of horizon, where each trajectory has its own times


def origin(ds: xr.Dataset, time: Array, start: float | None, *, backward: bool = False, warmup: int | None = None) -> Array:
    """Give the time of the last observation that a forecast may know, (trajectory,); backward in time, one where all states are known."""
    if backward:
        last = _last_complete(ds, time)
        return last if start is None else np.asarray(np.minimum(last, start))
    if start is not None:
        return np.full(len(time), float(start))
    if warmup is not None:
        return np.asarray(np.nanmax(time[:, :warmup], axis=1))
    trained = last_trained(ds, time)
    return np.asarray(np.nanmin(time, axis=1)) if trained is None else trained


def _last_complete(ds: xr.Dataset, time: Array) -> Array:
    """Give the last time at which all states are known, else the last one."""
    known = true_states(ds)
    source = ds if known is None else known
    complete = np.isfinite(values(source, state_names(source))).all(axis=2)
    last = np.where(complete, time, -np.inf).max(axis=1)
    return np.asarray(np.where(np.isfinite(last), last, np.nanmax(time, axis=1)))


def last_trained(ds: xr.Dataset, time: Array) -> Array | None:
    """Give the last time marked "train" by a split by time, (trajectory,); None if the record has none."""
    if "split" not in ds.coords or time_dim(ds) not in ds["split"].dims:
        return None
    train = np.broadcast_to(ds["split"].values == "train", time.shape)
    return np.asarray(np.nanmax(np.where(train, time, np.nan), axis=1)) if train.any(axis=1).all() else None


def deviation(target: Array, name: str) -> float:
    """Give the standard deviation of a state in the record."""
    deviation = float(np.nanstd(target))
    if not deviation > 0:
        raise DataError(f"the state {name!r} is constant in the record, so that no error can be measured by its standard deviation.")
    return deviation


def known_at_start(target: Array, horizon: Array) -> Array:
    """Give the state known nearest before the start of each forecast, (trajectory, state)."""
    before = np.isfinite(target) & (horizon <= 0)[..., None]
    index = np.where(before, horizon[..., None], -np.inf).argmax(axis=1)
    found = np.take_along_axis(target, index[:, None], axis=1)[:, 0]
    return np.where(before.any(axis=1), found, np.nan)


def bins(ds: xr.Dataset, horizon: Array, ahead: np.ndarray) -> tuple[Array, np.ndarray]:
    """Label the horizons, and say into which bin each entry falls, -1 for none."""
    if time_dim(ds) == "time" and (horizon == horizon[0]).all():
        labels, index = np.unique(horizon[0][ahead[0]], return_inverse=True)
        row = np.full(horizon.shape[1], -1)
        row[ahead[0]] = index
        return np.asarray(labels, dtype=np.float64), np.broadcast_to(row, horizon.shape)
    edges = np.linspace(0, float(np.nanmax(horizon)), _N_BINS + 1)
    index = np.clip(np.searchsorted(edges, np.nan_to_num(horizon), side="right") - 1, 0, _N_BINS - 1)
    return (edges[1:] + edges[:-1]) / 2, np.where(ahead, index, -1)


def rms_by(error: Array, index: np.ndarray, n_bins: int) -> Array:
    """Root mean square over all that falls into a bin, (state, bin)."""
    out = np.full((error.shape[-1], n_bins), np.nan)
    for i in range(error.shape[-1]):
        usable = ~np.isnan(error[..., i]) & (index >= 0)
        count = np.bincount(index[usable], minlength=n_bins)
        total = np.bincount(index[usable], weights=error[..., i][usable] ** 2, minlength=n_bins)
        out[i, count > 0] = np.sqrt(total[count > 0] / count[count > 0])
    return out


def symmetric_error(guess: Array, target: Array, ahead: np.ndarray) -> Array:
    """Symmetric mean absolute percentage error of each state, 0 to 200, over what is known ahead; a lost prediction counts 200."""
    known = np.isfinite(target) & ahead[..., None]
    size = np.abs(target) + np.abs(guess)
    share = np.divide(np.abs(guess - target), size, out=np.zeros_like(size), where=(size > 0) & np.isfinite(size))
    share = np.where(np.isfinite(guess), share, 1.0)
    count = known.sum(axis=(0, 1))
    return np.asarray(np.where(count > 0, 200 * np.where(known, share, 0.0).sum(axis=(0, 1)) / np.maximum(count, 1), np.nan))


def valid_time(scaled: Array, horizon: Array, threshold: float) -> Array:
    """Horizon up to which the error averaged over states stays below the threshold, (trajectory,).

    At most the last one at which there is an error to judge by; NaN where there is none ahead.
    """
    seen = ~np.isnan(scaled)
    known = (horizon >= 0) & seen.any(axis=2)
    mean = np.sqrt(np.sum(np.where(seen, scaled, 0.0) ** 2, axis=2) / np.maximum(seen.sum(axis=2), 1))
    end = np.where(known, horizon, 0.0).max(axis=1)
    first = np.where(known & ~(mean < threshold), horizon, np.inf).min(axis=1)
    return np.asarray(np.where(end > 0, np.minimum(first, end), np.nan))
