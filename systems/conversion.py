"""Between coordinates with velocities and coordinates with momenta: the system, and its records.

The momentum of q is dL/dv: dE/dv where the kinetic energy is quadratic in the velocities, and what L holds that is linear in them, which
the energy does not show. The velocity of q is dH/dp.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sympy import Expr

from physode.errors import DataError, PhysodeError, unknown_name
from physode.systems.build import build
from physode.systems.compiled import compile_expressions
from physode.systems.derivation import hamilton_equations, lagrange_equations, rational, tidy
from physode.systems.expressions import symbol
from physode.systems.quantities import State, partner_units
from physode.trajectories.provenance import provenance

if TYPE_CHECKING:
    from physode.systems.base import Sampler, System

__all__ = ["FORMS", "convert", "counterpart"]

Array = NDArray[np.float64]
FORMS = {"canonical": "momentum", "velocity": "velocity"}
_OTHER = {"canonical": "velocity", "velocity": "canonical"}


def form_of(system: System) -> str:
    """Return ``"canonical"`` or ``"velocity"``, or say why the system is neither."""
    roles = {state.role for state in system.quantities}
    for form, role in FORMS.items():
        if roles == {"position", role} and system.energy_expression is not None:
            return form
    raise PhysodeError(
        f"{system.name} has no canonical form: it takes positions with velocities or momenta and an energy; its states have the roles "
        f"{', '.join(sorted(roles))}{'' if system.has_energy else ' and no energy is declared'}."
    )


def partner_expressions(system: System) -> dict[str, Expr]:
    """Return each momentum over (q, v), or each velocity over (q, p): {name in the other form: expression}."""
    names, own = _partner_states(system), _own_partners(system)
    offsets = system.momentum_offsets
    return {names[q].name: tidy(sympy.diff(_energy(system), symbol(w)) + offsets.get(q, sympy.S.Zero)) for q, w in own.items()}


def conjugate_momenta(system: System) -> dict[str, Expr]:
    """Return the momentum of each coordinate over (q, v); nothing for a system that has no velocities with a kinetic energy."""
    velocities = [symbol(state.name) for state in system.quantities if state.role == "velocity"]
    if not velocities or system.energy_expression is None or {state.role for state in system.quantities} != {"position", "velocity"}:
        return {}
    slopes, at_rest = [system.energy_expression.diff(v) for v in velocities], dict.fromkeys(velocities, sympy.S.Zero)
    linear = all(sympy.expand(slope.diff(v)).free_symbols.isdisjoint(velocities) for slope in slopes for v in velocities)
    return partner_expressions(system) if linear and all(tidy(slope).xreplace(at_rest) == 0 for slope in slopes) else {}


def counterpart_name(system: System) -> str:
    """Return the name of the other form: pendulum and pendulum-canonical, double-pendulum and double-pendulum-velocity."""
    form = form_of(system)
    if system.name.endswith(f"-{form}"):
        return system.name.removesuffix(f"-{form}")
    return f"{system.name}-{_OTHER[form]}"


def counterpart(system: System) -> System:
    """Return the same system with momenta for velocities, or velocities for momenta; see `System.counterpart`.

    With w the velocities (or momenta) and E = U(q) + b w + w K(q) w / 2, the momenta (or velocities) are u = a + K w, where a is what L
    holds beside E for each velocity, and b = 0 (or a = b). So w = K^-1 (u - a), and E is known over u.
    What the equations of motion hold beyond the conservative ones of E is a generalised force, and is carried over as such.
    """
    form, own, states = form_of(system), _own_partners(system), _partner_states(system)
    inertia, offset, rest = _parts(system)
    if rational(inertia.det(method="berkowitz")) == 0:
        raise PhysodeError(f"{system.name}: its energy gives some of {', '.join(own.values())} no inertia, so it has no other form.")
    old = sympy.Matrix([symbol(w) for w in own.values()])
    new = sympy.Matrix([symbol(states[q].name) for q in own])
    inverse = inertia.inv(method="ADJ").applyfunc(rational)
    forces = _forces(system, form, own, inertia, offset, rest)
    back = dict(zip(old, inverse * (new - offset), strict=True))
    pushes = {q: tidy(force.xreplace(back)) for q, force in forces.items()}
    offsets: dict[str, Expr] = {}
    if form == "velocity":
        kinetic = ((new - offset).T * inverse * (new - offset))[0, 0] / 2
        equations = {key: tidy(e) for key, e in hamilton_equations(kinetic + rest, list(own), [str(u) for u in new]).items()}
        for q in own:
            equations[states[q].name] += pushes[q]
    else:
        kinetic = (new.T * inverse * new)[0, 0] / 2
        offsets = {q: tidy(a) for q, a in zip(own, -inverse * offset, strict=True) if a != 0}
        rest = tidy(sympy.expand(rest - (offset.T * inverse * offset)[0, 0] / 2)) if offsets else rest
        gyroscopic = sympy.Add(*(a * symbol(states[q].name) for q, a in offsets.items()))
        equations = lagrange_equations(kinetic + gyroscopic, rest, {q: states[q].name for q in own}, pushes)
    initial = _in_other_form(system, system.initial_array(), system.parameters)[0]
    other = build(
        counterpart_name(system),
        title=f"{system.title}, {'canonical' if form == 'velocity' else 'with velocities'}",
        states=[*(system.quantity(q) for q in own), *(states[q] for q in own)],
        equations=equations,
        parameters=system.constants,
        inputs={f.name: (f.default, f.units, f.long_name) for f in system.forcing},
        partners=[system.quantity(w) for w in own.values()],
        momentum_offsets=offsets,
        energy=tidy(kinetic) + rest,
        energy_units=system.energy_units,
        energy_rate=tidy(system.energy_rate_expression.xreplace(back)),
        conserved={key: tidy(e.xreplace(back)) for key, e in system.conserved.items()},
        hamiltonian=form == "velocity" and all(force == 0 for force in forces.values()),
        time_units=system.time_units,
        initial_state=dict(zip([*own, *(states[q].name for q in own)], initial, strict=True)),
        sampler=None if system.sampler is None else _Converted(system, system.sampler),
        symmetries=system.symmetries,
        reference=system.reference,
        doi=system.doi,
    )
    return dataclasses.replace(other, characteristic_time=system.characteristic_time)


def _parts(system: System) -> tuple[sympy.Matrix, sympy.Matrix, Expr]:
    """Return K, a and U of the energy in velocities or momenta, or say that it is not quadratic in them."""
    own, energy = _own_partners(system), _energy(system)
    old = sympy.Matrix([symbol(w) for w in own.values()])
    at_rest = dict.fromkeys(old, sympy.S.Zero)
    inertia = sympy.hessian(energy, list(old)).applyfunc(rational)
    rest = energy.xreplace(at_rest)
    remainder = energy - rest - (old.T * inertia * old)[0, 0] / 2
    if form_of(system) == "velocity":
        offset = sympy.Matrix([system.momentum_offsets.get(q, sympy.S.Zero) for q in own])
    else:
        offset = sympy.Matrix([energy.diff(w).xreplace(at_rest) for w in old])
        remainder -= (offset.T * old)[0, 0]
    if inertia.free_symbols & set(old) or not _vanishes(system, [remainder], system.symbols):
        raise PhysodeError(
            f"{system.name}: its energy is not quadratic in {', '.join(own.values())}, so it has no other form in closed terms."
        )
    return inertia, offset, rest


def _forces(system: System, form: str, own: Mapping[str, str], inertia: sympy.Matrix, offset: sympy.Matrix, rest: Expr) -> dict[str, Expr]:
    """Return the generalised force on each coordinate that the energy does not account for."""
    rates = dict(zip(system.states, system.derivatives, strict=True))
    if form == "velocity":
        old = sympy.Matrix([symbol(w) for w in own.values()])
        conservative = lagrange_equations((old.T * inertia * old)[0, 0] / 2 + (offset.T * old)[0, 0], rest, own, {})
        column = inertia * sympy.Matrix([rates[w] - conservative[w] for w in own.values()])
    else:
        conservative = hamilton_equations(_energy(system), list(own), list(own.values()))
        column = sympy.Matrix([rates[w] - conservative[w] for w in own.values()])
    everything = (*system.symbols, *(symbol(name) for name in system.inputs))
    return {q: sympy.S.Zero if _vanishes(system, [force], everything) else tidy(force) for q, force in zip(own, column, strict=True)}


def _vanishes(system: System, expressions: list[Expr], symbols: tuple[Expr, ...]) -> bool:
    """Tell whether expressions are zero, at random values: sympy's simplify is slow and may miss it."""
    generator = np.random.default_rng(0)
    constants = np.array(list(system.parameters.values()))[:, None] * generator.uniform(0.5, 1.5, size=(len(system.constants), 16))
    arguments = [*generator.uniform(0.1, 1.5, size=(len(symbols), 16)), *constants, generator.uniform(0, 5, size=16)]
    values = compile_expressions((*symbols, *system.parameter_symbols, system.time_symbol), tuple(expressions))(*arguments)
    return all(float(np.max(np.abs(value))) < 1e-9 for value in values)


