"""Where a learned field could not be integrated any further, in words: which trajectory, when, and what to do."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import SimulationWarning, more_failed
from physode.trajectories import input_values, times, values

if TYPE_CHECKING:
    from physode.models.dynamics import LearnedDynamics

__all__ = ["describe", "from_there_on_missing", "warn_of_failures"]

Array = NDArray[np.float64]
_ENDED = "could not be carried beyond"
FAR = 10.0
"""Distance from the record, in its standard deviations, up to which the field is asked whether it is stiff."""
STABLE = 2.0
"""Rate of decay times step beyond which an explicit step overshoots."""
EXPLODED = 1e6
"""Times as far from the mean as its record ever was, or its start, from which on a run counts as lost, though it is still a number."""


def from_there_on_missing(states: Array) -> Array:
    """Replace what is not finite by NaN, and all that comes after it; shape (trajectory, n, n_states)."""
    lost = np.logical_or.accumulate(~np.isfinite(states).all(-1), axis=1)
    return np.where(lost[..., None], np.nan, states)


def warn_of_failures(dynamics: LearnedDynamics, result: xr.Dataset, ds: xr.Dataset) -> None:
    """Warn once if a prediction ends before its record does, or explodes.

    Parameters
    ----------
    dynamics : LearnedDynamics
    result : xarray.Dataset
        All its states on the observations of `ds`.
    ds : xarray.Dataset
        Gives the inputs.
    """
    states, time = values(result, dynamics.layout.states), times(result)
    lost, exploded = np.isfinite(time) & np.isnan(states).any(-1), _exploded(dynamics, states)
    rows = np.flatnonzero((lost | exploded).any(axis=1))
    if not len(rows):
        return
    labels = result["trajectory"].values.tolist()
    more, row = more_failed([labels[k] for k in rows[1:]]), int(rows[0])
    if lost[row].any():
        column, what, rest = max(int(lost[row].argmax()) - 1, 0), _ENDED, "are missing"
    else:
        column, what, rest = int(exploded[row].argmax()), f"goes {EXPLODED:.0e} times as far as its record by", "tell nothing"
    u = input_values(dynamics.layout.as_fitted(ds), dynamics.layout.inputs)[row]
    text = describe(dynamics, labels[row], time[row, : column + 1], states[row, : column + 1], u[: column + 1], more, what=what)
    warnings.warn(f"{text}. Its later values {rest}.", SimulationWarning, stacklevel=3)


def _exploded(dynamics: LearnedDynamics, states: Array) -> NDArray[np.bool_]:
    """Where a run has left its record behind, shape (trajectory, n)."""
    mean, scale = dynamics.scaling.mean, dynamics.scaling.scale
    farthest = np.abs((dynamics.reference - mean) / scale).max(0).clip(min=1.0)
    with np.errstate(over="ignore"):
        scaled = np.abs((states - mean) / scale)
    return np.asarray((scaled > EXPLODED * np.maximum(farthest, scaled[:, :1].max(-1, keepdims=True))).any(-1))


def describe(dynamics: LearnedDynamics, label: object, time: Array, states: Array, u: Array, more: str = "", *, what: str = _ENDED) -> str:
    """Say where a trajectory ended, why, and what to try.

    Parameters
    ----------
    label : object
        The trajectory.
    time : ndarray, shape (n,)
        Times that were reached, the last one included.
    states : ndarray, shape (n, n_states)
        States there.
    u : ndarray, shape (n, n_inputs)
    more : str, default ""
        What to add about other trajectories.
    what : str
        Happened to this one at the last of the times.
    """
    scaled = (states - dynamics.scaling.mean) / dynamics.scaling.scale
    near = np.flatnonzero((np.abs(scaled) < FAR).all(-1))
    at = int(near[-1]) if len(near) else 0
    size = np.abs(scaled[-1])
    worst = int(np.where(np.isfinite(size), size, -1.0).argmax())
    name = dynamics.layout.states[worst]
    units = "" if dynamics.layout.time_units in ("", "1") else f" {dynamics.layout.time_units}"
    jacobian = dynamics.jacobian(states[at][None], u[at][None] if u.shape[1] else None)[0]
    decay = float(-np.linalg.eigvals(jacobian).real.min()) if np.isfinite(jacobian).all() else 0.0
    step = dynamics.step
    low, high = dynamics.reference[:, worst].min(), dynamics.reference[:, worst].max()
    if decay * step > STABLE:
        reason = f"the learned field is stiff there, with a motion that decays in {1 / decay:.2g}{units} against steps of {step:.2g}{units}"
        remedy = "fit again with solver='implicit-midpoint'"
    else:
        covered = f"in which {name} goes from {low:.3g} to {high:.3g}"
        reason = f"the learned field runs away from its record, {covered}, from time {time[at]:.6g}{units} on"
        remedy = "fit to a record that covers this motion, begin closer to the record, or ask for a shorter time"
    return (
        f"trajectory {label!r} {what} time {time[-1]:.6g}{units}, where {name} is {states[-1, worst]:.3g}: "
        f"{reason}{more}. To go on, {remedy}"
    )
