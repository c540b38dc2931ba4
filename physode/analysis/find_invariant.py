"""Whether a vector field keeps something, and what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physode.analysis.autonomy import refuse_driven
from physode.analysis.distillation import formula
from physode.analysis.dynamics import Array, Dynamics, initial_array, unit_of
from physode.analysis.each import each
from physode.analysis.integrate import integrate
from physode.analysis.invariant_basis import InvariantBasis
from physode.analysis.invariant_search import N_SURROGATES, N_TIMES, Claim, add_claims, prepare
from physode.analysis.library import Term
from physode.analysis.settings import positive, whole
from physode.errors import DataError
from physode.trajectories.names import check_free

__all__ = ["find_invariant"]

_HELD_OUT: Final = 3  # one trajectory in three


@each
def find_invariant(
    dynamics: Dynamics,
    *,
    states: ArrayLike | None = None,
    degree: int = 4,
    extra: Mapping[str, Term] | None = None,
    tolerance: float = 0.01,
    duration: float = 30.0,
    n_trajectories: int = 60,
    seed: int = 0,
) -> xr.Dataset:
    """Search for conserved quantities of a vector field, among sums of given terms.

    For each degree, from 1 on, the sum is sought whose rate along the flow is smallest for how much it varies between states (a
    generalised eigenproblem at states along two thirds of the trajectories). It is claimed if, on the other third, (1) it varies
    within trajectories by less than `tolerance` of its standard deviation over all, so that slow decay does not pass; (2) its rate is
    smaller than what the same search finds in 39 surrogate fields, which conserve nothing because their rates are exchanged between
    states, each component on its own (p = 0.025 at best), so that a large library does not invent one; and (3) it is no function of
    those found before. Constants never count.

    Parameters
    ----------
    dynamics : Dynamics
        A fitted model, or a System.
    states : array_like, shape (trajectory, state), optional
        Where trajectories start. Default: `n_trajectories` of ``dynamics.sample_states``. On a single closed orbit every function of a
        conserved quantity is a constant: there must be several.
    degree : int, default 4
        Highest total power of the states among the terms. Sine and cosine of states in "rad" and the logarithms of states that stay
        positive are added. Of states that vary little for how far they lie from zero, powers are of the distance from a round number
        among them, as in "(x - 1000)**2".
    extra : mapping of str to callable, optional
        More terms: formula and function of states (batch, state), such as 1/r for gravity.
    tolerance : float, default 0.01
        How much a quantity may vary along a trajectory, over its standard deviation between states. True systems are at 1e-9,
        fitted networks at 1e-4, damping of 1 % per time scale at 0.1.
    duration : float, default 30
        Length of the trajectories in time scales of the dynamics. A fitted model should have been fitted to as much.
    n_trajectories : int, default 60
        Number of trajectories.
    seed : int, default 0
        Of the states and the surrogates.

    Returns
    -------
    xarray.Dataset
        ``n_independent``, how many were found; over ``invariant`` (empty if none): ``formula``; ``coefficient(invariant, term)``, that of
        the strongest term being 1; ``variation``, ``rate_ratio`` (root mean square rate per time scale over the standard deviation) and
        ``p_value``, all on trajectories held out; ``invariant_value(invariant, trajectory, time)`` beside the states of these.
        Whether or not one was found: ``best_variation(degree)`` and ``best_ratio(degree)`` of the best sum, and
        ``null_ratio(degree, surrogate)``.

    Raises
    ------
    DataError
        If the field is driven in time, if fewer than ten trajectories can be followed, if an extra term is not finite along them, or if a
        state has the name of something else in the result.
    PhysodeError
        If a number is out of its range.

    See Also
    --------
    energy_drift : how well a given quantity is kept.

    References
    ----------
    .. [1] Liu, Madhavan, Tegmark, "Machine learning conservation laws from differential equations", Phys. Rev. E 106 (2022) 045307,
       doi:10.1103/PhysRevE.106.045307.
    .. [2] Kaiser, Kutz, Brunton, "Discovering conservation laws from data for control", CDC 2018, doi:10.1109/CDC.2018.8618963.

    Examples
    --------
    >>> from physode import systems
    >>> find_invariant(systems.get("pendulum"), degree=2).formula.values.tolist()
    ['-0.0509684*omega**2 + cos(theta)']
    >>> int(find_invariant(systems.get("damped-pendulum"), degree=2).n_independent)
    0
    """
    whole(1, degree=degree, n_trajectories=n_trajectories)
    whole(0, seed=seed)
    positive(tolerance=tolerance, duration=duration)
    refuse_driven(dynamics, "a conserved quantity")
    starts = dynamics.sample_states(n_trajectories, seed) if states is None else initial_array(dynamics, states)
    time = np.linspace(0.0, duration * dynamics.time_scale, N_TIMES)
    paths = integrate(dynamics, starts, time)
    paths = paths[np.isfinite(paths).all(axis=(1, 2))]
    if len(paths) < 10:
        raise DataError(
            f"only {len(paths)} trajectories of {dynamics.name!r} can be followed for {time[-1]:.4g}, of {len(starts)}; "
            "the search takes at least ten: more n_trajectories= or states=, or a shorter duration=."
        )
    held = np.arange(len(paths)) % _HELD_OUT == 0
    claims: list[Claim] = []
    used: set[str] = set()
    best, null = np.empty((2, degree)), np.empty((degree, N_SURROGATES))
    for k in range(degree):
        search = prepare(dynamics, k + 1, dict(extra or {}), paths, held, seed)
        _, coefficients = search.best(list(range(len(search.basis.terms))))
        best[:, k], null[k] = (search.variation(coefficients), search.ratio(coefficients)), search.null
        add_claims(search, tolerance, claims, used)
    return _dataset(dynamics, search.basis, paths[held], time, claims, best, null)


def _dataset(
    dynamics: Dynamics, basis: InvariantBasis, paths: Array, time: Array, claims: list[Claim], best: Array, null: Array
) -> xr.Dataset:
    terms, one = list(basis.terms), {"units": "1"}
    coefficients = np.array([[claim.coefficients.get(term, 0.0) for term in terms] for claim in claims]).reshape(len(claims), len(terms))
    raw = np.stack([function(paths.reshape(-1, paths.shape[-1])) for function in basis.terms.values()])
    numbers = np.array([[claim.variation, claim.ratio, claim.p_value] for claim in claims]).reshape(-1, 3)
    result = xr.Dataset(
        {
            "n_independent": ((), len(claims), one | {"long_name": "number of independent conserved quantities"}),
            "formula": ("invariant", np.array([formula(row, terms) for row in coefficients], dtype=str)),
            "coefficient": (("invariant", "term"), coefficients, {"long_name": "coefficient of the term"}),
            "variation": ("invariant", numbers[:, 0], one | {"long_name": "variation along trajectories over that between states"}),
            "rate_ratio": ("invariant", numbers[:, 1], one | {"long_name": "rate per time scale over the standard deviation"}),
            "p_value": ("invariant", numbers[:, 2], one | {"long_name": "share of fields without invariant that do as well"}),
            "invariant_value": (
                ("invariant", "trajectory", "time"),
                (coefficients @ raw).reshape(len(claims), *paths.shape[:2]),
                {"long_name": "conserved quantity"},
            ),
            "best_variation": ("degree", best[0], one | {"long_name": "variation of the best sum"}),
            "best_ratio": ("degree", best[1], one | {"long_name": "rate of the best sum over its standard deviation"}),
            "null_ratio": (("degree", "surrogate"), null, one | {"long_name": "the same for fields that conserve nothing"}),
        },
        {
            "term": terms,
            "trajectory": np.arange(len(paths)),
            "time": ("time", time, {"units": unit_of(dynamics, "time"), "long_name": "time"}),
            "degree": np.arange(1, null.shape[0] + 1),
        },
        {"dynamics": dynamics.name},
    )
    check_free(dynamics.states, map(str, {*result.variables, *result.dims}))
    for i, name in enumerate(dynamics.states):
        result[name] = (("trajectory", "time"), paths[..., i], {"units": unit_of(dynamics, name), "long_name": name})
    return result
