"""From sympy expressions to fast numpy functions, compiled once per expression and with names that only we made."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sympy
from sympy import Expr, Symbol
from sympy.printing.numpy import NumPyPrinter

__all__ = ["compile_expressions", "directional_derivatives", "has_jumps", "jacobian"]

_MAX_WHOLE_POWER = 8


def _whole_power(base: Any, exponent: int) -> Any:
    """Multiply: numpy's general power is ten times slower."""
    half = base if exponent < 4 else _whole_power(base, exponent // 2)
    result = half * half
    return result * base if exponent % 2 else result


class _Printer(NumPyPrinter):  # type: ignore[misc]
    """Writes small whole and half powers as products, and numbers with all their digits."""

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:
        twice = 2 * expr.exp
        if not twice.is_Integer or not 1 < abs(int(twice)) <= 2 * _MAX_WHOLE_POWER:
            return str(super()._print_Pow(expr, rational=rational))
        base, count = (self._print(expr.base), int(twice) // 2) if expr.exp.is_Integer else (self._print(sympy.sqrt(expr.base)), int(twice))
        product = base if abs(count) == 1 else f"_whole_power({base}, {abs(count)})"
        return f"({product})" if count > 0 else f"(1/({product}))"

    def _print_Float(self, expr: Any) -> str:
        return repr(float(expr))


@lru_cache(maxsize=512)
def compile_expressions(arguments: tuple[Symbol, ...], expressions: tuple[Expr, ...]) -> Callable[..., list[Any]]:
    """Return a numpy function of `arguments` that gives the list of `expressions`.

    Parameters
    ----------
    arguments : tuple of sympy.Symbol
        All symbols that the expressions hold.
    expressions : tuple of sympy.Expr
        What to compute. Each result has the shape that its arguments broadcast to, or is a plain number if it is constant.

    Returns
    -------
    callable

    Examples
    --------
    >>> x = Symbol("x")
    >>> compile_expressions((x,), (x**2, x + 1))(3.0)
    [9.0, 4.0]
    """
    ours = [Symbol(f"a{i}", real=True) for i in range(len(arguments))]
    renamed = [expression.xreplace(dict(zip(arguments, ours, strict=True))) for expression in expressions]
    strangers = set().union(*(e.free_symbols for e in renamed)) - set(ours) if renamed else set()
    if strangers:
        raise ValueError(f"the expressions hold the undeclared symbols {sorted(map(str, strangers))}")
    settings = {"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True}
    modules = [{"_whole_power": _whole_power}, "numpy"]
    function: Callable[..., list[Any]] = sympy.lambdify(ours, renamed, modules=modules, cse=True, printer=_Printer(settings))
    return function


@lru_cache(maxsize=256)
def jacobian(expressions: tuple[Expr, ...], symbols: tuple[Symbol, ...]) -> tuple[tuple[Expr, ...], ...]:
    """Return the partial derivatives, one row per expression; jumps of ``sign`` and ``abs`` count as zero."""

    def derivative(expression: Expr, by: Symbol) -> Expr:
        return sympy.diff(expression, by).replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)

    return tuple(tuple(derivative(e, s) if s in e.free_symbols else sympy.S.Zero for s in symbols) for e in expressions)


@lru_cache(maxsize=256)
def has_jumps(expressions: tuple[Expr, ...], symbols: tuple[Symbol, ...]) -> bool:
    """Tell whether an expression jumps where the symbols cross a surface, so that its `jacobian` lacks a part.

    Examples
    --------
    >>> v = Symbol("v", real=True)
    >>> has_jumps((-sympy.sign(v),), (v,)), has_jumps((-sympy.sign(v) * v**2,), (v,))
    (True, False)
    """
    derivatives = [sympy.diff(e, s) for e in expressions if e.has(sympy.sign) for s in symbols]
    return any(_jumps(derivative, delta) for derivative in derivatives for delta in derivative.atoms(sympy.DiracDelta))


def _jumps(derivative: Expr, delta: Expr) -> bool:
    """Tell whether the factor of a delta function is something else than zero where the delta function is."""
    factor = derivative.xreplace({delta: sympy.S.One}) - derivative.xreplace({delta: sympy.S.Zero})
    inside = delta.args[0]
    for s in inside.free_symbols:
        slope = inside.diff(s)
        if slope != 0 and s not in slope.free_symbols:
            return bool(sympy.simplify(factor.xreplace({s: sympy.expand(s - inside / slope)})) != 0)
    return True


@lru_cache(maxsize=256)
def directional_derivatives(expressions: tuple[Expr, ...], symbols: tuple[Symbol, ...], tangent: tuple[Symbol, ...]) -> tuple[Expr, ...]:
    """Return the derivative of each expression along `tangent`."""
    return tuple(sympy.Add(*(d * v for d, v in zip(row, tangent, strict=True))) for row in jacobian(expressions, symbols))
