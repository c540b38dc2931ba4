"""The systems by name. Adding one is a function in a family's file and a line here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from physode.errors import unknown_name
from physode.systems.base import System
from physode.systems.celestial import three_body, two_body
from physode.systems.chaos import chua, henon_heiles, lorenz, lorenz_96, rossler
from physode.systems.checks import whole_number
from physode.systems.driven import driven_pendulum, forced_duffing, forced_oscillator, forced_van_der_pol
from physode.systems.oscillators import (
    coupled_oscillators,
    damped_oscillator,
    damped_sinusoids,
    duffing,
    harmonic_oscillator,
    mass_spring,
    oscillator_chain,
    van_der_pol,
)
from physode.systems.pendulums import (
    damped_pendulum,
    double_pendulum,
    double_pendulum_velocity,
    elastic_pendulum,
    pendulum,
    pendulum_canonical,
)
from physode.systems.populations import lotka_volterra, lotka_volterra_canonical
from physode.systems.spirals import cubic_spiral, linear_spiral, random_spirals, two_centre_spiral

__all__ = ["get", "names"]

SYSTEMS: dict[str, Callable[..., System]] = {
    "chua": chua,
    "coupled-oscillators": coupled_oscillators,
    "cubic-spiral": cubic_spiral,
    "damped-oscillator": damped_oscillator,
    "damped-pendulum": damped_pendulum,
    "damped-sinusoids": damped_sinusoids,
    "double-pendulum": double_pendulum,
    "double-pendulum-velocity": double_pendulum_velocity,
    "driven-pendulum": driven_pendulum,
    "duffing": duffing,
    "elastic-pendulum": elastic_pendulum,
    "forced-duffing": forced_duffing,
    "forced-oscillator": forced_oscillator,
    "forced-van-der-pol": forced_van_der_pol,
    "harmonic-oscillator": harmonic_oscillator,
    "henon-heiles": henon_heiles,
    "linear-spiral": linear_spiral,
    "lorenz": lorenz,
    "lorenz-96": lorenz_96,
    "lotka-volterra": lotka_volterra,
    "lotka-volterra-canonical": lotka_volterra_canonical,
    "mass-spring": mass_spring,
    "oscillator-chain": oscillator_chain,
    "pendulum": pendulum,
    "pendulum-canonical": pendulum_canonical,
    "random-spirals": random_spirals,
    "rossler": rossler,
    "three-body": three_body,
    "two-body": two_body,
    "two-centre-spiral": two_centre_spiral,
    "van-der-pol": van_der_pol,
}


def names() -> list[str]:
    """Return the names of all systems.

    Examples
    --------
    >>> from physode import systems
    >>> "lorenz" in systems.names()
    True
    """
    return sorted(SYSTEMS)


def get(name: str, **parameters: Any) -> System:
    """Return a system by name.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    **parameters
        Parameters other than the default ones; some systems also take a size, a whole number, such as ``cells`` of lorenz-96.

    Returns
    -------
    System

    Raises
    ------
    UnknownNameError
        If there is no such system or parameter; the message lists the choices and the closest one.
    PhysodeError
        If a parameter is no finite number, or a size no whole one.

    See Also
    --------
    names, physode.systems.define

    Examples
    --------
    >>> from physode import systems
    >>> systems.get("lorenz", rho=20.0)
    <System lorenz: x, y, z; sigma=10, rho=20, beta=2.66667>
    >>> systems.get("pendulm")
    Traceback (most recent call last):
        ...
    physode.errors.UnknownNameError: unknown system 'pendulm'; did you mean 'pendulum'? ...
    """
    if name not in SYSTEMS:
        raise unknown_name("system", name, SYSTEMS)
    sizes = {
        key: whole_number(f"{name}: {key}", parameters.pop(key)) for key in inspect.signature(SYSTEMS[name]).parameters if key in parameters
    }
    system = _made(name, tuple(sorted(sizes.items())))
    return system.with_parameters(**parameters) if parameters else system


@lru_cache(maxsize=64)
def _made(name: str, sizes: tuple[tuple[str, int], ...]) -> System:
    return SYSTEMS[name](**dict(sizes))
