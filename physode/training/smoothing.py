"""Smoothing splines of measured records: first guesses of states, derivatives and noise.

The smoothing is chosen from the data by generalised cross-validation (Craven & Wahba 1978, doi:10.1007/BF01404567) over the logarithm
of the penalty, so that a record without noise is interpolated; a light penalty has to be better by more than chance. Everything is
banded: the cost grows linearly with the record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.linalg import LinAlgError, solveh_banded
from scipy.linalg.lapack import zgbtrf
from scipy.optimize import minimize_scalar
from scipy.special import fdtri

__all__ = ["Smoothed", "at_rest", "smooth"]

Array = np.ndarray
PIECE = 2000
"""Observations smoothed in one piece; longer records are smoothed in pieces, since their smoothness may change."""
LEAST_PENALTY, N_PENALTIES = 1e-8, 30
"""Least penalty, for knots one apart: interpolation but for rounding."""
CHANCE = 0.001
"""Probability below which a light penalty's better score is no chance."""
PAUSE, UNUSUAL = 3.0, 5.0
"""Length of a gap between measurements, in time constants of the state and in its usual gaps, above which nothing tells the state inside: a
spline goes on there with the slopes of its ends, the farther out the longer the gap is."""


@dataclass(frozen=True)
class Smoothed:
    """Smoothed values with derivatives at the observation times, NaN where a trajectory has ended.

    Attributes
    ----------
    value, first, second : ndarray, shape (trajectories, observations, n_observed)
        The spline and its first and second derivative in time. In a long gap between measurements the value is on the straight line between
        its ends, and the derivatives are NaN.
    noise : ndarray, shape (n_observed,)
        Standard deviation of data minus spline, root mean square over all measurements.
    """

    value: Array
    first: Array
    second: Array
    noise: Array


def smooth(time: Array, values: Array, unmeasured: Array | float = 0.0) -> Smoothed:
    """Smooth each state of each trajectory on its own.

    Parameters
    ----------
    time : ndarray, shape (trajectories, observations)
        NaN only at the end.
    values : ndarray, shape (trajectories, observations, n_observed)
        NaN where nothing was measured.
    unmeasured : float or ndarray of shape (n_observed,), default 0.0
        Where a state stands still in a trajectory that has no measurement of it, such as its mean.

    Returns
    -------
    Smoothed

    Notes
    -----
    Fewer than five measurements leave a straight line through their ends.
    """
    out = np.full((3, *values.shape), np.nan)
    n_observed = values.shape[2]
    rest = np.broadcast_to(unmeasured, n_observed)
    squares, counts = np.zeros(n_observed), np.zeros(n_observed)
    for row, t in enumerate(time):
        inside = np.isfinite(t)
        for state in range(n_observed):
            y = values[row, :, state]
            valid = np.flatnonzero(inside & np.isfinite(y))
            for piece, part in _pieces(valid, np.flatnonzero(inside)):
                value, first, second, rss = _smooth_one(t[piece], y[piece], t[part], rest[state])
                out[0, row, part, state], out[1, row, part, state], out[2, row, part, state] = value, first, second
                squares[state] += rss
                counts[state] += len(piece)
    return Smoothed(out[0], out[1], out[2], np.sqrt(squares / np.maximum(counts, 1)))


def at_rest(slope: Array, value: Array) -> Array:
    """Slopes of the same shape that are 0 where nothing tells them; NaN where a trajectory has ended."""
    return np.where(np.isfinite(value), np.nan_to_num(slope), np.nan)


