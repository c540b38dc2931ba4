"""From a network back to equations: a vector field as a sum of few terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics, unit_of
from physode.analysis.library import Term, term_library
from physode.errors import DataError

__all__ = ["distill"]

_WORTH: Final = 1.5  # a term must divide the error by as much
_MOST_TERMS: Final = 12  # per equation


def distill(
    dynamics: Dynamics,
    *,
    states: Array | None = None,
    degree: int = 3,
    extra: Mapping[str, Term] | None = None,
    tolerance: float = 1e-3,
    n_states: int = 2000,
    spread: float = 0.05,
    seed: int = 0,
) -> xr.Dataset:
    """Write a vector field as equations of few terms, by sparse regression.

    The field is evaluated at many states, so that no data need be differentiated. For each number of terms the best set that stepwise
    selection finds, forward or backward, is kept; the number is the one beyond which a further term no longer divides
    the error by 1.5, or the error is within `tolerance`.

    Parameters
    ----------
    dynamics : Dynamics
        A fitted model, or a System.
    states : ndarray, shape (n, state), optional
        Where to evaluate. Default: `n_states` of ``dynamics.sample_states``, moved a little.
    degree : int, default 3
        Highest total power of the states among the terms; sine and cosine of states in "rad" are added.
    extra : mapping of str to callable, optional
        More terms: formula and function of states (batch, state).
    tolerance : float, default 1e-3
        Relative error that the field itself may have: terms are not added to explain less. A network fitted to noise needs a
        larger one, a System may have a smaller one.
    n_states : int, default 2000
        Number of states.
    spread : float, default 0.05
        By how much states are moved, in standard deviations: on a closed orbit terms depend on each other.
    seed : int, default 0
        Of the states. A third of them is held out, to measure the fit.

    Returns
    -------
    xarray.Dataset
        ``coefficient(state, term)``, zero where a term is not used; ``equation(state)``, a formula that `physode.systems.define`
        takes; ``r2(state)`` against the field on the states held out; ``relative_error(state)``, the root mean square error
        over the rate's standard deviation.

    Raises
    ------
    DataError
        If a term or the field is not finite at the states.

    References
    ----------
    .. [1] Brunton, Proctor, Kutz, PNAS 113 (2016) 3932, doi:10.1073/pnas.1517384113.

    Examples
    --------
    >>> from physode import systems
    >>> found = distill(systems.get("lorenz", rho=20.0))
    >>> dict(zip(found.state.values.tolist(), found.equation.values.tolist()))
    {'x': '-10*x + 10*y', 'y': '20*x - y - x*z', 'z': '-2.66667*z + x*y'}
    """
    terms = term_library(dynamics, degree, extra)
    points = _states(dynamics, n_states, spread, seed) if states is None else np.asarray(states, dtype=np.float64)
    features = np.stack([np.asarray(function(points), dtype=np.float64) for function in terms.values()], axis=1)
    rates = dynamics.rhs(0.0, points)
    for kind, names, table in (("term", list(terms), features), ("rate of", list(dynamics.states), rates)):
        bad = np.flatnonzero(~np.isfinite(table).all(axis=0))
        if len(bad):
            raise DataError(f"the {kind} {names[bad[0]]!r} is not finite at some of the states; leave it out or pass other states.")
    held = np.random.default_rng(seed).permutation(len(points)) < len(points) // 3
    coefficients = np.stack([_sparse(features[~held], rate[~held], tolerance) for rate in rates.T])
    error = features[held] @ coefficients.T - rates[held]
    deviation = rates[held].std(axis=0)
    size = np.where(deviation > 0, deviation, 1.0)
    relative = np.sqrt(np.mean(error**2, axis=0)) / size
    time = unit_of(dynamics, "time")
    units = [f"{unit_of(dynamics, name)} {time}-1" if time not in ("", "1") else unit_of(dynamics, name) for name in dynamics.states]
    return xr.Dataset(
        {
            "coefficient": (("state", "term"), coefficients, {"long_name": "coefficient of the term"}),
            "equation": ("state", [_equation(row, list(terms)) for row in coefficients]),
            "r2": ("state", 1 - error.var(axis=0) / size**2, {"units": "1", "long_name": "R2 against the field"}),
            "relative_error": ("state", relative, {"units": "1", "long_name": "error over the standard deviation of the rate"}),
        },
        {"state": list(dynamics.states), "term": list(terms), "units": ("state", units)},
        {"dynamics": dynamics.name},
    )


def _states(dynamics: Dynamics, n: int, spread: float, seed: int) -> Array:
    sampled = dynamics.sample_states(n, seed)
    return np.asarray(sampled + spread * sampled.std(axis=0) * np.random.default_rng([seed, 1]).standard_normal(sampled.shape))


def _sparse(features: Array, rate: Array, tolerance: float) -> Array:
    """Coefficients of the terms that are worth their place, zero for the others."""
    size = np.sqrt(np.mean(features**2, axis=0))
    size[size == 0] = 1.0
    scaled, scale = features / size, float(np.sqrt(np.mean(rate**2)))
    if scale == 0:
        return np.zeros(features.shape[1])
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (1.0, ())}
    for path in (_forward(scaled, rate), _backward(scaled, rate)):
        for chosen in path:
            error = _error(scaled[:, list(chosen)], rate) / scale
            if len(chosen) not in best or error < best[len(chosen)][0]:
                best[len(chosen)] = (error, chosen)
    _, chosen = min(best.values(), key=lambda found: np.log(max(found[0], tolerance)) + len(found[1]) * np.log(_WORTH))
    coefficients = np.zeros(features.shape[1])
    if chosen:
        coefficients[list(chosen)] = np.linalg.lstsq(scaled[:, list(chosen)], rate, rcond=None)[0]
    return np.asarray(coefficients / size)


def _error(columns: Array, rate: Array) -> float:
    fitted = columns @ np.linalg.lstsq(columns, rate, rcond=None)[0]
    return float(np.sqrt(np.mean((rate - fitted) ** 2)))


def _forward(scaled: Array, rate: Array) -> list[tuple[int, ...]]:
    """Add one term after the other, each time the one that leaves the smallest error."""
    path: list[tuple[int, ...]] = []
    chosen: tuple[int, ...] = ()
    while len(chosen) < min(_MOST_TERMS, scaled.shape[1]):
        others = [i for i in range(scaled.shape[1]) if i not in chosen]
        basis = np.linalg.qr(scaled[:, list(chosen)])[0] if chosen else np.zeros((len(scaled), 0))
        left, columns = rate - basis @ (basis.T @ rate), scaled[:, others] - basis @ (basis.T @ scaled[:, others])
        norms = np.linalg.norm(columns, axis=0)
        gain = np.where(norms > 1e-10 * np.sqrt(len(scaled)), np.abs(left @ columns) / np.maximum(norms, 1e-300), 0.0)
        chosen = (*chosen, others[int(gain.argmax())])
        path.append(chosen)
    return path


def _backward(scaled: Array, rate: Array) -> list[tuple[int, ...]]:
    """Take away one term after the other, each time the one whose loss costs least."""
    chosen = tuple(range(scaled.shape[1]))
    path = []
    while len(chosen) > 1:
        columns = scaled[:, list(chosen)]
        q, r = np.linalg.qr(columns)
        inverse = np.linalg.pinv(r, rcond=1e-12)
        weights = inverse @ (q.T @ rate)
        cost = weights**2 / np.maximum((inverse**2).sum(axis=1), 1e-300)
        worst = int(cost.argmin())
        chosen = (*chosen[:worst], *chosen[worst + 1 :])
        if len(chosen) <= _MOST_TERMS:
            path.append(chosen)
    return path


def _equation(coefficients: Array, terms: list[str]) -> str:
    """Write a sum of terms, with six digits.

    Examples
    --------
    >>> _equation(np.array([0.0, -1.0, 2.5]), ["1", "x", "x*y"])
    '-x + 2.5*x*y'
    """
    parts = []
    for coefficient, term in zip(coefficients, terms, strict=True):
        number = f"{abs(coefficient):.6g}"
        if coefficient == 0:
            continue
        body = number if term == "1" else term if number == "1" else f"{number}*{term}"
        parts.append(("- " if coefficient < 0 else "+ ") + body)
    if not parts:
        return "0"
    return " ".join(parts).removeprefix("+ ").replace("- ", "-", 1 if parts[0].startswith("- ") else 0)
