"""Equations of motion from a Lagrangian or a Hamiltonian, and the way between velocities and momenta, by sympy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy
from sympy import Expr

from physode.errors import PhysodeError
from physode.systems.expressions import symbol

__all__ = ["hamilton_equations", "lagrange_equations", "rational", "solve_linear", "tidy"]

_SIMPLIFY_BELOW = 25


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


def lagrange_equations(kinetic: Expr, potential: Expr, velocities: Mapping[str, str], forces: Mapping[str, Expr]) -> dict[str, Expr]:
    """Return q' = v and the accelerations of L = T - V under generalised forces.

    Parameters
    ----------
    kinetic, potential : sympy.Expr
        T over coordinates and velocities, V over coordinates.
    velocities : mapping of str to str
        The velocity's name of each coordinate.
    forces : mapping of str to sympy.Expr
        The generalised force on each coordinate, friction included.

    Returns
    -------
    dict of str to sympy.Expr
        The time derivative of each coordinate, then of each velocity.

    Examples
    --------
    >>> v, x = symbol("v"), symbol("x")
    >>> lagrange_equations(v**2 / 2, x**2, {"x": "v"}, {})
    {'x': v, 'v': -2*x}
    """
    q = [symbol(name) for name in velocities]
    v = [symbol(name) for name in velocities.values()]
    lagrangian = kinetic - potential
    momenta = [lagrangian.diff(rate) for rate in v]
    right = [
        lagrangian.diff(coordinate)
        - sympy.Add(*(momentum.diff(other) * rate for other, rate in zip(q, v, strict=True)))
        + forces.get(coordinate.name, sympy.S.Zero)
        for coordinate, momentum in zip(q, momenta, strict=True)
    ]
    accelerations = solve_linear(momenta, v, right, "the kinetic energy")
    return {a.name: b for a, b in zip(q, v, strict=True)} | dict(zip(velocities.values(), accelerations, strict=True))


def solve_linear(expressions: Sequence[Expr], unknowns: Sequence[Expr], right: Sequence[Expr], what: str) -> list[Expr]:
    """Solve M x = right, where M is the derivative of `expressions` by `unknowns`.

    Raises
    ------
    PhysodeError
        If M is singular.
    """
    matrix = sympy.Matrix([[rational(e.diff(x)) for x in unknowns] for e in expressions])
    if rational(matrix.det(method="berkowitz")) == 0:
        raise PhysodeError(
            f"{what} gives a singular mass matrix {matrix.tolist()}: some velocity or momentum has no inertia; leave it out."
        )
    solution = matrix.inv(method="ADJ").applyfunc(rational) * sympy.Matrix(right)
    return [tidy(entry) for entry in solution]


def rational(expression: Expr) -> Expr:
    """Cancel common factors, with even powers of sines written in cosines so that they can cancel too."""
    even = expression.replace(
        lambda e: e.is_Pow and isinstance(e.base, sympy.sin) and e.exp.is_Integer and int(e.exp) % 2 == 0,
        lambda e: (1 - sympy.cos(e.base.args[0]) ** 2) ** (int(e.exp) // 2),
    )
    return sympy.factor(sympy.cancel(even))


def tidy(expression: Expr) -> Expr:
    """Simplify a short expression; a long one would take long, and only common factors are taken out."""
    return sympy.simplify(expression) if sympy.count_ops(expression) < _SIMPLIFY_BELOW else sympy.factor_terms(expression)
