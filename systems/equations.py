"""How a system's equations are shown: as text on a terminal, as LaTeX in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

__all__ = ["Equations"]


@dataclass(frozen=True)
class Equations:
    """Named equations that print as text and show as LaTeX.

    Parameters
    ----------
    derivatives : mapping of str to sympy.Expr
        The time derivative of each state.
    others : mapping of str to sympy.Expr
        Further definitions: inputs, the energy, momenta, conserved quantities.
    jacobian : tuple of tuple of sympy.Expr, optional
        The derivative of the right-hand side by the state, row by row.

    Examples
    --------
    >>> Equations({"x": Symbol("v"), "v": -Symbol("x")}, {"energy": Symbol("v") ** 2 / 2})
    x' = v
    v' = -x
    energy = v**2/2
    """

    derivatives: Mapping[str, Expr]
    others: Mapping[str, Expr]
    jacobian: Sequence[Sequence[Expr]] = ()

    def __str__(self) -> str:
        lines = [f"{name}' = {expression}" for name, expression in self.derivatives.items()]
        lines += [f"{name} = {expression}" for name, expression in self.others.items()]
        names = list(self.derivatives)
        lines += [
            f"d({name}')/d({by}) = {e}" for name, row in zip(names, self.jacobian, strict=False) for by, e in zip(names, row, strict=True)
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def latex(self) -> str:
        """Return one LaTeX ``aligned`` block."""
        rows = [rf"\dot{{{_name(name)}}} &= {_tex(e)}" for name, e in self.derivatives.items()]
        rows += [f"{_name(name)} &= {_tex(e)}" for name, e in self.others.items()]
        return _aligned([*rows, f"J &= {_tex(sympy.Matrix(self.jacobian))}"] if self.jacobian else rows)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


def _name(name: str) -> str:
    return str(sympy.latex(Symbol(name)))


def _tex(expression: Expr | sympy.Matrix) -> str:
    return str(sympy.latex(expression))


def _aligned(rows: Sequence[str]) -> str:
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"
