"""How much of a quantity a set of series determines, linearly."""

from __future__ import annotations

import numpy as np

from physode.analysis.dynamics import Array

__all__ = ["linear_map"]


def linear_map(features: Array, target: Array) -> tuple[Array, float]:
    """Fit a target by a linear map of features plus a constant, by least squares.

    Parameters
    ----------
    features : ndarray, shape (..., feature)
        NaN where missing.
    target : ndarray, shape (...)
        NaN where missing.

    Returns
    -------
    fitted : ndarray, shape (...)
        The map's value, NaN where a feature is missing.
    r2 : float
        Fraction of the target's variance that it explains; NaN if the target is constant.

    Examples
    --------
    >>> x = np.linspace(0, 1, 11)
    >>> fitted, r2 = linear_map(x[:, None], 2 - 3 * x)
    >>> bool(np.allclose(fitted, 2 - 3 * x)), round(r2, 12)
    (True, 1.0)
    """
    design = np.concatenate([features, np.ones((*features.shape[:-1], 1))], axis=-1)
    usable = np.isfinite(design).all(axis=-1) & np.isfinite(target)
    if not usable.any():
        return np.full(target.shape, np.nan), float("nan")
    size = np.abs(design[usable]).max(axis=0)
    size[size == 0] = 1.0
    weights = np.linalg.lstsq(design[usable] / size, target[usable], rcond=None)[0] / size
    fitted = design @ weights
    residual, total = target[usable] - fitted[usable], target[usable] - target[usable].mean()
    return fitted, float(1 - residual @ residual / (total @ total)) if total.any() else float("nan")
