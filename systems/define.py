"""The user's own system, from a few formulas."""

from __future__ import annotations

from collections.abc import Mapping

from physode.errors import PhysodeError, unknown_name
from physode.systems.base import System
from physode.systems.build import build
from physode.systems.expressions import Formula, check_name, to_expression
from physode.systems.quantities import Parameter, State, default_range
from physode.systems.verification import unkept

__all__ = ["define"]


def define(
    name: str,
    equations: Mapping[str, Formula],
    parameters: Mapping[str, float] | None = None,
    *,
    units: Mapping[str, str] | None = None,
    energy: Formula | None = None,
    conserved: Mapping[str, Formula] | None = None,
    inputs: Mapping[str, Formula] | None = None,
    initial_state: Mapping[str, float] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    long_names: Mapping[str, str] | None = None,
    title: str = "",
    reference: str = "",
    doi: str = "",
) -> System:
    """Define a system by its equations.

    Parameters
    ----------
    name : str
        What to call it.
    equations : mapping of str to str or sympy.Expr
        The time derivative of each state, over the states, parameters, inputs and the time ``t``. Text may hold numbers, these
        names, ``pi``, ``e``, ``+ - * / **`` and the functions sin, cos, tan, asin, acos, atan, atan2, sinh, cosh, tanh, exp, log,
        sqrt, abs, sign and sigmoid; it is parsed, never evaluated. Where one state's derivative is just another state, the first
        is a position and the second its velocity.
    parameters : mapping of str to float, optional
        Parameters and their values.
    units : mapping of str to str, optional
        Units of states, parameters, inputs, and of ``"time"`` (default s) and ``"energy"``; everything else is ``"1"``.
    energy : str or sympy.Expr, optional
        The energy over states and parameters. How it changes along the flow is derived.
    conserved : mapping of str to str or sympy.Expr, optional
        Other conserved quantities; whether they are is checked at a few states.
    inputs : mapping of str to str or sympy.Expr, optional
        Inputs u(t) and what they are by default, over the parameters and ``t``.
    initial_state : mapping of str to float, optional
        Where ``simulate(time)`` starts; default 0 or the middle of the range.
    ranges : mapping of str to (float, float), optional
        Where ``simulate(time, n_trajectories=n)`` draws initial states. Default: half as much and half again of the initial state,
        or, where that is zero, plus or minus the largest initial value (1 if all are zero).
    long_names : mapping of str to str, optional
        What the states are, for axis labels.
    title, reference, doi : str, optional
        For people.

    Returns
    -------
    System

    Raises
    ------
    ExpressionError
        If a formula is not a mathematical expression over the declared names.
    PhysodeError
        If an equation is missing, a name is used twice, an option names no quantity of the system, or a quantity that is declared
        conserved changes.

    See Also
    --------
    physode.systems.get, physode.systems.from_lagrangian, physode.systems.from_hamiltonian

    Examples
    --------
    >>> from physode import systems
    >>> mine = systems.define("my-lab", {"x": "v", "v": "-k*x - c*v"}, {"k": 4.0, "c": 0.1}, units={"x": "m", "v": "m s-1"},
    ...                       energy="v**2/2 + k*x**2/2", initial_state={"x": 1.0, "v": 0.0})
    >>> mine.role("v"), mine.quantity("v").time_derivative_of
    ('velocity', 'x')
    >>> mine.energy_rate_expression
    -c*v**2
    >>> systems.define("bad", {"x": "-x + open('secret')"})
    Traceback (most recent call last):
        ...
    physode.systems.expressions.ExpressionError: bad, equation of x, column 6: 'open' is no known function; ...
    """
    parameters, units, start = dict(parameters or {}), dict(units or {}), dict(initial_state or {})
    ranges, long_names, forcing = dict(ranges or {}), dict(long_names or {}), dict(inputs or {})
    everything = [*equations, *parameters, *forcing]
    for kind, names in (("state", equations), ("parameter", parameters), ("input", forcing)):
        for key in names:
            check_name(key, kind)
    for option, given, allowed in (
        ("units", units, [*everything, "time", "energy"]),
        ("ranges", ranges, [*equations]),
        ("long_names", long_names, [*equations, *forcing]),
    ):
        for key in given:
            if key not in allowed:
                raise unknown_name(f"quantity in {option} of {name}:", key, allowed)
    if not start:
        start = {key: sum(ranges[key]) / 2 if key in ranges else 0.0 for key in equations}
    velocity_of = _velocities(name, equations, everything)
    states = [
        State(
            key,
            units.get(key, "1"),
            long_names.get(key, ""),
            "velocity" if key in velocity_of else "position" if key in velocity_of.values() else "state",
            time_derivative_of=velocity_of.get(key),
            range=ranges.get(key) or default_range(start.get(key, 0.0), start),
        )
        for key in equations
    ]
    system = build(
        name,
        title=title or name,
        states=states,
        equations=equations,
        parameters=[Parameter(key, float(value), units.get(key, "1")) for key, value in parameters.items()],
        inputs={key: (formula, units.get(key, "1"), long_names.get(key, key)) for key, formula in forcing.items()},
        energy=energy,
        energy_units=units.get("energy", "1"),
        energy_rate=None,
        conserved=conserved,
        time_units=units.get("time", "s"),
        initial_state=start,
        reference=reference,
        doi=doi,
    )
    if fault := unkept(system):
        raise PhysodeError(fault)
    return system


def _velocities(name: str, equations: Mapping[str, Formula], everything: list[str]) -> dict[str, str]:
    """Find the states whose value is another state's derivative: {velocity: position}."""
    found: dict[str, str] = {}
    for key, formula in equations.items():
        expression = to_expression(formula, [*everything, "t"], f"{name}, equation of {key}")
        if expression.is_Symbol and expression.name in equations and expression.name != key:
            found.setdefault(expression.name, key)
    return {v: x for v, x in found.items() if x not in found}
