"""Read a formula safely: text becomes sympy through an allow-list, never through ``eval``.

sympy's own ``sympify``, ``parse_expr`` and ``lambdify`` end in ``eval``, so neither text nor a name from a user may reach them.
Here the text is parsed by :mod:`ast`, each node is compared with a short list of what a formula may hold, and the sympy
expression is built by constructors.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import sympy
from sympy import Expr, Symbol

from physode.errors import PhysodeError

__all__ = ["FUNCTIONS", "ExpressionError", "Formula", "check_name", "parse", "symbol", "to_expression"]

Formula: TypeAlias = str | int | float | Expr
"""What a user may write for a formula: text, a number, or a sympy expression."""

MAX_CHARACTERS = 2000
MAX_NODES = 500
MAX_DEPTH = 50
MAX_EXPONENT = 64

FUNCTIONS: dict[str, Callable[..., Expr]] = {
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "atan2": sympy.atan2,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "abs": sympy.Abs,
    "sign": sympy.sign,
    "sigmoid": lambda x: (1 + sympy.tanh(x / 2)) / 2,  # the derivative of a quotient of exp is inf/inf far out
}
_ARGUMENTS = dict.fromkeys(FUNCTIONS, 1) | {"atan2": 2}
_NODE_TYPES = (sympy.Add, sympy.Mul, sympy.Pow, sympy.Number, sympy.NumberSymbol, sympy.Symbol) + tuple(
    f for f in FUNCTIONS.values() if isinstance(f, type)
)
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z", re.ASCII)
_RESERVED = frozenset("t time trajectory obs state model seed epoch split quantile exponent energy".split())
_SUFFIXES = ("_true", "_noise_std")


class ExpressionError(PhysodeError):
    """A text is not a formula over the declared names."""


def symbol(name: str) -> Symbol:
    """Return the real sympy symbol that stands for a declared name (``"t"`` is time)."""
    return Symbol(name, real=True)


def check_name(name: str, kind: str) -> str:
    """Return `name` if a quantity may be called so, else raise.

    Parameters
    ----------
    name : str
        The name of a state, parameter or input.
    kind : str
        What is named, for the message.

    Raises
    ------
    ExpressionError
        If the name is no plain identifier, or one that the data contract needs for itself.

    Examples
    --------
    >>> check_name("theta1", "state")
    'theta1'
    """
    if not _NAME.match(str(name)) or keyword.iskeyword(name) or name.startswith("__"):
        raise ExpressionError(
            f"{str(name)[:80]!r} cannot name a {kind}; use a letter followed by letters, digits or '_' (at most 64, no Python keyword)."
        )
    if name in _RESERVED or name.endswith(_SUFFIXES):
        raise ExpressionError(
            f"{name!r} cannot name a {kind}: records use it for something else; choose another name than "
            f"{', '.join(sorted(_RESERVED))} or one ending in {' or '.join(_SUFFIXES)}."
        )
    return name


def parse(text: str, names: Iterable[str] | Mapping[str, Expr], what: str = "formula") -> Expr:
    """Turn text into a sympy expression without evaluating it.

    Parameters
    ----------
    text : str
        For example ``"-k*x - c*v"``. Numbers, the declared names, ``pi``, ``e``, ``+ - * / **`` and the functions in `FUNCTIONS`.
    names : iterable of str, or mapping of str to sympy.Expr
        The declared names; a mapping says what each stands for, otherwise its real symbol is taken.
    what : str
        What the formula is, for the message.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ExpressionError
        If the text holds anything else, is longer than 2,000 characters, has more than 500 parts, is nested deeper than 50, or
        has a numeric exponent above 64.

    Examples
    --------
    >>> parse("-k*x + sin(t)/2", ["k", "x", "t"])
    -k*x + sin(t)/2
    >>> parse("__import__('os')", ["x"])
    Traceback (most recent call last):
        ...
    physode.systems.expressions.ExpressionError: formula, column 1: '__import__' is no known function; ...
    """
    known = dict(names) if isinstance(names, Mapping) else {name: symbol(name) for name in names}
    if not isinstance(text, str):
        raise ExpressionError(f"{what}: found {type(text).__name__}, expected text such as '-k*x'.")
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"{what}: {len(text)} characters long; at most {MAX_CHARACTERS} are read.")
    if "#" in text:
        raise ExpressionError(f"{what}, column {text.index('#') + 1}: a comment cannot stand in a formula; leave it out.")
    try:
        text.encode("ascii")
    except UnicodeEncodeError as error:
        raise ExpressionError(f"{what}, column {error.start + 1}: {text[error.start]!a} is not an ASCII character; spell it out.") from None
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = f", column {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise ExpressionError(f"{what}{column}: {text[:60]!r} is not a formula; write it as in '-k*x + sin(t)/2'.") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise ExpressionError(f"{what}: more than {MAX_NODES} parts; split it up.")
    result = _Builder(known, what).build(tree.body, 0)
    if result.has(sympy.nan, sympy.zoo, sympy.oo, sympy.I):
        raise ExpressionError(
            f"{what}: {text[:60]!r} has no finite real value; look for a division by zero or the root of a negative number."
        )
    return result


def to_expression(formula: Formula, names: Iterable[str] | Mapping[str, Expr], what: str = "formula") -> Expr:
    """Turn text, a number or a sympy expression into an expression over the declared real symbols.

    Parameters
    ----------
    formula : str, int, float or sympy.Expr
        Text goes through :func:`parse`; the symbols of an expression are matched by name.
    names : iterable of str, or mapping of str to sympy.Expr
        The declared names.
    what : str
        What the formula is, for the message.

    Returns
    -------
    sympy.Expr

    Raises
    ------
    ExpressionError
        If it holds an undeclared name or a function outside `FUNCTIONS`.
    """
    if isinstance(formula, str):
        return parse(formula, names, what)
    known = dict(names) if isinstance(names, Mapping) else {name: symbol(name) for name in names}
    if isinstance(formula, bool) or not isinstance(formula, (int, float, Expr)):
        raise ExpressionError(f"{what}: found {type(formula).__name__}, expected text, a number or a sympy expression.")
    expression = sympy.Float(formula) if isinstance(formula, float) else sympy.Integer(formula) if isinstance(formula, int) else formula
    for node in sympy.preorder_traversal(expression):
        if not isinstance(node, _NODE_TYPES):
            raise ExpressionError(f"{what}: {type(node).__name__} cannot stand in an equation; use + - * / ** and {', '.join(FUNCTIONS)}.")
        if node in (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
            raise ExpressionError(f"{what}: holds {node}, which is no finite number.")
    unknown = sorted({s.name for s in expression.free_symbols} - set(known))
    if unknown:
        raise ExpressionError(f"{what}: {unknown[0][:64]!r} is not declared; the declared names are {', '.join(known)}.")
    return expression.xreplace({s: known[s.name] for s in expression.free_symbols})


class _Builder:
    """Walks one syntax tree; every method either returns a sympy expression or raises with the column."""

    def __init__(self, names: Mapping[str, Expr], what: str) -> None:
        self.names = names
        self.what = what

    def fail(self, node: ast.expr, message: str) -> ExpressionError:
        return ExpressionError(f"{self.what}, column {node.col_offset + 1}: {message}")

    def build(self, node: ast.expr, depth: int) -> Expr:
        if depth > MAX_DEPTH:
            raise self.fail(node, f"nested deeper than {MAX_DEPTH}; split it up.")
        if isinstance(node, ast.Constant):
            return self.number(node)
        if isinstance(node, ast.Name):
            return self.name(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
            operand = self.build(node.operand, depth + 1)
            return -operand if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.BinOp):
            return self.binary(node, depth)
        if isinstance(node, ast.Call):
            return self.call(node, depth)
        raise self.fail(node, f"a {type(node).__name__} cannot stand in a formula; use numbers, names, + - * / ** and functions.")

    def number(self, node: ast.Constant) -> Expr:
        value = node.value
        if type(value) is int and abs(value) < 10**100:
            return sympy.Integer(value)
        if type(value) is float and math.isfinite(value):
            return sympy.Float(value)
        raise self.fail(node, f"{str(value)[:40]!r} is not a finite real number.")

    def name(self, node: ast.Name) -> Expr:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in _CONSTANTS:
            return _CONSTANTS[node.id]
        hint = f" as a function it takes brackets: {node.id}(x)." if node.id in FUNCTIONS else ""
        raise self.fail(node, f"{node.id[:64]!r} is not declared;{hint} the declared names are {', '.join(self.names)}.")

    def binary(self, node: ast.BinOp, depth: int) -> Expr:
        left, right = self.build(node.left, depth + 1), self.build(node.right, depth + 1)
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                if right.is_zero:
                    raise self.fail(node, "division by zero.")
                return left / right
            case ast.Pow():
                return self.power(node, left, right)
            case ast.BitXor():
                raise self.fail(node, "'^' is not a power; write ** instead.")
        raise self.fail(node, f"the operator {type(node.op).__name__} cannot stand in a formula; use + - * / **.")

    def power(self, node: ast.BinOp, base: Expr, exponent: Expr) -> Expr:
        if not exponent.free_symbols and not abs(float(exponent)) <= MAX_EXPONENT:
            raise self.fail(node, f"an exponent of {str(exponent)[:20]} is too large; at most {MAX_EXPONENT} in size.")
        if base.is_zero and exponent.is_negative:
            raise self.fail(node, "division by zero.")
        if base.is_Number and exponent.is_Number:
            size = float(exponent) * math.log10(abs(float(base))) if base != 0 else 0.0
            if abs(size) > 100:
                raise self.fail(node, "this power is larger than 1e100 or smaller than 1e-100.")
            if base.is_negative and not exponent.is_Integer:
                raise self.fail(node, "a broken power of a negative number is not real.")
        return base**exponent

    def call(self, node: ast.Call, depth: int) -> Expr:
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, f"only a plain function can be called; the functions are {', '.join(FUNCTIONS)}.")
        name = node.func.id
        if name not in FUNCTIONS or name in self.names:
            raise self.fail(node, f"{name[:64]!r} is no known function; the functions are {', '.join(FUNCTIONS)}.")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args) or len(node.args) != _ARGUMENTS[name]:
            raise self.fail(node, f"{name} takes {_ARGUMENTS[name]} plain argument{'s' if _ARGUMENTS[name] > 1 else ''}.")
        return FUNCTIONS[name](*(self.build(argument, depth + 1) for argument in node.args))
