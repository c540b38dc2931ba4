"""From a network back to equations: a vector field as a sum of few terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.autonomy import refuse_driven
from physode.analysis.dynamics import Array, Dynamics, initial_array, unit_of
from physode.analysis.each import each
from physode.analysis.integrate import integrate
from physode.analysis.library import Term, term_library
from physode.analysis.settings import not_negative, whole
from physode.analysis.sparse import sparse_regression
from physode.errors import DataError
from physode.trajectories.unit_algebra import multiply_units, rate_units, units_of_term

__all__ = ["distill", "formula"]

_FEWEST: Final = 3
_WINDOW: Final = 0.5  # of the time scale
_HALVINGS: Final = 8  # of the window, where the field is fast
_QUADRATURE: Final = 1e-8  # error of the mean rate over its size
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


@each
def distill(
    dynamics: Dynamics,
    *,
    states: ArrayLike | None = None,
    degree: int = 3,
    extra: Mapping[str, Term] | None = None,
    tolerance: float = 1e-3,
    n_states: int = 2000,
    spread: float = 0.05,
    seed: int = 0,
) -> xr.Dataset:
    """Write a vector field as equations of few terms, by sparse regression.

    From each of many states the field is followed for half its time scale, and the mean rate there is written by the mean terms
    (the weak form [2]_), so that no data need be differentiated. A network that was fitted to trajectories has small errors of its
    slope that its trajectories do not have: on Lorenz, they put a coefficient of 1 wrong by 2 % pointwise, by 0.03 % so. For each number
    of terms the best set that stepwise selection finds, forward or backward, is kept; the number is the one beyond which a further
    term no longer divides the error by 1.5, or the error is within `tolerance`.

    Parameters
    ----------
    dynamics : Dynamics
        A fitted model, or a System.
    states : array_like, shape (n, state), optional
        Where to start. Default: `n_states` of ``dynamics.sample_states``, moved a little.
    degree : int, default 3
        Highest total power of the states among the terms; sine and cosine of states in "rad" are added.
    extra : mapping of str to callable, optional
        More terms: formula and function of states (batch, state).
    tolerance : float, default 1e-3
        Relative error that the field itself may have: terms are not added to explain less. A network fitted to noise needs a
        larger one, a System may have a smaller one. It bounds the number of terms too, to 17 by default: each must divide the
        error by 1.5.
    n_states : int, default 2000
        Number of states.
    spread : float, default 0.05
        By how much states are moved, in standard deviations: on a closed orbit terms depend on each other.
    seed : int, default 0
        Of the states. A third of them is held out, to measure the fit.

    Returns
    -------
    xarray.Dataset
        ``coefficient(state, term)``, zero where a term is not used, and ``coefficient_units``, "" where a unit is not known;
        ``equation(state)``, a formula; ``r2(state)`` against the field itself on the states held out; ``relative_error(state)``, the
        root mean square error there over the rate's standard deviation; ``lowest(state)``, ``highest(state)`` of the states.

    Raises
    ------
    DataError
        If the field is driven in time, a term or the field is not finite at the states, there are fewer than three, or the field
        cannot be followed from any of them.
    PhysodeError
        If a number is out of its range.

    See Also
    --------
    distilled_system : a System from the result, to simulate.

    References
    ----------
    .. [1] Brunton, Proctor, Kutz, PNAS 113 (2016) 3932, doi:10.1073/pnas.1517384113.
    .. [2] Messenger, Bortz, Multiscale Model. Simul. 19 (2021) 1474, doi:10.1137/20M1343166.

    Examples
    --------
    >>> from physode import systems
    >>> found = distill(systems.get("lorenz", rho=20.0))
    >>> dict(zip(found.state.values.tolist(), found.equation.values.tolist()))
    {'x': '-10*x + 10*y', 'y': '20*x - y - x*z', 'z': '-2.66667*z + x*y'}
    """
    whole(0, degree=degree, seed=seed)
    whole(_FEWEST, n_states=n_states)
    not_negative(tolerance=tolerance, spread=spread)
    refuse_driven(dynamics, "an equation")
    terms = term_library(dynamics, degree, extra)
    points = _states(dynamics, n_states, spread, seed) if states is None else initial_array(dynamics, states)
    if len(points) < _FEWEST:
        raise DataError(f"states= has {len(points)} states; a third is held out, so give {_FEWEST} or more, better hundreds.")
    features, rates = _features(terms, points), dynamics.rhs(0.0, points)
    _check_finite("rate of", list(dynamics.states), rates)
    held = np.random.default_rng(seed).permutation(len(points)) < len(points) // 3
    mean_features, mean_rates = _over_windows(dynamics, terms, points[~held])
    coefficients = np.stack([sparse_regression(mean_features, rate, tolerance) for rate in mean_rates.T])
    error = features[held] @ coefficients.T - rates[held]
    deviation = rates[held].std(axis=0)
    size = np.where(deviation > 0, deviation, 1.0)
    own = {name: unit_of(dynamics, name) for name in dynamics.states}
    of_rates = [rate_units(own[name], unit_of(dynamics, "time")) for name in dynamics.states]
    term_units = [units_of_term(term, own) or "" for term in terms]
    units = [[multiply_units((rate, 1), (term, -1)) or "" for term in term_units] for rate in of_rates]
    return xr.Dataset(
        {
            "coefficient": (("state", "term"), coefficients, {"long_name": "coefficient of the term"}),
            "coefficient_units": (("state", "term"), units),
            "equation": ("state", [formula(row, list(terms)) for row in coefficients]),
            "r2": ("state", 1 - np.mean(error**2, axis=0) / size**2, {"units": "1", "long_name": "R2 against the field"}),
            "relative_error": (
                "state",
                np.sqrt(np.mean(error**2, axis=0)) / size,
                {"units": "1", "long_name": "error over the standard deviation of the rate"},
            ),
            "lowest": ("state", points.min(axis=0), {"long_name": "smallest value among the states"}),
            "highest": ("state", points.max(axis=0), {"long_name": "largest value among the states"}),
        },
        {"state": list(dynamics.states), "term": list(terms), "units": ("state", of_rates), "state_units": ("state", list(own.values()))},
        {"dynamics": dynamics.name, "time_units": unit_of(dynamics, "time")},
    )


def _states(dynamics: Dynamics, n: int, spread: float, seed: int) -> Array:
    sampled = dynamics.sample_states(n, seed)
    return np.asarray(sampled + spread * sampled.std(axis=0) * np.random.default_rng([seed, 1]).standard_normal(sampled.shape))


def _features(terms: Mapping[str, Term], points: Array) -> Array:
    table = np.stack([np.asarray(function(points), dtype=np.float64) for function in terms.values()], axis=1)
    _check_finite("term", list(terms), table)
    return table


def _check_finite(kind: str, names: list[str], table: Array) -> None:
    bad = np.flatnonzero(~np.isfinite(table).all(axis=0))
    if len(bad):
        raise DataError(f"the {kind} {names[bad[0]]!r} is not finite at some of the states; leave it out or pass other states.")


def _over_windows(dynamics: Dynamics, terms: Mapping[str, Term], points: Array) -> tuple[Array, Array]:
    """Mean terms and mean rates along the field from each state, over windows short enough for the quadrature of the field itself."""
    length, features, rates = _WINDOW * dynamics.time_scale, [], []
    for _ in range(_HALVINGS):
        grid = np.concatenate([[0.0], length * (1 + _NODES) / 2, [length]])
        path = integrate(dynamics, points, grid)
        inside, rate = path[:, 1:-1], (path[:, -1] - path[:, 0]) / length
        at_nodes = np.stack([dynamics.rhs(t, inside[:, j]) for j, t in enumerate(grid[1:-1])], axis=1)
        error = np.abs(np.einsum("j,ijk->ik", _WEIGHTS / 2, at_nodes) - rate)
        good = (error <= _QUADRATURE * np.sqrt(np.nanmean(rate**2, axis=0))).all(axis=1) & np.isfinite(path).all(axis=(1, 2))
        table = _features(terms, inside[good].reshape(-1, inside.shape[-1])).reshape(*inside[good].shape[:2], len(terms))
        features.append(np.einsum("j,ijk->ik", _WEIGHTS / 2, table))
        rates.append(rate[good])
        points, length = points[~good], length / 2
        if not len(points):
            break
    if not sum(map(len, rates)):
        raise DataError(
            f"the field of {dynamics.name!r} cannot be followed from any of the states, however briefly: it runs away, or changes too "
            "fast for its mean rate to be found; pass other states."
        )
    return np.concatenate(features), np.concatenate(rates)


def formula(coefficients: Array, terms: list[str], digits: int = 6) -> str:
    """Write a sum of terms.

    Examples
    --------
    >>> formula(np.array([0.0, -1.0, 2.5]), ["1", "x", "x*y"])
    '-x + 2.5*x*y'
    """
    parts = []
    for coefficient, term in zip(coefficients, terms, strict=True):
        number = f"{abs(coefficient):.{digits}g}"
        if coefficient == 0:
            continue
        body = number if term == "1" else term if number == "1" else f"{number}*{term}"
        parts.append(("- " if coefficient < 0 else "+ ") + body)
    if not parts:
        return "0"
    return " ".join(parts).removeprefix("+ ").replace("- ", "-", 1 if parts[0].startswith("- ") else 0)
