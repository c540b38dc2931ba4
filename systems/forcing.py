"""Inputs u(t): a formula, a function, or a sampled record, and the right-hand side that they drive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sympy import Expr

from physode.errors import PhysodeError, unknown_name
from physode.systems.checks import by_name, real_numbers
from physode.systems.compiled import compile_expressions, jacobian
from physode.systems.expressions import symbol, to_expression
from physode.systems.outcome import Bind, RightHandSide

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["Forcing", "resolve_inputs"]

Array = NDArray[np.float64]
Sampled = Callable[[Array, NDArray[np.intp]], Array]


@dataclass(frozen=True)
class Forcing:
    """The parameters and inputs of one simulation.

    Parameters
    ----------
    system : System
        The system.
    constants : mapping of str to ndarray of shape () or (trajectory,)
        The parameters.
    formulas : mapping of str to sympy.Expr
        Inputs that are formulas over the parameters and ``t``.
    functions : mapping of str to callable
        Inputs that are functions of times (m,) and trajectory numbers (m,).
    breaks : ndarray, optional
        Times at which an input has a kink.
    """

    system: System
    constants: Mapping[str, Array]
    formulas: Mapping[str, Expr]
    functions: Mapping[str, Sampled]
    breaks: Array | None = None

    def binder(self, expressions: tuple[Expr, ...] | None = None) -> Bind:
        """Return the right-hand side, or other expressions of the state, for any subset of the trajectories."""
        system = self.system
        chosen = system.derivatives if expressions is None else expressions
        replaced = tuple(e.xreplace({symbol(name): formula for name, formula in self.formulas.items()}) for e in chosen)
        symbols = (system.time_symbol, *system.symbols, *system.parameter_symbols, *(symbol(name) for name in self.functions))
        function = compile_expressions(symbols, replaced)

        def bind(index: NDArray[np.intp]) -> RightHandSide:
            values = [value[index] if value.ndim else float(value) for value in self.constants.values()]

            def evaluate(t: Array, z: Array, out: Array) -> None:
                inputs = [u(t, index) for u in self.functions.values()]
                for row, component in enumerate(function(t, *z, *values, *inputs)):
                    out[row] = component

            return evaluate

        return bind

    def jacobian_binder(self) -> Bind:
        """Return the Jacobian of the right-hand side, row after row, for any subset of the trajectories."""
        rows = jacobian(self.system.derivatives, self.system.symbols)
        return self.binder(tuple(entry for row in rows for entry in row))

    def values(self, times: Array, count: int) -> dict[str, Array]:
        """Return each input at the output times, shape (trajectory, time)."""
        result: dict[str, Array] = {}
        rows = np.repeat(np.arange(count), times.shape[-1])
        flat = np.broadcast_to(times, (count, times.shape[-1])).reshape(-1)
        bind = self.binder(tuple(symbol(name) for name in self.system.inputs))
        out = np.empty((len(self.system.inputs), len(flat)))
        states = np.zeros((len(self.system.states), len(flat)))
        if len(out):
            bind(rows)(flat, states, out)
        for row, name in zip(out, self.system.inputs, strict=True):
            result[name] = row.reshape(count, times.shape[-1])
        return result


def resolve_inputs(system: System, constants: Mapping[str, Array], given: Mapping[str, Any] | None, times: Array, count: int) -> Forcing:
    """Read what the user gave for the inputs.

    Parameters
    ----------
    system : System
        The system.
    constants : mapping of str to ndarray
        The parameters.
    given : mapping of str to str, sympy.Expr, number, callable, (times, values) or xarray.DataArray
        The inputs that are not the default ones.
    times : ndarray
        The output times, which a sampled record must cover.
    count : int
        How many trajectories there are.

    Returns
    -------
    Forcing
    """
    formulas: dict[str, Expr] = {forcing.name: forcing.default for forcing in system.forcing}
    functions: dict[str, Sampled] = {}
    breaks: list[Array] = []
    for name, what in by_name("inputs", given).items():
        if name not in system.inputs:
            if not system.inputs:
                raise PhysodeError(f"{system.name} takes no inputs, found {name!r}; define a system with inputs={{{name!r}: ...}}.")
            raise unknown_name(f"input of {system.name}", str(name), system.inputs)
        if isinstance(what, (str, int, float, Expr)):
            formulas[name] = to_expression(what, [*system.parameters, "t"], f"{system.name}, input {name}")
        elif callable(what):
            del formulas[name]
            functions[name] = _function(name, what, times)
        else:
            del formulas[name]
            functions[name], knots = _sampled(name, what, times, count)
            breaks.append(knots)
    return Forcing(system, constants, formulas, functions, np.unique(np.concatenate(breaks)) if breaks else None)


def _function(name: str, function: Callable[[Array], Any], times: Array) -> Sampled:
    try:
        trial = np.asarray(function(times.reshape(-1)[:2].copy()), dtype=np.float64)
    except Exception as error:
        raise PhysodeError(
            f"input {name!r} failed when asked for an array of times ({type(error).__name__}: {error}); use numpy functions."
        ) from error
    if trial.shape not in ((), (2,)):
        raise PhysodeError(f"input {name!r} gave an array of shape {trial.shape} for 2 times; it must give one value per time.")
    return lambda t, rows: np.broadcast_to(np.asarray(function(t), dtype=np.float64), t.shape)


def _sampled(name: str, record: Any, times: Array, count: int) -> tuple[Sampled, Array]:
    if isinstance(record, xr.DataArray):
        if "time" not in record.dims or not set(record.dims) <= {"trajectory", "time"}:
            raise PhysodeError(f"input {name!r} has the dimensions {record.dims}; a sampled input has 'time' and perhaps 'trajectory'.")
        record = record.transpose(..., "time")
        knots, values = real_numbers(record["time"]), real_numbers(record)
    elif isinstance(record, tuple) and len(record) == 2:
        knots, values = map(real_numbers, record)
    else:
        raise PhysodeError(
            f"input {name!r} is a {type(record).__name__}; give a formula, a function of time, (times, values), or a DataArray over time."
        )
    if knots is None or values is None:
        raise PhysodeError(f"input {name!r} must hold numbers, its times too; of dates give, for example, the seconds since the first.")
    if knots.ndim != 1 or len(knots) < 2 or (np.diff(knots) <= 0).any() or values.ndim > 2 or values.shape[-1:] != knots.shape:
        raise PhysodeError(f"input {name!r} needs increasing times and one value for each; found shapes {knots.shape} and {values.shape}.")
    if values.ndim == 2 and len(values) != count:
        raise PhysodeError(
            f"input {name!r} holds {len(values)} trajectories, the simulation {count}; give one row per trajectory, or one for all."
        )
    if not np.isfinite(values).all():
        raise PhysodeError(f"input {name!r} holds values that are not finite; fill the gaps first.")
    first, last = float(np.nanmin(times)), float(np.nanmax(times))
    if knots[0] > first or knots[-1] < last:
        raise PhysodeError(f"input {name!r} covers [{knots[0]:g}, {knots[-1]:g}], the simulation needs [{first:g}, {last:g}].")

    def interpolate(t: Array, rows: NDArray[np.intp]) -> Array:
        if values.ndim == 1:
            return np.interp(t, knots, values)
        left = np.clip(np.searchsorted(knots, t, side="right") - 1, 0, len(knots) - 2)
        weight = (t - knots[left]) / (knots[left + 1] - knots[left])
        return values[rows, left] * (1 - weight) + values[rows, left + 1] * weight

    return interpolate, knots
