"""Functions that a conserved quantity may be made of, and how they change along a flow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.library import Term, term_library
from physode.errors import DataError

__all__ = ["InvariantBasis", "independent", "invariant_basis", "slowest", "tangent_directions"]

_STEP: Final = 1e-4  # of a derivative, in time scales or standard deviations
_PARALLEL: Final = 0.05  # smallest singular value of unit gradients that still counts as a direction of its own
_RANK: Final = 1e-7  # combinations of terms that vary less are constants, and no conserved quantity

_FAR: Final = 20  # standard deviations between zero and the mean: powers of the state are nearly a constant and a line


@dataclass(frozen=True)
class InvariantBasis:
    """Terms, with the mean and standard deviation that they are counted by."""

    terms: Mapping[str, Term]
    mean: Array
    size: Array

    def values(self, points: Array) -> Array:
        """Scaled terms at states (point, state), (point, term)."""
        raw = np.stack([np.asarray(function(points), dtype=np.float64) for function in self.terms.values()], axis=1)
        return np.asarray((raw - self.mean) / self.size)

    def along(self, points: Array, directions: Array) -> Array:
        """Give the derivative of the scaled terms in directions (point, state), (point, term)."""
        return (
            8 * (self.values(points + _STEP * directions) - self.values(points - _STEP * directions))
            - (self.values(points + 2 * _STEP * directions) - self.values(points - 2 * _STEP * directions))
        ) / (12 * _STEP)

    def gradients(self, points: Array, directions: Array) -> Array:
        """Give the derivatives of the scaled terms in directions (direction, state), (point, direction, term)."""
        return np.stack([self.along(points, np.broadcast_to(row, points.shape)) for row in directions], axis=1)


def tangent_directions(points: Array) -> Array:
    """Give the directions (direction, state) in which states vary, each as long as their standard deviation.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal(50)
    >>> tangent_directions(np.stack([x, -x], axis=1)).shape  # two bodies about their common centre
    (1, 2)
    """
    size = points.std(axis=0)
    size[size == 0] = 1.0
    _, spread, axes = np.linalg.svd((points - points.mean(axis=0)) / size / np.sqrt(len(points)), full_matrices=False)
    keep = spread > _RANK * spread.max(initial=0.0)
    return np.asarray(spread[keep, None] * axes[keep] * size)


def invariant_basis(dynamics: Dynamics, degree: int, extra: Mapping[str, Term], points: Array) -> InvariantBasis:
    """Make a basis of the terms of `term_library`, without the constant, and the logarithms of states that are positive.

    States that vary little for how far they lie from zero are counted from a round number among them, since their powers would be
    all alike.

    Raises
    ------
    DataError
        If a term is not finite at the points.
    """
    terms = term_library(dynamics, degree, extra, _origin(points))
    del terms["1"]
    for i, name in enumerate(dynamics.states):
        if points[:, i].min() > 0:
            terms[f"log({name})"] = _log_of(i)
    with np.errstate(all="ignore"):
        table = {name: np.isfinite(np.asarray(function(points))).all() for name, function in terms.items()}
    bad = [name for name, finite in table.items() if not finite]
    if bad:
        raise DataError(f"the term {bad[0]!r} is not finite along the trajectories; leave it out or pass other states=.")
    raw = InvariantBasis(terms, np.zeros(len(terms)), np.ones(len(terms))).values(points)
    size = raw.std(axis=0)
    return InvariantBasis(terms, raw.mean(axis=0), np.where(size > 0, size, 1.0))


def slowest(values: Array, rates: Array) -> tuple[Array, Array]:
    """Find the combinations that change least along the flow, for how much they vary: a generalised eigenproblem.

    Parameters
    ----------
    values, rates : ndarray, shape (point, term)
        Centred terms and their derivatives along the flow.

    Returns
    -------
    ratio : ndarray, shape (k,)
        Root mean square rate over the standard deviation of each combination, smallest first.
    coefficients : ndarray, shape (k, term)
        Of combinations with a standard deviation of 1.

    Examples
    --------
    >>> angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    >>> z = np.concatenate([r * np.stack([np.cos(angle), np.sin(angle)], axis=1) for r in (1.0, 2.0)])
    >>> terms, rates = z**2 - (z**2).mean(axis=0), 2 * z * np.stack([-z[:, 1], z[:, 0]], axis=1)  # a circle
    >>> ratio, coefficients = slowest(terms, rates)
    >>> round(float(ratio[0]), 9), (coefficients[0] / coefficients[0, 0]).round(6).tolist()
    (0.0, [1.0, 1.0])
    """
    centred = values - values.mean(axis=0)
    _, size, axes = np.linalg.svd(centred / np.sqrt(len(values)), full_matrices=False)
    keep = size > _RANK * size.max(initial=0.0)
    whitening = axes[keep].T / size[keep]
    _, ratio, found = np.linalg.svd(rates @ whitening / np.sqrt(len(rates)), full_matrices=False)
    return np.asarray(ratio[::-1]), np.asarray((whitening @ found[::-1].T).T)


def independent(gradients: list[Array]) -> bool:
    """Whether functions with these gradients, each (point, direction), are functionally independent: none is a function of the others.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((20, 2))
    >>> independent([x, 3 * x]), independent([x, x[:, ::-1]])
    (False, True)
    """
    rows = np.stack(gradients, axis=1)
    size = np.linalg.norm(rows, axis=2, keepdims=True)
    if rows.shape[1] > rows.shape[2]:
        return False
    smallest = np.linalg.svd(rows / np.where(size > 0, size, 1.0), compute_uv=False)[:, -1]
    return bool(np.median(smallest) > _PARALLEL)


def _origin(points: Array) -> list[float]:
    """Give a round number near the mean of states that are far from zero, 0 for others."""
    origin = []
    for mean, spread in zip(points.mean(axis=0).tolist(), points.std(axis=0).tolist(), strict=True):
        digits = -math.ceil(math.log10(spread)) if spread > 0 else 0
        origin.append(round(mean, digits) if abs(mean) > _FAR * spread > 0 else 0.0)
    return origin


def _log_of(i: int) -> Term:
    return lambda z: np.log(np.abs(z[:, i]))  # steps of surrogates may cross zero
