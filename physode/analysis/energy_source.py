"""Where an energy comes from: a System, a function, or the dynamics itself; and the scale that it is measured by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import xarray as xr

from physode.analysis.dynamics import Array, Dynamics
from physode.errors import DataError, unknown_name

__all__ = ["EnergySource", "EnergySystem", "evaluate", "resolve", "spread", "system_states"]

_N_DRAWN: Final = 4000


@runtime_checkable
class EnergySystem(Dynamics, Protocol):
    """A System, or a model with a learned energy: a vector field with an energy of its states."""

    def energy(self, z: Array) -> Array:
        """Energy of states (batch, state), (batch,)."""
        ...


@dataclass(frozen=True)
class EnergySource:
    """An energy as a function of the states of the dynamics that is followed."""

    function: Callable[[Array], Array]
    units: str
    system: EnergySystem | None
    """Set when the energy is that of another System."""


def resolve(dynamics: Dynamics, energy: EnergySystem | Callable[[Array], Array] | str, ds: xr.Dataset | None) -> EnergySource:
    """Make a function of the states of `dynamics` from what the user named as its energy.

    Raises
    ------
    UnknownNameError
        If it is a name and the dynamics has no such invariant or method.
    """
    if isinstance(energy, str):
        own = {str(name): function for name, function in getattr(dynamics, "invariants", {}).items()}
        function = own.get(energy, getattr(dynamics, energy, None))
        if not callable(function):
            raise unknown_name(
                f"invariant of {dynamics.name!r}",
                energy,
                list(dict.fromkeys([*own, *(["energy"] if isinstance(dynamics, EnergySystem) else [])])),
            )
        return EnergySource(function, str(getattr(dynamics, f"{energy}_units", "")), None)
    if isinstance(energy, EnergySystem):
        system = energy
        units = str(getattr(system, "energy_units", ""))
        return EnergySource(lambda z: system.energy(system_states(dynamics, system, z, ds)), units, system)
    return EnergySource(energy, "", None)


def system_states(dynamics: Dynamics, system: EnergySystem, z: Array, ds: xr.Dataset | None) -> Array:
    """Bring states of `dynamics` into the order of a System's; a missing velocity is the rate of its position.

    Raises
    ------
    DataError
        If a state of the System can not be had.
    """
    columns, rate = [], None
    for name in system.states:
        if name in dynamics.states:
            columns.append(z[..., dynamics.states.index(name)])
            continue
        position = _position_of(name, ds)
        if position not in dynamics.states:
            raise DataError(
                f"the energy needs the state {name!r}, which {dynamics.name!r} does not have; its states are "
                f"{', '.join(dynamics.states)}. Pass a function of these as energy=."
            )
        if rate is None:
            rate = dynamics.rhs(0.0, z.reshape(-1, z.shape[-1])).reshape(z.shape)
        columns.append(rate[..., dynamics.states.index(position)])
    return np.stack(columns, axis=-1)


def _position_of(velocity: str, ds: xr.Dataset | None) -> str:
    for name in (velocity, f"{velocity}_true"):
        if ds is not None and name in ds.data_vars:
            return str(ds[name].attrs.get("time_derivative_of", ""))
    return ""


def evaluate(function: Callable[[Array], Array], path: Array) -> Array:
    """Evaluate an energy along trajectories (trajectory, n, state); NaN where the state is not finite."""
    flat = path.reshape(-1, path.shape[-1])
    out, usable = np.full(len(flat), np.nan), np.isfinite(flat).all(axis=1)
    if usable.any():
        with np.errstate(over="ignore", invalid="ignore"):
            out[usable] = np.asarray(function(flat[usable]), dtype=np.float64)
    return out.reshape(path.shape[:-1])


def spread(function: Callable[[Array], Array], states: Array) -> float:
    """Give twice the standard deviation of an energy over states with independently drawn coordinates.

    Kinetic and potential energy then no longer make up for each other: the spread is finite where the energy is conserved,
    and for a harmonic oscillator it is the energy.

    Examples
    --------
    >>> angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> round(spread(lambda z: (z**2).sum(axis=1) / 2, circle), 2)
    0.5
    """
    flat = states.reshape(-1, states.shape[-1])
    flat = flat[np.isfinite(flat).all(axis=1)]
    rng = np.random.default_rng(0)
    flat = np.tile(flat, (max(1, _N_DRAWN // max(len(flat), 1)), 1))
    mixed = np.stack([rng.permutation(column) for column in flat.T], axis=1)
    return 2 * float(np.std(evaluate(function, mixed)))