def _pieces(valid: Array, inside: Array) -> list[tuple[Array, Array]]:
    """Pair measurements with the times at which their spline is read."""
    count = max(1, -(-len(valid) // PIECE))
    if count == 1:
        return [(valid, inside)]
    cuts = np.array_split(valid, count)
    ends = [c[-1] for c in cuts[:-1]]
    return list(zip(cuts, np.split(inside, np.searchsorted(inside, ends, side="right")), strict=True))


def _smooth_one(t: Array, y: Array, where: Array, rest: float) -> tuple[Array, Array, Array, float]:
    """Smooth one series and read it at `where`; also the residual sum of squares."""
    zero = np.zeros_like(where)
    if len(t) == 0:
        return zero + rest, zero, zero, 0.0
    if len(t) < 5:
        slope = (y[-1] - y[0]) / (t[-1] - t[0]) if len(t) > 1 else 0.0
        return y[0] + slope * (where - t[0]), zero + slope, zero, 0.0
    span, offset, size = t[-1] - t[0], float(y.mean()), float(y.std())
    if size == 0:
        return zero + offset, zero, zero, 0.0
    scale = span / (len(t) - 1)
    knots = (t - t[0]) / scale
    smooth_values = _SmoothingSpline(knots, (y - offset) / size).best()
    spline = CubicSpline(knots, smooth_values, bc_type="natural")
    x = (np.clip(where, t[0], t[-1]) - t[0]) / scale
    value, first, second = spline(x), spline(x, 1), spline(x, 2)
    slope = float(np.sqrt(np.mean(spline(knots, 1) ** 2)))
    untold = _in_pause(knots, (where - t[0]) / scale, PAUSE * smooth_values.std() / slope if slope else np.inf)
    value[untold] = np.interp(x[untold], knots, smooth_values)
    first[untold] = second[untold] = np.nan
    rss = float(np.sum(((y - offset) / size - smooth_values) ** 2))
    return offset + size * value, size * first / scale, size * second / scale**2, rss * size**2


def _in_pause(t: Array, where: Array, shortest: float) -> NDArray[np.bool_]:
    """Tell which times lie in a long gap; one before the first measurement, or after the last, counts twice, as there is none beyond."""
    gaps = np.diff(np.concatenate([[2 * where[0] - t[0]], t, [2 * where[-1] - t[-1]]]))
    long = gaps > max(shortest, UNUSUAL * float(np.median(np.diff(t))))
    return long[np.searchsorted(t, where, side="right")] & ~np.isin(where, t)


class _SmoothingSpline:
    """Natural cubic smoothing spline of one series, in the form of Reinsch 1967 (doi:10.1007/BF02162161).

    Its second derivatives g at the inner knots solve (R + penalty Q'Q) g = Q'y, and its values are y - penalty Q g.
    """

    def __init__(self, x: Array, y: Array) -> None:
        gap = np.diff(x)
        self.y, self.left, self.right = y, 1 / gap[:-1], 1 / gap[1:]
        self.middle = -self.left - self.right
        self.size = len(x) - 2
        self.stiff = self._upper((gap[:-1] + gap[1:]) / 3, gap[1:-1] / 6, gap[:0])
        self.bend = self._upper(
            self.left**2 + self.middle**2 + self.right**2,
            self.middle[:-1] * self.left[1:] + self.right[:-1] * self.middle[1:],
            self.right[:-2] * self.left[2:],
        )
        self.curvature = self.left * y[:-2] + self.middle * y[1:-1] + self.right * y[2:]

    def best(self) -> Array:
        """Values of the spline with the least generalised cross-validation score near the penalty that `_smoothest` takes."""
        penalties = np.linspace(np.log(LEAST_PENALTY), 4 * np.log(len(self.y)), N_PENALTIES)
        scores = np.array([self._score(penalty) for penalty in penalties])
        k = self._smoothest(penalties, scores)
        around = (penalties[max(k - 1, 0)], penalties[min(k + 1, N_PENALTIES - 1)])
        found = minimize_scalar(self._score, bounds=around, method="bounded", options={"xatol": 0.05})
        return np.asarray(self.y - self._residual(np.exp(found.x)))

    def _smoothest(self, penalties: Array, scores: Array) -> int:
        """Position of the least score, or of a smoother local minimum that it does not beat by more than chance.

        Where two times are close, a light penalty leaves the difference of these two measurements and little else: its score is then that
        of a single residual, which may be small by chance (Wahba & Wang 1995, Statistics & Probability Letters 25:105).
        """
        least = int(np.argmin(scores))
        inner = 1 + np.flatnonzero((scores[1:-1] < scores[:-2]) & (scores[1:-1] < scores[2:]))
        for k in inner[inner > least][::-1]:
            lower, upper = (self._residuals(penalty) for penalty in penalties[[least, k]])
            if scores[least] * lower / (scores[k] * upper) > fdtri(lower, upper, CHANCE):
                return int(k)
        return least

    def _residuals(self, log_penalty: float) -> float:
        """How many residuals of equal weight the score of a penalty amounts to, tr(I - A)^2 / tr((I - A)^2)."""
        penalty, step = np.exp(log_penalty), 0.01
        free = self._free(penalty)
        squares = (free - self._free((1 + step) * penalty) / (1 + step)) / step  # -penalty^2 d/dpenalty (free / penalty)
        return free**2 / squares

    def _score(self, log_penalty: float) -> float:
        penalty = float(np.exp(log_penalty))
        try:
            residual = self._residual(penalty)
        except LinAlgError:  # two times nearly at once: a stiff penalty on so sharp a bend is beyond rounding
            return np.inf
        return float(np.sum(residual**2) / self._free(penalty) ** 2)

    def _residual(self, penalty: float) -> Array:
        g = solveh_banded(self.stiff + penalty * self.bend, self.curvature)
        out = np.zeros_like(self.y)
        out[:-2] += self.left * g
        out[1:-1] += self.middle * g
        out[2:] += self.right * g
        return penalty * out

    def _free(self, penalty: float) -> float:
        """Degrees of freedom left to the noise, n - tr(A) = penalty d/dpenalty log det(R + penalty Q'Q), by a complex step."""
        tiny = 1e-20
        upper = self.stiff + penalty * self.bend + 1j * tiny * penalty * self.bend
        full = np.zeros((7, self.size), dtype=complex)
        for k in range(3):
            full[2 + k, 2 - k :] = full[6 - k, : self.size - 2 + k] = upper[k, 2 - k :]
        diagonal = zgbtrf(full, 2, 2)[0][4]
        return float(np.sum(diagonal.imag / diagonal.real) / tiny)

    def _upper(self, *diagonals: Array) -> Array:
        """Upper banded storage of a symmetric matrix from its main diagonal and the two above it."""
        out = np.zeros((3, self.size))
        for k, diagonal in enumerate(diagonals):
            out[2 - k, k : k + len(diagonal)] = diagonal
        return out
