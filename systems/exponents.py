"""Lyapunov exponents that are exact: they follow from the equations, or are declared where a proof is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import sympy
from numpy.typing import NDArray

from physode.systems.compiled import has_jumps, jacobian
from physode.systems.verification import unkept

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["exact_exponents", "exact_sum"]

Array = NDArray[np.float64]
_ROUNDING = 1e-12


def exact_exponents(system: System) -> Array | None:
    """Return the exponents of a system, largest first, or None where they are not known exactly.

    A linear system has the real parts of the eigenvalues of its matrix. A system of two states that conserves a quantity and keeps
    areas moves along closed curves and has two zeros; without the areas it may end at a fixed point, and has that point's. Others
    declare theirs. Where the right-hand side jumps, as with dry friction, neither follows: a jump pushes neighbours together or
    apart, and no derivative tells how much.

    Examples
    --------
    >>> from physode import systems
    >>> systems.get("damped-oscillator", gamma=0.2, omega=1.0).lyapunov_exponents
    array([-0.1, -0.1])
    >>> systems.get("pendulum").lyapunov_exponents
    array([0., 0.])
    >>> systems.get("lorenz").lyapunov_exponents is None
    True
    """
    if system.exponents:
        values = {s: sympy.Float(v) for s, v in zip(system.parameter_symbols, system.parameters.values(), strict=True)}
        return np.sort([float(expression.xreplace(values)) for expression in system.exponents])[::-1]
    if system.has_jumps:
        return None
    entries = [entry for row in jacobian(system.autonomous, system.symbols) for entry in row]
    if not any(entry.free_symbols & {*system.symbols, system.time_symbol} for entry in entries):
        found = np.linalg.eigvals(system.jacobian(0.0, system.initial_array())[0])
        return np.sort(np.where(np.abs(found.real) > _ROUNDING * np.abs(found).max(), found.real, 0.0))[::-1]
    moves_alone = not any(system.time_symbol in expression.free_symbols for expression in system.autonomous)
    keeps = system.conserves_energy or (system.conserved and not unkept(system))
    if len(system.states) == 2 and moves_alone and keeps and exact_sum(system) == 0:
        return np.zeros(2)
    return None


def exact_sum(system: System) -> float | None:
    """Return the sum of the exponents where the divergence is the same everywhere and no state's own jump adds to it, else None.

    Examples
    --------
    >>> from physode import systems
    >>> systems.get("lorenz").exponent_sum
    -13.666666666666666
    """
    if any(has_jumps((expression,), (own,)) for expression, own in zip(system.autonomous, system.symbols, strict=True)):
        return None
    rows = jacobian(system.autonomous, system.symbols)
    trace = sympy.simplify(sympy.Add(*(rows[i][i] for i in range(len(rows)))))
    if trace.free_symbols & {*system.symbols, system.time_symbol}:
        return None
    return float(system.divergence(0.0, system.initial_array())[0])
