"""A system checks itself: numbers against sympy, derivatives against differences, energy against its stated change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import sympy
from numpy.typing import NDArray

from physode.systems.compiled import compile_expressions
from physode.systems.expressions import symbol

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["unkept", "verify"]

Array = NDArray[np.float64]
_KEPT = 1e-6


def verify(system: System, seed: int = 0, n: int = 8) -> dict[str, float]:
    """Check a system at random states, times and parameters; return the largest relative error of each check.

    Parameters
    ----------
    system : System
        The system. Its parameters are multiplied by random factors between 0.5 and 1.5, so that no check passes by luck of a
        default of one.
    seed : int, default 0
        Seed of states, times and factors.
    n : int, default 8
        How many states.

    Returns
    -------
    dict of str to float
        ``"rhs"`` (numpy against sympy with 30 digits), ``"jvp"`` (against central differences), ``"divergence"`` (against the
        trace of the Jacobian by differences); with an energy ``"energy_rate"`` (along the flow against the stated one); for each
        conserved quantity its change along the flow; for a Hamiltonian system ``"hamilton"`` (dq/dt = dH/dp, dp/dt = -dH/dq by
        differences).

    Examples
    --------
    >>> from physode import systems
    >>> errors = systems.verify(systems.get("pendulum-canonical"))
    >>> sorted(errors)
    ['divergence', 'energy_rate', 'hamilton', 'jvp', 'rhs']
    >>> max(errors.values()) < 1e-6
    True
    """
    generator = np.random.default_rng(seed)
    factors = generator.uniform(0.5, 1.5, size=len(system.constants))
    other = system.with_parameters(**{c.name: c.value * f for c, f in zip(system.constants, factors, strict=True)})
    states = other.sample_states(n, seed=[seed, 1])
    times = generator.uniform(0.0, 10.0, size=n)
    velocity = other.rhs(times, states)
    tangents = generator.normal(size=states.shape)
    jacobian = _jacobian(lambda z: other.rhs(times, z), states)
    errors = {
        "rhs": _relative(velocity, _symbolic(other, times, states)),
        "jvp": _relative(other.jvp(times, states, tangents), np.einsum("bij,bj->bi", jacobian, tangents)),
        "divergence": float(
            np.max(np.abs(other.divergence(times, states) - np.trace(jacobian, axis1=1, axis2=2))) / np.max(np.abs(jacobian))
        ),
    }
    if other.energy_expression is not None:
        errors["energy_rate"] = _rate_error(other.energy, states, velocity, other.energy_rate(times, states))
    for name in other.conserved:
        errors[name] = _rate_error(other.invariants[name], states, velocity, np.zeros(n))
    if other.hamiltonian:
        errors["hamilton"] = _relative(velocity, _hamilton(other, states))
    return errors


def unkept(system: System) -> str:
    """Say which quantity that is declared conserved changes along the flow, at the start or a few states drawn; nothing if none does."""
    states = np.concatenate([system.initial_array(), system.sample_states(8)])
    times = np.random.default_rng(0).uniform(0.0, 10.0, size=len(states))
    arguments = (*system.symbols, *system.parameter_symbols, system.time_symbol)
    values = (*states.T, *np.array([*system.parameters.values()]), times)
    for name, quantity in system.conserved.items():
        parts = tuple(quantity.diff(s) * rate for s, rate in zip(system.symbols, system.autonomous, strict=True))
        with np.errstate(all="ignore"):
            found = np.stack([np.broadcast_to(part, len(states)) for part in compile_expressions(arguments, parts)(*values)])
            change = found.sum(axis=0)
            share = np.nan_to_num(np.abs(change) / np.abs(found).sum(axis=0))
        worst = int(share.argmax())
        if share[worst] > _KEPT:
            where = ", ".join(f"{key} = {z:.3g}" for key, z in zip((*system.states, "t"), (*states[worst], times[worst]), strict=True))
            return (
                f"{system.name}: {name!r} is declared conserved, but changes along the flow, at a rate of {change[worst]:.3g} where "
                f"{where}; correct it or leave it out. An energy that changes is given as energy=."
            )
    return ""


def _relative(found: Array, expected: Array) -> float:
    return float(np.max(np.abs(found - expected)) / (np.max(np.abs(expected)) or 1.0))


def _symbolic(system: System, times: Array, states: Array) -> Array:
    result = np.empty_like(states)
    values = {symbol(name): sympy.Float(value, 30) for name, value in system.parameters.items()}
    inputs = {symbol(forcing.name): forcing.default for forcing in system.forcing}
    for index, (time, state) in enumerate(zip(times, states, strict=True)):
        at = values | {symbol("t"): sympy.Float(time, 30)} | {s: sympy.Float(z, 30) for s, z in zip(system.symbols, state, strict=True)}
        result[index] = [float(derivative.subs(inputs).evalf(30, subs=at)) for derivative in system.derivatives]
    return result


def _jacobian(function: Callable[[Array], Array], states: Array) -> Array:
    """Differentiate a function of states (batch, state) with results (batch, m) by central differences: (batch, m, state)."""
    step = 1e-5 * np.maximum(1.0, np.abs(states))
    columns = []
    for index in range(states.shape[1]):
        ahead, behind = states.copy(), states.copy()
        ahead[:, index] += step[:, index]
        behind[:, index] -= step[:, index]
        columns.append((function(ahead) - function(behind)) / (ahead - behind)[:, index, None])
    return np.stack(columns, axis=-1)


def _rate_error(quantity: Callable[[Array], Array], states: Array, velocity: Array, expected: Array) -> float:
    """Compare the change of a quantity along the flow with the expected one, relative to the terms that it is the sum of."""
    terms = _jacobian(lambda z: quantity(z)[:, None], states)[:, 0] * velocity
    return float(np.max(np.abs(terms.sum(axis=-1) - expected) / (np.abs(terms).sum(axis=-1) + 1e-12)))


def _hamilton(system: System, states: Array) -> Array:
    gradient = _jacobian(lambda z: system.energy(z)[:, None], states)[:, 0]
    result = np.empty_like(states)
    for index, state in enumerate(system.quantities):
        if state.conjugate_to is not None:
            partner = system.states.index(state.conjugate_to)
            result[:, partner] = gradient[:, index]
            result[:, index] = -gradient[:, partner]
    return result
