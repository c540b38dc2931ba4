"""Equations of motion from a Hamiltonian or a Lagrangian, by sympy."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr

from physode.systems.expressions import symbol

__all__ = ["hamilton_equations"]


def hamilton_equations(hamiltonian: Expr, coordinates: Sequence[str], momenta: Sequence[str]) -> dict[str, Expr]:
    """Return Hamilton's equations dq/dt = dH/dp, dp/dt = -dH/dq.

    Parameters
    ----------
    hamiltonian : sympy.Expr
        H over the real symbols of coordinates, momenta and parameters.
    coordinates, momenta : sequence of str
        Names of q and p, pair by pair.

    Returns
    -------
    dict of str to sympy.Expr
        The time derivative of each coordinate, then of each momentum.

    Examples
    --------
    >>> q, p = symbol("q"), symbol("p")
    >>> hamilton_equations(p**2 / 2 + q**2, ["q"], ["p"])
    {'q': p, 'p': -2*q}
    """
    rates = {q: hamiltonian.diff(symbol(p)) for q, p in zip(coordinates, momenta, strict=True)}
    return rates | {p: -hamiltonian.diff(symbol(q)) for q, p in zip(coordinates, momenta, strict=True)}
