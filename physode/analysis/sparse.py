"""Which few of many columns make up another one."""

from __future__ import annotations

from typing import Final

import numpy as np

from physode.analysis.dynamics import Array

__all__ = ["sparse_regression"]

_WORTH: Final = 1.5  # a term must divide the error by as much
_MOST_FORWARD: Final = 12  # larger sets are found backward


def sparse_regression(features: Array, target: Array, tolerance: float) -> Array:
    """Write a target as a sum of few features.

    For each number of terms the best set that stepwise selection finds, forward or backward, is kept; the number is the one beyond
    which a further term no longer divides the error by 1.5, or the error is within the tolerance.

    Parameters
    ----------
    features : ndarray, shape (n, feature)
        The columns to choose from.
    target : ndarray, shape (n,)
        What they are to make up.
    tolerance : float
        Relative error that need not be explained.

    Returns
    -------
    ndarray, shape (feature,)
        Coefficients; zero for the features that are not worth their place.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50)
    >>> sparse_regression(np.stack([x, x**2, x**3], axis=1), 2 * x**3 - x, 1e-6).round(9).tolist()
    [-1.0, 0.0, 2.0]
    """
    size = np.sqrt(np.mean(features**2, axis=0))
    size[size == 0] = 1.0
    scaled, scale = features / size, float(np.sqrt(np.mean(target**2)))
    coefficients = np.zeros(features.shape[1])
    if scale == 0:
        return coefficients
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (1.0, ())}
    for path in (_forward(scaled, target), _backward(scaled, target)):
        for chosen in path:
            error = _error(scaled[:, list(chosen)], target) / scale
            if len(chosen) not in best or error < best[len(chosen)][0]:
                best[len(chosen)] = (error, chosen)
    _, chosen = min(best.values(), key=lambda found: np.log(max(found[0], tolerance)) + len(found[1]) * np.log(_WORTH))
    if chosen:
        coefficients[list(chosen)] = np.linalg.lstsq(scaled[:, list(chosen)], target, rcond=None)[0]
    return np.asarray(coefficients / size)


def _error(columns: Array, target: Array) -> float:
    fitted = columns @ np.linalg.lstsq(columns, target, rcond=None)[0]
    return float(np.sqrt(np.mean((target - fitted) ** 2)))


def _forward(scaled: Array, target: Array) -> list[tuple[int, ...]]:
    """Add one term after the other, each time the one that leaves the smallest error."""
    path: list[tuple[int, ...]] = []
    chosen: tuple[int, ...] = ()
    while len(chosen) < min(_MOST_FORWARD, scaled.shape[1]):
        others = [i for i in range(scaled.shape[1]) if i not in chosen]
        basis = np.linalg.qr(scaled[:, list(chosen)])[0] if chosen else np.zeros((len(scaled), 0))
        left, columns = target - basis @ (basis.T @ target), scaled[:, others] - basis @ (basis.T @ scaled[:, others])
        norms = np.linalg.norm(columns, axis=0)
        gain = np.where(norms > 1e-10 * np.sqrt(len(scaled)), np.abs(left @ columns) / np.maximum(norms, 1e-300), 0.0)
        chosen = (*chosen, others[int(gain.argmax())])
        path.append(chosen)
    return path


def _backward(scaled: Array, target: Array) -> list[tuple[int, ...]]:
    """Take away one term after the other, each time the one whose loss costs least."""
    chosen = tuple(range(scaled.shape[1]))
    path = [chosen]
    while len(chosen) > 1:
        columns = scaled[:, list(chosen)]
        q, r = np.linalg.qr(columns)
        inverse = np.linalg.pinv(r, rcond=1e-12)
        weights = inverse @ (q.T @ target)
        cost = weights**2 / np.maximum((inverse**2).sum(axis=1), 1e-300)
        worst = int(cost.argmin())
        chosen = (*chosen[:worst], *chosen[worst + 1 :])
        path.append(chosen)
    return path