@dataclass(frozen=True)
class _Converted:
    """The sampler of the other form: what the system's own draws, with momenta for velocities or velocities for momenta."""

    system: System
    sampler: Sampler

    def __call__(self, generator: np.random.Generator, n: int, parameters: Mapping[str, ArrayLike]) -> Array:
        return _in_other_form(self.system, self.sampler(generator, n, parameters), parameters)


def _in_other_form(system: System, states: Array, parameters: Mapping[str, ArrayLike]) -> Array:
    """Convert states of shape (n, state), in the order of the counterpart's."""
    columns, outward = dict(zip(system.states, states.T, strict=True)), partner_expressions(system)
    function = compile_expressions((*system.symbols, *system.parameter_symbols), tuple(outward.values()))
    values = function(*states.T, *(np.asarray(parameters[name], dtype=np.float64) for name in system.parameters))
    return np.stack([*(columns[q] for q in _own_partners(system)), *(np.broadcast_to(value, len(states)) for value in values)], axis=-1)


def convert(system: System, ds: xr.Dataset, to: str) -> xr.Dataset:
    """Convert a record between velocities and momenta; see `System.convert`."""
    if to not in FORMS:
        raise unknown_name("form", to, FORMS)
    form = form_of(system)
    if to == form:
        return ds
    if form == "velocity":
        _parts(system)  # a momentum is dE/dv only where the energy is quadratic; a velocity is dH/dp always
    missing = [name for name in system.states if name not in ds]
    observed = not missing
    true = all(f"{name}_true" in ds for name in system.states)
    if not observed and not true:
        raise DataError(
            f"the record holds no {', '.join(missing)}; to convert it to the {to} form it must hold "
            f"{', '.join(system.states)} or their truth."
        )
    states, own, outward = _partner_states(system), _own_partners(system), partner_expressions(system)
    function = compile_expressions((*system.symbols, *system.parameter_symbols), tuple(outward.values()))
    constants = [ds.get(name, value) for name, value in system.parameters.items()]
    drop = [name for old in own.values() for name in (old, f"{old}_true", f"{old}_noise_std") if name in ds]
    result = ds.drop_vars(drop)
    for suffix, present in (("", observed), ("_true", true)):
        if not present:
            continue
        values = function(*(ds[f"{name}{suffix}"] for name in system.states), *constants)
        for q, value in zip(own, values, strict=True):
            attrs = states[q].attrs()
            if suffix:
                attrs |= {"role": "truth", "long_name": f"true {attrs['long_name']}"}
            template = ds[f"{own[q]}{suffix}"]
            result[f"{states[q].name}{suffix}"] = (value + xr.zeros_like(template)).transpose(*template.dims).assign_attrs(attrs)
    if observed:
        for name, deviation in _noise(system, ds, constants, outward).items():
            state = next(s for s in states.values() if s.name == name)
            attrs = {"units": state.units, "long_name": f"noise of {state.long_name or name}", "role": "noise"}
            result[f"{name}_noise_std"] = ((), deviation, attrs)
    return result.assign_attrs(provenance(f"convert to the {to} form", before=ds.attrs, system=counterpart_name(system)))


