"""The run behind a Lyapunov spectrum: transient, alignment of the tangents, and the growth that is averaged."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.kept import Kept, step_that_keeps
from physode.analysis.sizes import relative_sizes
from physode.analysis.tangents import TangentStepper, choose_step, orthonormalise, random_frame

__all__ = ["Run", "run"]

_WARM_UP: Final = 1 / 3  # of the transient, with tangents
_N_HISTORY: Final = 100
_N_LOOKS: Final = 32  # times that the transient is looked at
_LOG_EPS: Final = float(-np.log(np.finfo(np.float64).eps))
_FAR: Final = 1e6  # times the initial size: diverged


@dataclass(frozen=True)
class Run:
    """What one integration leaves behind; trajectories that diverged are dropped from all arrays."""

    step: float
    interval: int
    """Steps between two orthonormalisations."""
    growth: Array
    """(history, trajectory, exponent): logarithm of the growth within each piece of time."""
    lengths: Array
    """(history,): duration of each piece."""
    divergence: Array
    """(trajectory,): time mean of the divergence."""
    speed: Array
    """(2, trajectory): norm of the right-hand side, each state in units of its size, when the measurement starts and ends."""
    extent: Array
    """(history, trajectory): largest absolute state, in units of its size, at the end of each piece."""
    drift: float
    """How far the quantities drifted that the dynamics conserve, since the start, on average over trajectories, in spreads; NaN if none."""
    n_diverged: int


@dataclass(frozen=True)
class _Sizes:
    """What is large for each state, (state,)."""

    far: Array
    """Beyond it a trajectory has diverged."""
    size: Array
    """Largest absolute value before the measurement."""
    weight: Array
    """Length of the tangents' unit vectors."""


