"""The numbers of a system: its expressions as numpy functions of batches of states, compiled when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Symbol

from physode.errors import PhysodeError
from physode.systems.compiled import compile_expressions, directional_derivatives, jacobian
from physode.systems.expressions import symbol

__all__ = ["TIME", "Evaluation"]

Array = NDArray[np.float64]
TIME = symbol("t")


class Evaluation:
    """Evaluates the right-hand side of a system and its derivatives, at the values of the system's parameters.

    Parameters
    ----------
    name : str
        Of the system, for messages.
    states : tuple of str
        Names of the states, in the order of the last axis.
    parameters : mapping of str to float
        Values of the parameters.
    derivatives : tuple of sympy.Expr
        The time derivative of each state, over states, parameters and ``t``.
    """

    def __init__(self, name: str, states: Sequence[str], parameters: dict[str, float], derivatives: tuple[Expr, ...]) -> None:
        self.name, self.states, self.derivatives = name, tuple(states), derivatives
        self.symbols = tuple(symbol(state) for state in states)
        self._given = dict(parameters)
        self._values = tuple(parameters.values())
        self._parameters = tuple(symbol(parameter) for parameter in parameters)
        self._tangents = tuple(Symbol(f"tangent_of_{state}", real=True) for state in states)

    def __reduce__(self) -> tuple[Any, ...]:
        return Evaluation, (self.name, self.states, self._given, self.derivatives)  # compiled functions cannot be pickled

    def rhs(self, t: ArrayLike, z: ArrayLike) -> Array:
        """Evaluate the time derivative of the state, shape of `z`."""
        return self._evaluate(self._rhs, t, z)

    def jacobian(self, t: ArrayLike, z: ArrayLike) -> Array:
        """Evaluate the derivative of the right-hand side by the state, shape (batch, state, state)."""
        flat = self._evaluate(self._jacobian, t, z)
        return flat.reshape(*flat.shape[:-1], len(self.states), len(self.states))

    def divergence(self, t: ArrayLike, z: ArrayLike) -> Array:
        """Evaluate the trace of the Jacobian, shape (batch,)."""
        return self._evaluate(self._divergence, t, z)[..., 0]

    def jvp(self, t: ArrayLike, z: ArrayLike, v: ArrayLike) -> Array:
        """Evaluate the derivative of the right-hand side along `v`, (batch, state) or (batch, k, state)."""
        time, states, tangents = self._with_tangents(t, z, v)
        found = self._jvp(time, *_columns(states), *self._values, *_columns(tangents))
        return _stack(found, tangents.shape[:-1])

    def rhs_and_jvp(self, t: ArrayLike, z: ArrayLike, v: ArrayLike) -> tuple[Array, Array]:
        """Evaluate both at once; what they have in common is computed once."""
        time, states, tangents = self._with_tangents(t, z, v)
        found = self._rhs_and_jvp(time, *_columns(states), *self._values, *_columns(tangents))
        width = len(self.states)
        slopes = _stack(found[:width], states.shape[:-1])
        return slopes.reshape(np.shape(z)), _stack(found[width:], tangents.shape[:-1])

    def quantity(self, expression: Expr, t: ArrayLike, z: ArrayLike) -> Array:
        """Evaluate another expression over states, parameters and ``t``, shape (batch,)."""
        return self._evaluate(self._compile((expression,)), t, z)[..., 0]

    @cached_property
    def _rhs(self) -> Callable[..., list[Any]]:
        return self._compile(self.derivatives)

    @cached_property
    def _jacobian(self) -> Callable[..., list[Any]]:
        return self._compile(tuple(entry for row in jacobian(self.derivatives, self.symbols) for entry in row))

    @cached_property
    def _divergence(self) -> Callable[..., list[Any]]:
        rows = jacobian(self.derivatives, self.symbols)
        return self._compile((sympy.Add(*(rows[i][i] for i in range(len(rows)))),))

    @cached_property
    def _jvp(self) -> Callable[..., list[Any]]:
        return self._compile(directional_derivatives(self.derivatives, self.symbols, self._tangents), self._tangents)

    @cached_property
    def _rhs_and_jvp(self) -> Callable[..., list[Any]]:
        along = directional_derivatives(self.derivatives, self.symbols, self._tangents)
        return self._compile((*self.derivatives, *along), self._tangents)

    def _compile(self, expressions: tuple[Expr, ...], more: tuple[Symbol, ...] = ()) -> Callable[..., list[Any]]:
        return compile_expressions((TIME, *self.symbols, *self._parameters, *more), expressions)

    def _evaluate(self, function: Callable[..., list[Any]], t: ArrayLike, z: ArrayLike) -> Array:
        states = self._checked(z)
        return _stack(function(np.asarray(t, dtype=np.float64), *_columns(states), *self._values), states.shape[:-1])

    def _with_tangents(self, t: ArrayLike, z: ArrayLike, v: ArrayLike) -> tuple[Array, Array, Array]:
        """Give states an axis of length one where the tangents count several per state."""
        time, states, tangents = np.asarray(t, dtype=np.float64), self._checked(z), self._checked(v)
        if tangents.ndim == states.ndim + 1:
            states = states[..., None, :]
            time = time[..., None] if time.ndim else time
        return time, states, tangents

    def _checked(self, z: ArrayLike) -> Array:
        states = np.asarray(z, dtype=np.float64)
        if states.ndim == 0 or states.shape[-1] != len(self.states):
            raise PhysodeError(
                f"{self.name} has the {len(self.states)} states {', '.join(self.states)}; found an array of shape {states.shape}."
            )
        return states


def _columns(states: Array) -> list[Array]:
    return [states[..., index] for index in range(states.shape[-1])]


def _stack(components: Sequence[Any], shape: tuple[int, ...]) -> Array:
    """Put results, plain numbers among them, side by side along a new last axis."""
    out = np.empty((*shape, len(components)))
    for index, component in enumerate(components):
        out[..., index] = component
    return out