def _energy(system: System) -> Expr:
    if system.energy_expression is None:
        raise PhysodeError(f"{system.name} declares no energy.")
    return system.energy_expression


def _own_partners(system: System) -> dict[str, str]:
    """Return the velocity's or momentum's name of each position."""
    own = {str(s.time_derivative_of or s.conjugate_to): s.name for s in system.quantities if s.role != "position"}
    positions = [s.name for s in system.quantities if s.role == "position"]
    if set(own) != set(positions):
        raise PhysodeError(
            f"{system.name}: each of {', '.join(positions)} must have one velocity or momentum, found those of {', '.join(own)}."
        )
    return {q: own[q] for q in positions}


def _partner_states(system: System) -> dict[str, State]:
    """Return the state that stands for each position's partner in the other form."""
    role = "velocity" if form_of(system) == "canonical" else "momentum"
    given = {s.time_derivative_of or s.conjugate_to: s for s in system.partners}
    result: dict[str, State] = {}
    for q in _own_partners(system):
        units = partner_units(system.quantity(q).units, role, system.energy_units, system.time_units)
        title = f"{role} of {system.quantity(q).long_name or q}"
        result[q] = given.get(q) or State(
            f"{q}_{role}", units, title, role, q if role == "velocity" else None, q if role == "momentum" else None
        )
    return result


def _noise(system: System, ds: xr.Dataset, constants: list[xr.DataArray | float], outward: Mapping[str, Expr]) -> dict[str, float]:
    """Carry the noise over to first order, as its root mean square over the record."""
    noisy = [name for name in system.states if f"{name}_noise_std" in ds]
    result: dict[str, float] = {}
    if not noisy:
        return result
    arguments = [ds[name] for name in system.states]
    for name, expression in outward.items():
        slopes = tuple(expression.diff(symbol(state)) for state in noisy)
        values = compile_expressions((*system.symbols, *system.parameter_symbols), slopes)(*arguments, *constants)
        variance = sum(float(np.mean(np.square(s * ds[f"{n}_noise_std"]))) for s, n in zip(values, noisy, strict=True))
        result[name] = float(np.sqrt(variance))
    return result
