"""How much of a quantity others determine on data that the map has not seen, linearly or smoothly."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from physode.analysis.dynamics import Array

__all__ = ["FOLDS", "folds_of", "held_out_r2"]

_MOST_POINTS: Final = 600
FOLDS: Final = 5
"""Trajectories are held out where there are as many, else blocks of time."""
_WIDTHS: Final = (0.5, 1.0, 2.0, 4.0)
_RIDGES: Final = (1e-8, 1e-6, 1e-4, 1e-2)


def folds_of(n_trajectories: int, n_times: int) -> Array:
    """Number the fold of each point (trajectory, n): whole trajectories where there are five or more, else blocks of time.

    Neighbours along a trajectory are nearly equal, so that a fold of single points would hold nothing out.

    Examples
    --------
    >>> folds_of(1, 10).tolist()
    [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]]
    >>> folds_of(6, 2)[:, 1].tolist()
    [0, 1, 2, 3, 4, 0]
    """
    if n_trajectories < FOLDS:
        return np.tile(np.arange(n_times) * FOLDS // n_times, (n_trajectories, 1))
    return np.repeat(np.arange(n_trajectories)[:, None] % FOLDS, n_times, axis=1)


def held_out_r2(features: Array, target: Array, folds: Array, *, smooth: bool) -> float:
    """Fit a target by a map of features and measure it on the folds left out.

    Parameters
    ----------
    features : ndarray, shape (..., feature)
        NaN where missing.
    target : ndarray, shape (...)
        NaN where missing.
    folds : ndarray of int, shape (...)
        The fold of each point.
    smooth : bool
        Whether to add to the linear map a smooth one: kernel ridge regression with a Gaussian kernel on the standardised features, whose
        width and ridge are chosen by folds within what is fitted. At most 600 points are used, evenly spaced.

    Returns
    -------
    float
        Fraction of the target's variance explained where it was held out; below 0 if the map is worse than the mean.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(-2, 2, (5, 40))
    >>> folds = folds_of(5, 40)
    >>> held_out_r2(x[..., None], np.tanh(3 * x), folds, smooth=False) < 0.9
    True
    >>> held_out_r2(x[..., None], np.tanh(3 * x), folds, smooth=True) > 0.999
    True
    """
    usable = np.isfinite(features).all(axis=-1) & np.isfinite(target)
    keep = np.flatnonzero(usable)
    keep = keep[:: -(-len(keep) // _MOST_POINTS)] if len(keep) else keep
    x, y, fold = features.reshape(-1, features.shape[-1])[keep], target.ravel()[keep], folds.ravel()[keep]
    if len(np.unique(fold)) < 2 or np.ptp(y) == 0:
        return float("nan")
    fitted = np.empty_like(y)
    for left_out in np.unique(fold):
        test, train = fold == left_out, fold != left_out
        fitted[test] = _smooth(x[train], y[train], fold[train], x[test]) if smooth else _linear(x[train], y[train], x[test])
    total = y - y.mean()
    return float(1 - np.sum((y - fitted) ** 2) / (total @ total))


def _linear(x: Array, y: Array, new: Array) -> Array:
    centre, size = _standard(x)
    weights = np.linalg.lstsq((x - centre) / size, y - y.mean(), rcond=1e-10)[0]
    return np.asarray(y.mean() + (new - centre) / size @ weights)


def _standard(x: Array) -> tuple[Array, Array]:
    size = x.std(axis=0)
    return x.mean(axis=0), np.where(size > 0, size, 1.0)


def _smooth(x: Array, y: Array, fold: Array, new: Array) -> Array:
    """Add to the linear map the kernel map of the best width and ridge."""
    centre, size = _standard(x)
    inside, left = (x - centre) / size, y - _linear(x, y, x)
    squared = cdist(inside, inside, "sqeuclidean")
    best, choice = np.inf, (1.0, _RIDGES[-1])
    numbers = np.unique(fold)
    for width in _WIDTHS if len(numbers) > 1 else ():
        kernel = np.exp(-squared / (2 * width**2))
        for ridge in _RIDGES:
            error = 0.0
            for left_out in numbers:
                test, train = fold == left_out, fold != left_out
                weights = _weights(kernel[np.ix_(train, train)], left[train], ridge)
                error += float(np.sum((left[test] - kernel[np.ix_(test, train)] @ weights) ** 2))
            if error < best:
                best, choice = error, (width, ridge)
    width, ridge = choice
    weights = _weights(np.exp(-squared / (2 * width**2)), left, ridge)
    between = np.exp(-cdist((new - centre) / size, inside, "sqeuclidean") / (2 * width**2))
    return np.asarray(_linear(x, y, new) + (between @ weights if best < float(left @ left) else 0.0))


def _weights(kernel: Array, y: Array, ridge: float) -> Array:
    return np.asarray(cho_solve(cho_factor(kernel + ridge * np.eye(len(kernel)), lower=True), y))
