"""Smoothing splines of measured records: first guesses of states, derivatives and noise.

The smoothing is chosen from the data by generalised cross-validation (Woltring 1986; scipy's make_smoothing_spline).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_smoothing_spline

__all__ = ["Smoothed", "smooth"]

Array = np.ndarray
LONGEST = 2000
"""Observations smoothed in one piece; longer records are smoothed in pieces, since the cross-validation grows faster than linearly."""


@dataclass(frozen=True)
class Smoothed:
    """Smoothed values with derivatives at the observation times, NaN where a trajectory has ended.

    Attributes
    ----------
    value, first, second : ndarray, shape (trajectories, observations, n_observed)
        The spline and its first and second derivative in time.
    noise : ndarray, shape (n_observed,)
        Standard deviation of data minus spline, root mean square over all measurements.
    """

    value: Array
    first: Array
    second: Array
    noise: Array


def smooth(time: Array, values: Array) -> Smoothed:
    """Smooth each state of each trajectory on its own.

    Parameters
    ----------
    time : ndarray, shape (trajectories, observations)
        NaN only at the end.
    values : ndarray, shape (trajectories, observations, n_observed)
        NaN where nothing was measured.

    Returns
    -------
    Smoothed

    Notes
    -----
    Fewer than five measurements leave a straight line through their ends; none at all leave zeros.
    """
    out = np.full((3, *values.shape), np.nan)
    n_observed = values.shape[2]
    squares, counts = np.zeros(n_observed), np.zeros(n_observed)
    for row, t in enumerate(time):
        inside = np.isfinite(t)
        for state in range(n_observed):
            y = values[row, :, state]
            valid = np.flatnonzero(inside & np.isfinite(y))
            for piece, part in _pieces(valid, np.flatnonzero(inside)):
                value, first, second, rss = _smooth_one(t[piece], y[piece], t[part])
                out[0, row, part, state], out[1, row, part, state], out[2, row, part, state] = value, first, second
                squares[state] += rss
                counts[state] += len(piece)
    return Smoothed(out[0], out[1], out[2], np.sqrt(squares / np.maximum(counts, 1)))


def _pieces(valid: Array, inside: Array) -> list[tuple[Array, Array]]:
    """Pair measurements with the times at which their spline is read."""
    count = max(1, -(-len(valid) // LONGEST))
    if count == 1:
        return [(valid, inside)]
    cuts = np.array_split(valid, count)
    ends = [c[-1] for c in cuts[:-1]]
    return list(zip(cuts, np.split(inside, np.searchsorted(inside, ends, side="right")), strict=True))


def _smooth_one(t: Array, y: Array, where: Array) -> tuple[Array, Array, Array, float]:
    """Smooth one series and read it at `where`; also the residual sum of squares."""
    zero = np.zeros_like(where)
    if len(t) == 0:
        return zero, zero, zero, 0.0
    if len(t) < 5:
        slope = (y[-1] - y[0]) / (t[-1] - t[0]) if len(t) > 1 else 0.0
        return y[0] + slope * (where - t[0]), zero + slope, zero, 0.0
    span, offset, size = t[-1] - t[0], float(y.mean()), float(y.std())
    if size == 0:
        return zero + offset, zero, zero, 0.0
    scale = span / (len(t) - 1)
    spline = make_smoothing_spline((t - t[0]) / scale, (y - offset) / size)
    x = (np.clip(where, t[0], t[-1]) - t[0]) / scale
    value, first, second = spline(x), spline.derivative()(x), spline.derivative(2)(x)
    residual = (y - offset) / size - spline((t - t[0]) / scale)
    rss = float(np.sum(residual**2))
    return offset + size * value, size * first / scale, size * second / scale**2, rss * size**2
