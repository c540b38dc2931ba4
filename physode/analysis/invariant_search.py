"""The search for conserved quantities among given terms, and what it takes to claim one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.invariant_basis import InvariantBasis, independent, invariant_basis, slowest, tangent_directions
from physode.analysis.library import Term

__all__ = ["N_SURROGATES", "N_TIMES", "Claim", "Search", "add_claims", "prepare"]

N_TIMES: Final = 61
N_SURROGATES: Final = 39
_EVERY: Final = 3  # of the times for the search
_LEVEL: Final = 0.05
_N_GRADIENTS: Final = 60
_FLOOR: Final = 1e-9  # numerical error of a ratio


@dataclass(frozen=True)
class Claim:
    """A quantity that passed: its coefficients by term, its gradient at some states, its numbers."""

    coefficients: dict[str, float]
    gradient: Array
    variation: float
    ratio: float
    p_value: float


@dataclass(frozen=True)
class Search:
    """The scaled terms and their rates at the states that are searched and at those held out."""

    basis: InvariantBasis
    values: Array
    rates: Array
    held_values: Array
    held_rates: Array
    null: Array
    gradients: Array

    def best(self, keep: list[int]) -> tuple[float, Array]:
        """Ratio and coefficients of the slowest sum of some of the terms."""
        ratio, found = slowest(self.values[:, keep], self.rates[:, keep])
        coefficients = np.zeros(self.values.shape[1])
        coefficients[keep] = found[0]
        return float(ratio[0]), coefficients

    def ratio(self, coefficients: Array) -> float:
        """Rate over standard deviation at the states held out."""
        return _ratio(self.held_values, self.held_rates, coefficients)

    def variation(self, coefficients: Array) -> float:
        """Standard deviation within the trajectories held out, over that of all their points."""
        series = (self.held_values @ coefficients).reshape(-1, N_TIMES)
        return float(np.sqrt(series.var(axis=1).mean() / series.var()))


def prepare(dynamics: Dynamics, degree: int, extra: Mapping[str, Term], paths: Array, held: NDArray[np.bool_], seed: int) -> Search:
    """Evaluate the terms along trajectories (trajectory, n, state), some of them held out, and search the surrogate fields."""
    n = paths.shape[-1]
    points, judged = paths[~held][:, ::_EVERY].reshape(-1, n), paths[held].reshape(-1, n)
    basis = invariant_basis(dynamics, degree, extra, paths.reshape(-1, n))
    flow, held_flow = (dynamics.rhs(0.0, part) * dynamics.time_scale for part in (points, judged))
    values, held_values = basis.values(points), basis.values(judged)
    rng, null = np.random.default_rng([seed, 1]), np.empty(N_SURROGATES)
    for k in range(N_SURROGATES):
        coefficients = slowest(values, basis.along(points, _exchanged(rng, flow, points)))[1][0]
        null[k] = _ratio(held_values, basis.along(judged, _exchanged(rng, held_flow, judged)), coefficients)
    near = points[np.random.default_rng([seed, 2]).permutation(len(points))[:_N_GRADIENTS]]
    gradients = basis.gradients(near, tangent_directions(points))
    return Search(basis, values, basis.along(points, flow), held_values, basis.along(judged, held_flow), null, gradients)


def _exchanged(rng: np.random.Generator, flow: Array, points: Array) -> Array:
    """Exchange the rates between states, each component on its own, so that no sum of states is kept; one that never changes is moved."""
    still = np.abs(flow).max(axis=0) <= _FLOOR * np.maximum(points.std(axis=0), np.finfo(float).tiny)
    flow = np.where(still, points.std(axis=0) * rng.standard_normal(flow.shape), flow)
    return np.asarray(rng.permuted(flow, axis=0))


def _ratio(values: Array, rates: Array, coefficients: Array) -> float:
    return float(np.sqrt(np.mean((rates @ coefficients) ** 2)) / np.std(values @ coefficients))


def add_claims(search: Search, tolerance: float, claims: list[Claim], used: set[str]) -> None:
    """Claim what passes, one after the other; the strongest term of each is left out of the next search, which makes them differ."""
    names = list(search.basis.terms)
    while len(claims) < search.gradients.shape[1] - 1:
        keep = [i for i, name in enumerate(names) if name not in used]
        if not keep:
            return
        ratio, coefficients = search.best(keep)
        if search.variation(coefficients) > tolerance or _p_value(search, coefficients) > _LEVEL:
            return
        known = [claim.gradient for claim in claims]
        if independent([*known, search.gradients @ coefficients]):
            coefficients = _fewer_terms(search, keep, coefficients, (3 * ratio + _FLOOR, tolerance), known)
            raw = coefficients / search.basis.size
            raw /= raw[np.abs(coefficients).argmax()]
            numbers = search.variation(coefficients), search.ratio(coefficients), _p_value(search, coefficients)
            claims.append(Claim(dict(zip(names, raw.tolist(), strict=True)), search.gradients @ coefficients, *numbers))
        used.add(names[int(np.abs(coefficients).argmax())])


def _p_value(search: Search, coefficients: Array) -> float:
    return float((1 + np.sum(search.null <= search.ratio(coefficients))) / (1 + N_SURROGATES))


def _fewer_terms(search: Search, keep: list[int], coefficients: Array, limits: tuple[float, float], known: list[Array]) -> Array:
    """Leave out the weakest term, again and again, while ratio and variation keep their limits and the sum is none of those known."""
    while len(keep) > 1:
        fewer = [i for i in keep if i != min(keep, key=lambda i: abs(coefficients[i]))]
        ratio, without = search.best(fewer)
        if ratio > limits[0] or search.variation(without) > limits[1] or not independent([*known, search.gradients @ without]):
            break
        keep, coefficients = fewer, without
    return coefficients
