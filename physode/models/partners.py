"""Velocities and momenta as a first guess: by their own measurements, or by the slope of the position where those are too few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physode.models.layout import Layout
from physode.training.smoothing import at_rest

__all__ = ["guess_partners", "is_told"]

Array = NDArray[np.float64]


def guess_partners(layout: Layout, smoothed: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Guess the velocity or momentum of each position, and its slope, scaled.

    Parameters
    ----------
    layout : Layout
        Of pairs: positions first, then their partners.
    smoothed : tuple of ndarray, each of shape (trajectories, observations, n_observed)
        The observed states and their first and second derivatives, the latter NaN where nothing tells them.

    Returns
    -------
    partner, slope : ndarray, shape (trajectories, observations, n_positions)
    """
    value, first, second = smoothed
    n = len(layout.states) // 2
    positions = [layout.observed.index(name) for name in layout.states[:n]]
    partner, slope = at_rest(first, value)[..., positions], second[..., positions].copy()
    for k, (position, name) in enumerate(zip(positions, layout.states[n:], strict=True)):
        if name in layout.observed:
            column = layout.observed.index(name)
            by_position, by_itself = first[..., position], first[..., column]
            own = is_told(by_position, by_itself)[:, None] & (np.isfinite(by_itself) | ~np.isfinite(by_position))
            partner[own, k], slope[own, k] = value[own, column], by_itself[own]
    return partner, slope


def is_told(position: Array, partner: Array) -> NDArray[np.bool_]:
    """Tell in which trajectories a partner's own measurements say more of it than the slope of the position does.

    Parameters
    ----------
    position, partner : ndarray, shape (trajectories, observations)
        Slopes of their smoothing splines, NaN where a trajectory has ended.

    Returns
    -------
    ndarray of bool, shape (trajectories,)
    """
    return np.asarray(_order(partner) >= _order(position))


def _order(slope: Array) -> NDArray[np.int64]:
    """0 for a state that stands still, as from one measurement, 1 for a straight line, as from fewer than five, 2 for a curve."""
    bends = np.nanmax(slope, axis=1) > np.nanmin(slope, axis=1)
    moves = (np.nan_to_num(slope) != 0).any(axis=1)
    return np.asarray(bends.astype(np.int64) + moves)
