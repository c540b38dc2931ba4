"""The user's own mechanical system, from its Lagrangian or its Hamiltonian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import sympy
from sympy import Expr
from sympy.core.function import AppliedUndef

from physode.errors import PhysodeError, unknown_name
from physode.systems.base import System
from physode.systems.build import build
from physode.systems.derivation import hamilton_equations, lagrange_equations, tidy
from physode.systems.expressions import Formula, check_name, symbol, to_expression
from physode.systems.quantities import Parameter, State, default_range, partner_units

__all__ = ["from_hamiltonian", "from_lagrangian"]

Value = TypeVar("Value")


def from_lagrangian(
    T: Formula,
    V: Formula,
    coordinates: Sequence[str] | Mapping[str, str],
    dissipation: Formula | None = None,
    forces: Mapping[str, Formula] | None = None,
    *,
    name: str = "lagrangian-system",
    parameters: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    inputs: Mapping[str, Formula] | None = None,
    initial_state: Mapping[str, float] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    momenta: Mapping[str, str] | None = None,
    title: str = "",
    reference: str = "",
    doi: str = "",
) -> System:
    """Derive a system from its kinetic and potential energy.

    The equations are d/dt dT/dv - dT/dq + dV/dq = -dF/dv + Q with the Rayleigh function F (`dissipation`) and the generalised forces
    Q (`forces`). The energy is v dL/dv - L, which is T + V in coordinates that do not move.

    Parameters
    ----------
    T : str or sympy.Expr
        Kinetic energy over coordinates, velocities and parameters, quadratic in the velocities, with terms that are linear in them
        where a frame turns or a magnetic field acts. Expressions of ``sympy.physics.mechanics.dynamicsymbols`` and their
        derivatives are understood.
    V : str or sympy.Expr
        Potential energy over coordinates and parameters.
    coordinates : sequence of str, or mapping of str to str
        The coordinates; a mapping also names their velocities, which otherwise are called ``<coordinate>_velocity``.
    dissipation : str or sympy.Expr, optional
        Rayleigh's function over coordinates, velocities and parameters, half the power that friction takes if it is quadratic.
    forces : mapping of str to str or sympy.Expr, optional
        Generalised force on each coordinate, over everything, inputs and ``t`` included.
    name : str
        What to call the system.
    parameters, units, inputs, initial_state, ranges, title, reference, doi
        As in :func:`physode.systems.define`.
    momenta : mapping of str to str, optional
        What to call the momentum of each coordinate; default ``<coordinate>_momentum``.

    Returns
    -------
    System
        In coordinates and velocities; ``system.counterpart()`` is the canonical form.

    Raises
    ------
    ExpressionError
        If a formula cannot be read.
    PhysodeError
        If T is not quadratic in the velocities or gives one of them no inertia.

    See Also
    --------
    from_hamiltonian, physode.systems.define

    Examples
    --------
    >>> from physode import systems
    >>> bead = systems.from_lagrangian("m*(r_velocity**2 + r**2*w**2)/2", "k*r**2/2", ["r"], dissipation="c*r_velocity**2/2",
    ...                                parameters={"m": 1.0, "k": 4.0, "w": 1.0, "c": 0.1})
    >>> bead.equations()
    r' = r_velocity
    r_velocity' = (-c*r_velocity - k*r + m*r*w**2)/m
    energy = k*r**2/2 - m*r**2*w**2/2 + m*r_velocity**2/2
    r_momentum = m*r_velocity
    """
    names = _partners(coordinates, "velocity")
    read = _Reader(name, names, parameters, inputs)
    kinetic, potential = read(T, "kinetic energy"), read(V, "potential energy", velocities=False)
    velocity_symbols = [symbol(v) for v in names.values()]
    quadratic = _quadratic_part(kinetic, velocity_symbols, name)
    friction = sympy.S.Zero if dissipation is None else read(dissipation, "dissipation")
    pushes = {key: read(force, f"force on {key}", driven=True) for key, force in _known(forces, names, "coordinate in forces").items()}
    total = {q: pushes.get(q, sympy.S.Zero) - friction.diff(symbol(v)) for q, v in names.items()}
    equations = lagrange_equations(kinetic, potential, names, total)
    at_rest = dict.fromkeys(velocity_symbols, sympy.S.Zero)
    offsets = {q: kinetic.diff(symbol(v)).xreplace(at_rest) for q, v in names.items()}
    linear = sympy.Add(*(offsets[q] * symbol(v) for q, v in names.items()))
    # What T holds beside its quadratic and linear parts counts as potential energy: a prescribed rotation, for example.
    energy = tidy(sympy.expand(2 * quadratic - kinetic + potential + linear))
    rate = tidy(sympy.Add(*(symbol(v) * total[q] for q, v in names.items())))
    states = _states(names, "velocity", units, initial_state, ranges)
    partners = _states(dict(zip(names, _momentum_names(names, momenta), strict=True)), "momentum", units, None, None)[len(names) :]
    return build(
        name,
        title=title or name,
        states=states,
        equations={key: tidy(sympy.expand(e)) if sympy.count_ops(e) < 60 else e for key, e in equations.items()},
        partners=partners,
        momentum_offsets={q: tidy(a) for q, a in offsets.items() if a != 0},
        energy=energy,
        energy_rate=rate,
        reference=reference,
        doi=doi,
        **read.options(units, initial_state, states),
    )


def from_hamiltonian(
    H: Formula,
    q: Sequence[str],
    p: Sequence[str],
    dissipation: Formula | None = None,
    *,
    name: str = "hamiltonian-system",
    parameters: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    initial_state: Mapping[str, float] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    velocities: Mapping[str, str] | None = None,
    title: str = "",
    reference: str = "",
    doi: str = "",
) -> System:
    """Derive a system from its Hamiltonian.

    The equations are q' = dH/dp, p' = -dH/dq - dF/dv with Rayleigh's function F at the velocities v = dH/dp.

    Parameters
    ----------
    H : str or sympy.Expr
        The Hamiltonian over coordinates, momenta and parameters; it is the system's energy.
    q, p : sequence of str
        Coordinates and their conjugate momenta, pair by pair.
    dissipation : str or sympy.Expr, optional
        Rayleigh's function over coordinates, velocities and parameters.
    name : str
        What to call the system.
    velocities : mapping of str to str, optional
        What to call the velocity of each coordinate; default ``<coordinate>_velocity``.
    parameters, units, initial_state, ranges, title, reference, doi
        As in :func:`physode.systems.define`.

    Returns
    -------
    System
        In coordinates and momenta; ``system.counterpart()`` is the form with velocities, where there is one.

    Raises
    ------
    ExpressionError
        If a formula cannot be read.
    PhysodeError
        If the numbers of coordinates and momenta differ.

    See Also
    --------
    from_lagrangian, physode.systems.define

    Examples
    --------
    >>> from physode import systems
    >>> spring = systems.from_hamiltonian("p**2/(2*m) + k*q**2/2", ["q"], ["p"], dissipation="c*q_velocity**2/2",
    ...                                   parameters={"m": 2.0, "k": 1.0, "c": 0.1})
    >>> spring.equations()
    q' = p/m
    p' = -c*p/m - k*q
    energy = k*q**2/2 + p**2/(2*m)
    """
    if len(q) != len(p) or not len(q):
        raise PhysodeError(f"{name}: {len(q)} coordinates and {len(p)} momenta; give one momentum for each coordinate.")
    names = dict(zip(q, p, strict=True))
    rates = dict(zip(q, [dict(velocities or {}).get(key, f"{key}_velocity") for key in q], strict=True))
    read = _Reader(name, names, parameters, None)
    hamiltonian = read(H, "Hamiltonian")
    equations = hamilton_equations(hamiltonian, q, p)
    friction = sympy.S.Zero if dissipation is None else _Reader(name, rates, parameters, None)(dissipation, "dissipation")
    flow = {symbol(v): equations[key] for key, v in rates.items()}
    slowing = {key: friction.diff(symbol(v)).xreplace(flow) for key, v in rates.items()}
    for key, momentum in names.items():
        equations[momentum] -= slowing[key]
    states = _states(names, "momentum", units, initial_state, ranges)
    return build(
        name,
        title=title or name,
        states=states,
        equations={key: tidy(e) if sympy.count_ops(e) < 60 else e for key, e in equations.items()},
        partners=_states(rates, "velocity", units, None, None)[len(names) :],
        energy=hamiltonian,
        energy_rate=tidy(-sympy.Add(*(equations[key] * slowing[key] for key in q))),
        hamiltonian=friction == 0,
        reference=reference,
        doi=doi,
        **read.options(units, initial_state, states),
    )


class _Reader:
    """Reads formulas over coordinates, their partners, parameters and inputs."""

    def __init__(
        self, name: str, names: Mapping[str, str], parameters: Mapping[str, float] | None, inputs: Mapping[str, Formula] | None
    ) -> None:
        for key in (*names, *names.values()):
            check_name(key, "coordinate, velocity or momentum")
        for key in parameters or {}:
            check_name(key, "parameter")
        self.name, self.names, self.parameters, self.inputs = name, dict(names), dict(parameters or {}), dict(inputs or {})

    def __call__(self, formula: Formula, what: str, velocities: bool = True, driven: bool = False) -> Expr:
        known = [*self.names, *(self.names.values() if velocities else ()), *self.parameters, *((*self.inputs, "t") if driven else ())]
        return to_expression(self.plain(formula), known, f"{self.name}, {what}")

    def plain(self, formula: Formula) -> Formula:
        """Turn x(t) and its derivative into the symbols of x and its velocity."""
        if not isinstance(formula, Expr) or not formula.atoms(AppliedUndef):
            return formula
        found = [f for f in formula.atoms(AppliedUndef) if f.func.__name__ in self.names and len(f.args) == 1]
        rates = {sympy.Derivative(f, f.args[0]): symbol(self.names[f.func.__name__]) for f in found}
        return formula.xreplace(rates).xreplace({f: symbol(f.func.__name__) for f in found})

    def options(
        self, units: Mapping[str, str] | None, initial_state: Mapping[str, float] | None, states: Sequence[State]
    ) -> dict[str, Any]:
        units = dict(units or {})
        start = dict(initial_state) if initial_state is not None else {s.name: sum(s.range) / 2 for s in states}
        return {
            "parameters": [Parameter(key, float(value), units.get(key, "1")) for key, value in self.parameters.items()],
            "inputs": {key: (formula, units.get(key, "1"), key) for key, formula in self.inputs.items()},
            "energy_units": units.get("energy", "1"),
            "time_units": units.get("time", "s"),
            "initial_state": start,
        }


def _partners(coordinates: Sequence[str] | Mapping[str, str], suffix: str) -> dict[str, str]:
    if isinstance(coordinates, str) or not len(coordinates):
        raise PhysodeError(f"coordinates must list one or more names, found {coordinates!r}.")
    return dict(coordinates) if isinstance(coordinates, Mapping) else {q: f"{q}_{suffix}" for q in coordinates}


def _momentum_names(names: Mapping[str, str], momenta: Mapping[str, str] | None) -> list[str]:
    given = _known(momenta, names, "coordinate in momenta")
    return [given.get(q, f"{q}_momentum") for q in names]


def _known(given: Mapping[str, Value] | None, names: Mapping[str, str], what: str) -> dict[str, Value]:
    for key in given or {}:
        if key not in names:
            raise unknown_name(what, str(key), names)
    return dict(given or {})


def _states(
    names: Mapping[str, str],
    role: str,
    units: Mapping[str, str] | None,
    start: Mapping[str, float] | None,
    ranges: Mapping[str, tuple[float, float]] | None,
) -> list[State]:
    units, start, ranges = dict(units or {}), dict(start or {}), dict(ranges or {})

    def limits(name: str) -> tuple[float, float]:
        return ranges.get(name) or default_range(start.get(name, 0.0), start)

    positions = [State(q, units.get(q, "1"), role="position", range=limits(q)) for q in names]
    partners = [
        State(
            other,
            units.get(other) or partner_units(units.get(q, "1"), role, units.get("energy", "1"), units.get("time", "s")),
            role=role,
            range=limits(other),
            time_derivative_of=q if role == "velocity" else None,
            conjugate_to=q if role == "momentum" else None,
        )
        for q, other in names.items()
    ]
    return positions + partners


def _quadratic_part(kinetic: Expr, velocities: Sequence[Expr], name: str) -> Expr:
    hessian = sympy.hessian(kinetic, velocities)
    if hessian.free_symbols & set(velocities):
        raise PhysodeError(f"{name}, kinetic energy: {kinetic} is not quadratic in the velocities; only such systems can be derived.")
    column = sympy.Matrix(velocities)
    return sympy.expand((column.T * hessian * column)[0, 0] / 2)
