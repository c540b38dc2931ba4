"""Units in which every state, input and the time are of order one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physode.training.smoothing import Smoothed
from physode.training.stages import FEW_MEASURED

__all__ = ["Scaling", "changes", "measure", "spreads"]

Array = NDArray[np.float64]

ROUNDINGS = 8
"""Roundings of its largest value that a variable may range over where nothing changes."""


@dataclass(frozen=True)
class Scaling:
    """Scaled state = (state - mean) / scale; scaled time = (time - start of the trajectory) / time_scale.

    Attributes
    ----------
    mean, scale : ndarray, shape (n_states,)
    input_mean, input_scale : ndarray, shape (n_inputs,)
    time_scale : float
        The record's time constant, in its unit of time.
    """

    mean: Array
    scale: Array
    input_mean: Array
    input_scale: Array
    time_scale: float


def measure(values: Array, smoothed: Smoothed) -> tuple[Array, Array, float]:
    """Mean and standard deviation of each observed state, 0 where only rounding changes it, and the time constant of the record.

    The time constant is the standard deviation of a smoothed state over that of its derivative (1 / angular frequency for an
    oscillator), joined over the states that move as the root mean square of the rates.

    Parameters
    ----------
    values : ndarray, shape (trajectories, observations, n_observed)
        The measurements; a smoothing spline of few sharp peaks may lack most of their height.
    smoothed : Smoothed
        Of these measurements.
    """
    axes = (0, 1)
    mean, scale = np.nanmean(values, axis=axes), np.where(changes(values), np.nanstd(values, axis=axes), 0.0)
    moves = (np.nanstd(smoothed.value, axis=1).max(axis=0) > 0) & changes(values, axis=1).any(axis=0)
    if not moves.any():
        return mean, scale, np.nan
    first, value = smoothed.first[..., moves], smoothed.value[..., moves]
    told = np.where(np.isfinite(first), value, np.nan)
    rate = np.sqrt(np.nanmean(first**2, axis=axes)) / np.nanstd(told, axis=axes)
    return mean, scale, float(1 / np.sqrt(np.mean(rate**2)))


def changes(values: Array, axis: int | tuple[int, ...] = (0, 1)) -> NDArray[np.bool_]:
    """Tell which variables change by more than the rounding of their values.

    Parameters
    ----------
    values : ndarray, shape (trajectories, observations, n)
    axis : int or tuple of int, default (0, 1)
        Along which they are looked at; 1 is within each trajectory.
    """
    rounding = ROUNDINGS * np.finfo(np.float64).eps * np.fmax.reduce(np.abs(values), axis=(0, 1))
    return np.asarray(np.fmax.reduce(values, axis=axis) - np.fmin.reduce(values, axis=axis) > rounding)


def spreads(values: Array, scale: Array) -> Array:
    """Standard deviation of each observed state, which errors are told in; the model's scale where too few measurements tell it.

    Parameters
    ----------
    values : ndarray, shape (trajectories, observations, n_observed)
        The measurements.
    scale : ndarray, shape (n_observed,)
        Of some models it is not the standard deviation: units of positions and momenta, or of velocities, depend on each other.
    """
    counts, found = np.isfinite(values).sum(axis=1), np.nanstd(values, axis=(0, 1))
    few = counts.sum(axis=0) < FEW_MEASURED * (counts > 0).sum(axis=0)
    return np.where(few | ~changes(values), scale, found)