def run(
    dynamics: Dynamics,
    start: Array,
    n_exponents: int,
    step: float | None,
    duration: float,
    transient: float,
    seed: int,
    window: float | None = None,
) -> Run:
    """Integrate the batch `start` (trajectory, state) with `n_exponents` tangents each, and measure their growth.

    Parameters
    ----------
    dynamics : Dynamics
        The vector field.
    start : ndarray, shape (trajectory, state)
        Initial states.
    n_exponents : int
        Number of tangents.
    step : float or None
        Step of the integration; None chooses one on the way and again on what the transient has reached.
    duration, transient : float
        In the units of time.
    seed : int
        Of the first tangents.
    window : float, optional
        Duration of each piece of the growth; a step that does not fit into it is shortened. Default: about a hundredth of `duration`.

    Returns
    -------
    Run
        The pieces of growth and what the checks need.
    """
    scale = dynamics.time_scale
    h = step_that_keeps(dynamics, start, choose_step(dynamics, start), transient + duration) if step is None else step
    reached, weight = np.abs(start).max(axis=0) + scale * np.abs(dynamics.rhs(0.0, start)).max(axis=0), relative_sizes(dynamics)
    far = _FAR * weight * (float((reached / weight).max()) or 1.0)
    stepper = TangentStepper(dynamics, start, np.empty((len(start), 0, start.shape[1])))
    with np.errstate(over="ignore", invalid="ignore"):
        seen = [start]
        for n_steps in _parts(round(transient * (1 - _WARM_UP) / h)):
            stepper.advance(h, n_steps)
            _drop_far(stepper, far)
            seen.append(stepper.states.copy())
        if step is None and len(stepper.states):  # what was reached may be milder or fiercer than the way to it
            later = np.concatenate(seen[len(seen) // 2 :])[-1024:]
            h = min(h, choose_step(dynamics, later)) if Kept(dynamics) else choose_step(dynamics, later)
        stepper.tangents = random_frame(len(stepper.states), n_exponents, start.shape[1], seed) * weight
        size = np.maximum(reached, np.abs(np.concatenate(seen)).max(axis=0))
        sizes = _Sizes(far, np.where(size > 0, size, 1.0), weight)
        spread = _align(stepper, h, transient * _WARM_UP, sizes)
        interval = _interval(spread, h, scale)
        n_rounds = max(1, round(duration / (interval * h)))
        n_pieces = min(_N_HISTORY, n_rounds)
        if window is not None:
            n_pieces, n_steps = max(1, round(duration / window)), ceil(window / h * (1 - 1e-9))  # rounding shortens no step
            in_each = next(n for n in range(ceil(n_steps / interval), n_steps + 1) if n_steps % n == 0)
            h, interval, n_rounds = window / n_steps, n_steps // in_each, n_pieces * in_each
        return _measure(stepper, h, interval, n_rounds, n_pieces, sizes, len(start))


def _parts(n_steps: int) -> list[int]:
    edges = np.linspace(0, n_steps, min(_N_LOOKS, n_steps) + 1).round().astype(int)
    return [int(n) for n in np.diff(edges)]


def _drop_far(stepper: TangentStepper, far: Array) -> np.ndarray:
    near = np.asarray((np.abs(stepper.states) < far).all(axis=1) & np.isfinite(stepper.tangents).all(axis=(1, 2)))
    if not near.all():
        stepper.keep(near)
    return near


def _interval(spread: float, step: float, scale: float) -> int:
    """Count the steps between two orthonormalisations: rounding must not fill the last direction with the first."""
    longest = 0.3 * _LOG_EPS / spread if spread > 0 else np.inf
    return max(1, int(min(longest, scale) / step))


def _orthonormalise(stepper: TangentStepper, weight: Array) -> Array:
    """Orthonormalise the tangents in units of the states' sizes; return the logarithms of their growth."""
    frame, growth = orthonormalise(stepper.tangents / weight)
    stepper.tangents = frame * weight
    return growth


def _align(stepper: TangentStepper, step: float, duration: float, sizes: _Sizes) -> float:
    """Turn the tangents to their directions; return how far apart the first and the last exponent are."""
    jacobian = stepper.dynamics.jvp(stepper.time, stepper.states, stepper.tangents)
    fastest = 2 * float(np.linalg.norm(jacobian / sizes.weight, axis=2).max(initial=0.0))
    n = _interval(fastest, step, stepper.dynamics.time_scale)
    total, elapsed = np.zeros(stepper.tangents.shape[:2]), 0.0
    for _ in range(round(duration / (n * step))):
        stepper.advance(step, n)
        total = total[_drop_far(stepper, sizes.far)]
        total += _orthonormalise(stepper, sizes.weight)
        elapsed += n * step
    if len(total) == 0 or elapsed == 0.0:
        return fastest
    return float(np.ptp(total, axis=1).max() / elapsed)


def _measure(stepper: TangentStepper, step: float, interval: int, n_rounds: int, n_pieces: int, sizes: _Sizes, n_started: int) -> Run:
    dynamics = stepper.dynamics
    growth, divergence = np.zeros((n_pieces, *stepper.tangents.shape[:2])), np.zeros(len(stepper.states))
    lengths, extent = np.zeros(n_pieces), np.zeros((n_pieces, len(stepper.states)))
    first = np.linalg.norm(dynamics.rhs(stepper.time, stepper.states) / sizes.size, axis=1)
    for each in range(n_rounds):
        index = each * n_pieces // n_rounds
        stepper.advance(step, interval, divergence)
        near = _drop_far(stepper, sizes.far)
        if not near.all():
            growth, divergence, first, extent = growth[:, near], divergence[near], first[near], extent[:, near]
        growth[index] += _orthonormalise(stepper, sizes.weight)
        lengths[index] += interval * step
        extent[index] = np.abs(stepper.states / sizes.size).max(axis=1)
        if len(first) == 0:
            break
    last = np.linalg.norm(dynamics.rhs(stepper.time, stepper.states) / sizes.size, axis=1)
    return Run(
        step=step,
        interval=interval,
        growth=growth,
        lengths=lengths,
        divergence=divergence / (n_rounds * interval),
        speed=np.stack([first, last]),
        extent=extent,
        drift=Kept(dynamics).drift(stepper.start, stepper.states) if len(first) else np.nan,
        n_diverged=n_started - len(first),
    )
