"""Many trajectories at once by DOP853, each with its own adaptive steps.

The method, its error estimate, its step control and its dense output are those of scipy's ``DOP853``; the coefficients are
taken from that class. Every array has the trajectories along its last axis, so that one numpy call advances all of them:
a trajectory whose step is rejected repeats it with a smaller one while the others go on, and one that has arrived leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853

from physode.systems.outcome import Bind, Failure, Outcome, RightHandSide

__all__ = ["integrate_dop853"]

Array = NDArray[np.float64]

_A, _B, _C = np.asarray(DOP853.A), np.asarray(DOP853.B), np.asarray(DOP853.C)
_E3, _E5, _D = np.asarray(DOP853.E3), np.asarray(DOP853.E5), np.asarray(DOP853.D)
_A_EXTRA, _C_EXTRA = np.asarray(DOP853.A_EXTRA), np.asarray(DOP853.C_EXTRA)
_STAGES = 12
_ORDER = 8
_SAFETY, _SLOWEST, _FASTEST = 0.9, 0.2, 10.0
_CHUNK = 1024
_MAX_STEPS = 200_000


def integrate_dop853(
    bind: Bind, times: Array, initial: Array, rtol: float, atol: float, breaks: Array | None = None, max_steps: int = _MAX_STEPS
) -> Outcome:
    """Integrate many trajectories.

    Parameters
    ----------
    bind : callable
        Gives the right-hand side of a subset of the trajectories.
    times : ndarray, shape (time,) or (trajectory, time)
        Increasing output times, the same for all trajectories or one row each; the first is when `initial` holds. NaN at the
        end of a row pads a shorter trajectory.
    initial : ndarray, shape (trajectory, state)
        Initial states.
    rtol, atol : float
        Tolerances of the local error, as in scipy.
    breaks : ndarray, optional
        Increasing times at which the right-hand side has a kink, such as the samples of an interpolated input. No step crosses one.
    max_steps : int, default 200000
        After so many attempted steps a trajectory fails.

    Returns
    -------
    Outcome
    """
    count, width = initial.shape
    outcome = Outcome(np.full((width, count, times.shape[-1]), np.nan))
    for first in range(0, count, _CHUNK):
        index = np.arange(first, min(first + _CHUNK, count))
        with np.errstate(all="ignore"):
            _Batch(bind, times, initial, index, (rtol, atol), breaks, outcome).run(max_steps)
    outcome.failures.sort(key=lambda failure: failure.trajectory)
    return outcome


@dataclass
class _Grid:
    """The output times of a batch; `position` counts those that are written already."""

    times: Array
    shared: bool

    def upto(self, rows: NDArray[np.intp], t: Array) -> NDArray[np.intp]:
        """Return how many output times lie at or before t, row by row."""
        if self.shared:
            return np.asarray(np.searchsorted(self.times, t, side="right"))
        return np.asarray(np.count_nonzero(self.times[rows] <= t[:, None], axis=1))

    def last(self, rows: NDArray[np.intp]) -> Array:
        if self.shared:
            return np.full(len(rows), self.times[-1])
        return np.asarray(np.nanmax(self.times[rows], axis=1))

    def first(self, rows: NDArray[np.intp]) -> Array:
        return np.full(len(rows), self.times[0]) if self.shared else self.times[rows, 0].copy()

    def at(self, rows: NDArray[np.intp], position: NDArray[np.intp]) -> Array:
        return self.times[position] if self.shared else self.times[rows, position]


class _Batch:
    """The trajectories that are under way; finished ones are dropped."""

    def __init__(
        self,
        bind: Bind,
        times: Array,
        initial: Array,
        index: NDArray[np.intp],
        tolerances: tuple[float, float],
        breaks: Array | None,
        outcome: Outcome,
    ) -> None:
        self.bind, self.outcome = bind, outcome
        self.rtol, self.atol = tolerances
        self.breaks = None if breaks is None else np.append(breaks, np.inf)
        self.index = index
        self.grid = _Grid(times, times.ndim == 1)
        self.t, self.end = self.grid.first(index), self.grid.last(index)
        self.z = np.ascontiguousarray(initial[index].T)
        self.written = np.ones(len(index), dtype=np.intp)
        self.retry = np.zeros(len(index), dtype=bool)
        outcome.states[:, index, 0] = self.z
        self.f: RightHandSide = bind(index)
        self.rate = np.empty_like(self.z)
        self.f(self.t, self.z, self.rate)
        self.h = self.first_steps()
        self.allocate()

    def allocate(self) -> None:
        width, size = self.z.shape
        self.k = np.empty((_STAGES + 4, width, size))
        self.trial = np.empty_like(self.z)

    def stage(self, weights: Array, out: Array) -> Array:
        """Write sum_i weights_i k_i into out."""
        count = len(weights)
        np.dot(weights, self.k[:count].reshape(count, -1), out=out.reshape(-1))
        return out

    def first_steps(self) -> Array:
        """Choose the first steps as scipy does (Hairer, Norsett, Wanner: Solving ordinary differential equations I, II.4)."""
        scale = self.atol + np.abs(self.z) * self.rtol
        d0, d1 = _norm(self.z / scale), _norm(self.rate / scale)
        h0 = np.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / d1)
        h0 = np.minimum(h0, self.end - self.t)
        ahead = np.empty_like(self.z)
        self.f(self.t + h0, self.z + h0 * self.rate, ahead)
        self.outcome.evaluations += 2 * len(self.index)
        d2 = _norm((ahead - self.rate) / scale) / h0
        largest = np.maximum(d1, d2)
        h1 = np.where(largest <= 1e-15, np.maximum(1e-6, h0 * 1e-3), (0.01 / largest) ** (1 / _ORDER))
        h = np.minimum(np.minimum(100 * h0, h1), self.end - self.t)
        return np.where(np.isfinite(h) & (h > 0), h, 1e-6 * (self.end - self.t))

    def run(self, max_steps: int) -> None:
        self.drop(
            np.asarray(~np.isfinite(self.rate).all(axis=0)),
            "its derivative is not finite at the start",
            "start elsewhere or use other parameters",
        )
        self.leave(self.t >= self.end)
        for _ in range(max_steps):
            if not len(self.index):
                return
            self.step()
        self.drop(
            np.ones(len(self.index), dtype=bool),
            f"it took more than {max_steps} steps",
            'end earlier, or, if the system is stiff, try method="Radau" (on the command line --method Radau)',
        )

    def step(self) -> None:
        smallest = 10 * np.abs(np.nextafter(self.t, np.inf) - self.t)
        self.drop(
            self.h < smallest, "it blows up or is not smooth: its step fell below the spacing of numbers", "end earlier or start elsewhere"
        )
        if not len(self.index):
            return
        stop = self.end if self.breaks is None else np.minimum(self.end, self.breaks[np.searchsorted(self.breaks, self.t, side="right")])
        cut = self.t + self.h >= stop
        ahead = np.where(cut, stop, self.t + self.h)
        h = ahead - self.t
        k, trial = self.k, self.trial
        k[0] = self.rate
        for s in range(1, _STAGES):
            self.stage(_A[s, :s], trial)
            trial *= h
            trial += self.z
            self.f(self.t + _C[s] * h, trial, k[s])
        self.stage(_B, trial)
        trial *= h
        trial += self.z
        self.f(ahead, trial, k[_STAGES])
        self.outcome.evaluations += _STAGES * len(self.index)
        error = self.error(h)
        accepted = error < 1
        factor = np.where(error == 0, _FASTEST, _SAFETY * error ** (-1 / _ORDER))
        factor = np.clip(np.where(np.isfinite(factor), factor, _SLOWEST), _SLOWEST, np.where(accepted & ~self.retry, _FASTEST, 1.0))
        self.write(accepted, ahead, h)
        self.z = np.where(accepted, trial, self.z)
        self.rate = np.where(accepted, k[_STAGES], self.rate)
        self.t = np.where(accepted, ahead, self.t)
        self.retry = ~accepted
        self.h = np.where(accepted & cut, np.maximum(self.h, h * factor), h * factor)
        self.leave(self.t >= self.end)

    def error(self, h: Array) -> Array:
        scale = self.atol + np.maximum(np.abs(self.z), np.abs(self.trial)) * self.rtol
        fifth, third = np.empty_like(self.z), np.empty_like(self.z)
        self.stage(_E5, fifth)
        self.stage(_E3, third)
        five, three = np.square(fifth / scale).sum(axis=0), np.square(third / scale).sum(axis=0)
        denominator = five + 0.01 * three
        error = np.abs(h) * five / np.sqrt(denominator * len(self.z))
        return np.where(denominator == 0, 0.0, np.where(np.isfinite(error), error, np.inf))

    def write(self, accepted: NDArray[np.bool_], ahead: Array, h: Array) -> None:
        """Evaluate the dense output at the output times that the accepted steps have passed."""
        upto = np.where(accepted, self.grid.upto(self.index, ahead), self.written)
        counts = upto - self.written
        which = np.repeat(np.arange(len(counts)), counts)
        if not len(which):
            return
        position = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(self.written, counts)
        rows = self.index[which]
        x = (self.grid.at(rows, position) - self.t[which]) / h[which]
        terms = self.dense(h).take(which, axis=2)
        value = terms[-1] * x
        factors = (x, 1 - x)
        for order in range(1, len(terms)):
            value += terms[-1 - order]
            value *= factors[order % 2]
        value += self.z.take(which, axis=1)
        flat = self.outcome.states.reshape(len(value), -1)
        flat[:, rows * self.outcome.states.shape[2] + position] = value
        self.written = upto

    def dense(self, h: Array) -> Array:
        """Return the coefficients of the seventh-order interpolant, shape (7, state, m)."""
        point = np.empty_like(self.z)
        for s, (a, c) in enumerate(zip(_A_EXTRA, _C_EXTRA, strict=True), start=_STAGES + 1):
            self.stage(a[:s], point)
            self.f(self.t + c * h, self.z + h * point, self.k[s])
        self.outcome.evaluations += 3 * len(self.index)
        result = np.empty((7, *self.z.shape))
        change = self.trial - self.z
        result[0] = change
        result[1] = h * self.k[0] - change
        result[2] = 2 * change - h * (self.k[_STAGES] + self.k[0])
        np.dot(_D, self.k.reshape(_STAGES + 4, -1), out=result[3:].reshape(len(_D), -1))
        result[3:] *= h
        return result

    def leave(self, done: NDArray[np.bool_]) -> None:
        """Drop the trajectories that are done."""
        if not done.any():
            return
        keep = ~done
        self.index, self.t, self.end, self.h = self.index[keep], self.t[keep], self.end[keep], self.h[keep]
        self.written, self.retry = self.written[keep], self.retry[keep]
        self.z, self.rate = np.ascontiguousarray(self.z[:, keep]), np.ascontiguousarray(self.rate[:, keep])
        self.f = self.bind(self.index)
        self.allocate()

    def drop(self, failed: NDArray[np.bool_], reason: str, remedy: str) -> None:
        """Drop the trajectories that failed, and say so."""
        for m in np.flatnonzero(failed):
            values = self.z[:, m]
            speed = np.abs(self.rate[:, m]) / (np.abs(values) + self.atol)
            state = int(np.argmax(np.where(np.isfinite(speed), speed, np.inf)))
            self.outcome.failures.append(Failure(int(self.index[m]), float(self.t[m]), state, float(values[state]), reason, remedy))
        self.leave(failed)


def _norm(values: Array) -> Array:
    return np.asarray(np.sqrt(np.square(values).mean(axis=0)))
