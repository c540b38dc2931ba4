"""Make a system from text or sympy: names are checked, formulas parsed, and what follows from them is derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sympy
from sympy import Expr

from physode.errors import PhysodeError
from physode.systems.base import ParameterSampler, Sampler, System
from physode.systems.expressions import Formula, check_name, symbol, to_expression
from physode.systems.quantities import Input, Parameter, State

__all__ = ["build"]


def build(
    name: str,
    *,
    title: str,
    states: Sequence[State],
    equations: Mapping[str, Formula],
    parameters: Sequence[Parameter] = (),
    inputs: Mapping[str, tuple[Formula, str, str]] | None = None,
    energy: Formula | None = None,
    energy_units: str = "1",
    energy_rate: Formula | None = 0,
    conserved: Mapping[str, Formula] | None = None,
    exponents: Sequence[Formula] = (),
    hamiltonian: bool = False,
    partners: Sequence[State] = (),
    momentum_offsets: Mapping[str, Formula] | None = None,
    time_units: str = "s",
    time_scale: Formula | None = None,
    initial_state: Mapping[str, float] | None = None,
    sampler: Sampler | None = None,
    parameter_sampler: ParameterSampler | None = None,
    symmetries: str = "",
    reference: str = "",
    doi: str = "",
) -> System:
    """Make a system from its description.

    Parameters
    ----------
    name, title : str
        The registry's name, and what a person would call it.
    states : sequence of State
        The states in order.
    equations : mapping of str to formula
        The time derivative of each state, over states, parameters, inputs and ``t``.
    parameters : sequence of Parameter
        Names, values, units and meanings.
    inputs : mapping of str to (formula, units, long name)
        The inputs u(t) and what they are by default, over parameters and ``t``.
    energy : formula, optional
        The energy, over states and parameters.
    energy_rate : formula or None, default 0
        The stated change of the energy along the flow; None derives it.
    conserved : mapping of str to formula
        Other conserved quantities.
    exponents : sequence of formula
        The Lyapunov exponents where they are known exactly, over parameters.
    time_scale : formula, optional
        A characteristic time, over parameters.
    initial_state : mapping of str to float, optional
        The default initial state; the middle of the ranges if it is not given.

    Other parameters are those of :class:`~physode.systems.base.System`.

    Returns
    -------
    System

    Raises
    ------
    ExpressionError
        If a formula or a name cannot be read.
    PhysodeError
        If an equation or an initial value is missing.
    """
    state_names = _unique([check_name(state.name, "state") for state in states], name)
    parameter_names = [check_name(parameter.name, "parameter") for parameter in parameters]
    input_names = [check_name(key, "input") for key in inputs or {}]
    _unique([*state_names, *parameter_names, *input_names], name)
    _same_names("equation", equations, state_names, name)
    everything = [*state_names, *parameter_names, *input_names, "t"]

    def read(formula: Formula, over: Iterable[str], what: str) -> Expr:
        return to_expression(formula, {key: symbol(key) for key in over}, f"{name}, {what}")

    forcing = tuple(
        Input(key, read(formula, [*parameter_names, "t"], f"input {key}"), units, long_name)
        for key, (formula, units, long_name) in (inputs or {}).items()
    )
    derivatives = tuple(read(equations[key], everything, f"equation of {key}") for key in state_names)
    energy_expression = None if energy is None else read(energy, [*state_names, *parameter_names], "energy")
    if energy_expression is None:
        rate: Expr = sympy.S.Zero
    elif energy_rate is None:
        rate = sympy.simplify(
            sympy.Add(*(energy_expression.diff(symbol(key)) * d for key, d in zip(state_names, derivatives, strict=True)))
        )
    else:
        rate = read(energy_rate, everything, "energy rate")
    start = dict(initial_state) if initial_state is not None else {s.name: sum(s.range) / 2 for s in states}
    _same_names("initial value", start, state_names, name)
    return System(
        name=name,
        title=title,
        quantities=tuple(states),
        constants=tuple(parameters),
        derivatives=derivatives,
        energy_expression=energy_expression,
        energy_units=energy_units,
        energy_rate_expression=rate,
        conserved={key: read(formula, [*state_names, *parameter_names], key) for key, formula in (conserved or {}).items()},
        exponents=tuple(read(formula, parameter_names, "exponent") for formula in exponents),
        forcing=forcing,
        hamiltonian=hamiltonian,
        partners=tuple(partners),
        momentum_offsets={
            key: read(a, [*state_names, *parameter_names], f"momentum of {key}") for key, a in (momentum_offsets or {}).items()
        },
        time_units=time_units,
        characteristic_time=None if time_scale is None else read(time_scale, parameter_names, "time scale"),
        start={key: float(start[key]) for key in state_names},
        sampler=sampler,
        parameter_sampler=parameter_sampler,
        symmetries=symmetries,
        reference=reference,
        doi=doi,
    )


def _unique(names: list[str], system: str) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PhysodeError(f"{system}: {', '.join(twice)} is used for two things; give every state, parameter and input its own name.")
    if not names:
        raise PhysodeError(f"{system} has no states; give at least one equation.")
    return names


def _same_names(what: str, found: Mapping[str, object], states: Sequence[str], system: str) -> None:
    missing = [name for name in states if name not in found]
    extra = [str(name) for name in found if name not in states]
    if missing or extra:
        fault = f"no {what} for {', '.join(missing)}" if missing else f"an {what} for {', '.join(extra)}, which is no state"
        raise PhysodeError(f"{system}: {fault}; the states are {', '.join(states)}.")
