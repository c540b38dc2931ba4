"""The largest Lyapunov exponent of a measured series, where no equations are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from physode.analysis.dynamics import Array
from physode.analysis.even import step_tolerance
from physode.analysis.settings import not_negative, positive, whole
from physode.errors import DataError, unknown_name
from physode.trajectories import check_not_empty, state_names, time_dim, values
from physode.trajectories.unit_algebra import rate_units

__all__ = ["exponent_of_series"]

_N_BLOCKS: Final = 10
_SHORTEST: Final = 5  # samples of a line
_N_NEIGHBOURS: Final = 30  # candidates looked at until one is far enough away in time


def exponent_of_series(
    ds: xr.Dataset,
    *,
    states: list[str] | None = None,
    dimension: int | None = None,
    lag: int | None = None,
    exclude: float | None = None,
    horizon: float | None = None,
) -> xr.Dataset:
    """Estimate the largest Lyapunov exponent of a record by Rosenstein's method.

    Each state is paired with its nearest neighbour in state space that is not near in time; the mean logarithm of their
    distance grows with the largest exponent, after a first transient and before it saturates at the size of the attractor.

    Parameters
    ----------
    ds : xarray.Dataset
        A record with evenly spaced times; at least some hundred points per trajectory.
    states : list of str, optional
        The observed states to use. Default: all.
    dimension : int, optional
        Number of delays. Default: 1 if several states are used, else 5.
    lag : int, optional
        Delay in samples. Default: where the autocorrelation falls below 1 - 1/e.
    exclude : float, optional
        Neighbours must be this far away in time (Theiler's window). Default: the mean period of the power spectrum.
    horizon : float, optional
        For how long pairs are followed. Default: ten mean periods, at most a quarter of the record.

    Returns
    -------
    xarray.Dataset
        ``largest_exponent`` and ``standard_error`` (between 10 parts of the pairs), per unit time; ``log_distance(time)``, the curve;
        ``fit(time)``, the line where it was fitted, NaN elsewhere. Attributes: ``fit_start``, ``fit_end``, ``saturation`` (mean log
        distance of unrelated states), ``dimension``, ``lag``, ``exclude``, ``n_pairs`` and ``warnings``.

    Raises
    ------
    DataError
        If the record is empty or irregular, unevenly spaced, has gaps, or is too short for the delays, or does not change.
    PhysodeError
        If a number is out of its range.

    Notes
    -----
    Look at the curve: every series has some slope. On noise-free records of Lorenz' system (ten thousand points, step 0.02) five
    runs gave 0.74 to 0.88 from the full state and 0.76 to 0.95 from x alone, where 0.906 is true: expect 10 to 20 %, more
    often too low, and more than the standard error says, which knows nothing of the fit's bias.

    References
    ----------
    .. [1] Rosenstein, Collins, De Luca, Physica D 65 (1993) 117, doi:10.1016/0167-2789(93)90009-P.
    .. [2] Theiler, Phys. Rev. A 34 (1986) 2427, doi:10.1103/PhysRevA.34.2427.
    """
    names = state_names(ds) if states is None else list(states)
    for name in names:
        if name not in state_names(ds):
            raise unknown_name("state", name, state_names(ds))
    whole(1, dimension=dimension, lag=lag)
    positive(horizon=horizon)
    not_negative(exclude=exclude)
    check_not_empty(ds)
    step = _step(ds)
    series = values(ds, names)
    if not np.isfinite(series).all():
        raise DataError("the record has gaps; pairs can only be followed through complete trajectories. Interpolate them first.")
    if not np.ptp(series, axis=(0, 1)).any():
        raise DataError(f"the record is at rest: {', '.join(names)} never change, so that no distance grows. Use a record with motion.")
    deviation = series.std(axis=(0, 1))
    scaled = (series - series.mean(axis=(0, 1))) / np.where(deviation > 0, deviation, 1.0)
    period = _mean_period(scaled)
    delay = _first_lag(scaled) if lag is None else lag
    size = (1 if len(names) > 1 else 5) if dimension is None else dimension
    window = period if exclude is None else max(1, round(exclude / step))
    length = min(10 * period, series.shape[1] // 4) if horizon is None else round(horizon / step)
    embedded = _embed(scaled, size, delay)
    if embedded.shape[1] - length < 4 * max(window, 10):
        raise DataError(
            f"{series.shape[1]} times are too few for {size} delays of {delay} and pairs followed for {length} samples; "
            "use a longer record or a shorter horizon."
        )
    if length < _SHORTEST:
        raise DataError(f"pairs followed for {length} samples make no line; use a horizon of {_SHORTEST * step:g} or more.")
    logs = _follow(embedded, window, length)
    unrelated = _unrelated(embedded)
    time = step * np.arange(length + 1)
    fit = _fit(time, np.nanmean(logs, axis=0), unrelated)
    slopes = [_slope(time, np.nanmean(part, axis=0), fit) for part in np.array_split(logs, _N_BLOCKS)]
    return _dataset(ds, time, logs, fit, float(np.std(slopes, ddof=1) / np.sqrt(_N_BLOCKS))).assign_attrs(
        saturation=unrelated, dimension=size, lag=delay, exclude=window * step, n_pairs=int(np.isfinite(logs[:, 0]).sum())
    )


@dataclass(frozen=True)
class _Fit:
    start: int
    end: int
    slope: float
    offset: float
    note: str


def _step(ds: xr.Dataset) -> float:
    if time_dim(ds) != "time":
        raise DataError("trajectories have times of their own; pairs can only be followed on evenly spaced times. Interpolate first.")
    times = np.asarray(ds["time"].values, dtype=np.float64)
    if len(times) < 2:
        raise DataError("the record has one time, at which no pair can be followed; use a longer record.")
    steps = np.diff(times)
    if np.ptp(steps) > step_tolerance(times, steps.mean()):
        raise DataError(f"times are unevenly spaced ({steps.min():g} to {steps.max():g}); pairs can only be followed on even ones.")
    return float(steps.mean())


def _mean_period(scaled: Array) -> int:
    """Inverse of the power spectrum's mean frequency, in samples."""
    power = (np.abs(np.fft.rfft(scaled, axis=1)) ** 2).sum(axis=(0, 2))[1:]
    frequency = np.fft.rfftfreq(scaled.shape[1])[1:]
    return max(1, round(float(power.sum() / (power @ frequency))))


def _first_lag(scaled: Array) -> int:
    n = scaled.shape[1]
    power = np.abs(np.fft.rfft(scaled, 2 * n, axis=1)) ** 2
    correlation = np.fft.irfft(power, axis=1)[:, : n // 2].sum(axis=(0, 2))
    below = np.flatnonzero(correlation < (1 - np.exp(-1)) * correlation[0])
    return int(below[0]) if len(below) else 1


def _embed(scaled: Array, size: int, delay: int) -> Array:
    n = scaled.shape[1] - (size - 1) * delay
    return np.concatenate([scaled[:, i * delay : i * delay + max(n, 0)] for i in range(size)], axis=2)


def _follow(embedded: Array, window: int, length: int) -> Array:
    """Log distance of each state and its neighbour over time, (pair, length + 1); NaN where they coincide."""
    n_trajectories, n, _ = embedded.shape
    usable = n - length
    points = embedded[:, :usable].reshape(n_trajectories * usable, -1)
    owner, index = np.repeat(np.arange(n_trajectories), usable), np.tile(np.arange(usable), n_trajectories)
    k = min(2 * window + _N_NEIGHBOURS, len(points))
    distance, neighbour = cKDTree(points).query(points, k=k)
    apart = (owner[neighbour] != owner[:, None]) | (np.abs(index[neighbour] - index[:, None]) > window)
    first = np.where(apart & (distance > 0), np.arange(k), k).min(axis=1)
    kept = np.flatnonzero(first < k)
    partner = neighbour[kept, first[kept]]
    logs = np.empty((len(kept), length + 1))
    for i in range(length + 1):
        gap = np.linalg.norm(embedded[owner[kept], index[kept] + i] - embedded[owner[partner], index[partner] + i], axis=1)
        logs[:, i] = np.log(np.where(gap > 0, gap, np.nan))
    return logs


def _unrelated(embedded: Array) -> float:
    rng = np.random.default_rng(0)
    points = embedded.reshape(-1, embedded.shape[2])
    gap = np.linalg.norm(points[rng.integers(len(points), size=4000)] - points[rng.integers(len(points), size=4000)], axis=1)
    return float(np.mean(np.log(gap[gap > 0])))


def _fit(time: Array, curve: Array, saturation: float) -> _Fit:
    """Fit a line from half a Lyapunov time on, until the curve comes within two e-folds of its saturation."""
    reached = np.flatnonzero(curve > saturation - 2.0)
    end = int(reached[0]) if len(reached) else len(time) - 1
    start, note = 0, "none"
    if end < _SHORTEST:
        return _Fit(0, len(time) - 1, *_line(time, curve), "no growth to fit: neighbours are as far apart as unrelated states.")
    for _ in range(10):
        slope, _ = _line(time[start : end + 1], curve[start : end + 1])
        later = min(int(np.searchsorted(time, 0.5 / slope)), end // 2) if slope > 0 else start
        if later == start:
            break
        start = later
    slope, offset = _line(time[start : end + 1], curve[start : end + 1])
    if slope * (time[end] - time[start]) < 1.0:
        note = "distances grow by less than a factor e in the fitted region: no exponential growth is seen."
    return _Fit(start, end, slope, offset, note)


def _line(time: Array, curve: Array) -> tuple[float, float]:
    slope, offset = np.polyfit(time, curve, 1)
    return float(slope), float(offset)


def _slope(time: Array, curve: Array, fit: _Fit) -> float:
    return _line(time[fit.start : fit.end + 1], curve[fit.start : fit.end + 1])[0]


def _dataset(ds: xr.Dataset, time: Array, logs: Array, fit: _Fit, error: float) -> xr.Dataset:
    unit = str(ds["time"].attrs.get("units", ""))
    rate = rate_units("1", unit)
    line = np.full(len(time), np.nan)
    line[fit.start : fit.end + 1] = fit.offset + fit.slope * time[fit.start : fit.end + 1]
    return xr.Dataset(
        {
            "largest_exponent": ((), fit.slope, {"units": rate, "long_name": "largest Lyapunov exponent"}),
            "standard_error": ((), error, {"units": rate, "long_name": "standard error of the largest Lyapunov exponent"}),
            "log_distance": ("time", np.nanmean(logs, axis=0), {"units": "1", "long_name": "mean log distance of neighbours"}),
            "fit": ("time", line, {"units": "1", "long_name": "fitted line"}),
        },
        {"time": ("time", time, {"units": unit, "long_name": "time since they were neighbours"})},
        {"fit_start": float(time[fit.start]), "fit_end": float(time[fit.end]), "warnings": fit.note},
    )
