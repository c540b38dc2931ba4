"""The quantities of a system: its states, its parameters and its inputs, each with units and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sympy import Expr

__all__ = ["Input", "Parameter", "State", "default_range", "momentum", "partner_units", "position", "velocity"]


@dataclass(frozen=True)
class State:
    """One state of a system.

    Parameters
    ----------
    name : str
        As it is called in the equations and in the data set.
    units : str, default "1"
        Its units, ``"1"`` for a dimensionless state.
    long_name : str
        What it is, for axis labels.
    role : {"position", "velocity", "momentum", "state"}
        Its part in the motion.
    time_derivative_of, conjugate_to : str, optional
        The position that a velocity derives from, or that a momentum belongs to.
    range : (float, float), default (-1, 1)
        Where reasonable initial states lie; they are drawn from it uniformly.
    """

    name: str
    units: str = "1"
    long_name: str = ""
    role: str = "state"
    time_derivative_of: str | None = None
    conjugate_to: str | None = None
    range: tuple[float, float] = (-1.0, 1.0)

    def attrs(self) -> dict[str, str]:
        """Return the attributes of this state's variable in a data set."""
        attrs = {"units": self.units, "long_name": self.long_name or self.name, "role": self.role}
        if self.time_derivative_of is not None:
            attrs["time_derivative_of"] = self.time_derivative_of
        if self.conjugate_to is not None:
            attrs["conjugate_to"] = self.conjugate_to
        return attrs


def position(name: str, units: str, long_name: str, range: tuple[float, float] = (-1.0, 1.0)) -> State:
    """Return a state that is a position."""
    return State(name, units, long_name, "position", range=range)


def velocity(name: str, units: str, long_name: str, of: str, range: tuple[float, float] = (-1.0, 1.0)) -> State:
    """Return a state that is the time derivative of the position `of`."""
    return State(name, units, long_name, "velocity", time_derivative_of=of, range=range)


def momentum(name: str, units: str, long_name: str, to: str, range: tuple[float, float] = (-1.0, 1.0)) -> State:
    """Return a state that is the momentum conjugate to the position `to`."""
    return State(name, units, long_name, "momentum", conjugate_to=to, range=range)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a system: its name, value, units and meaning."""

    name: str
    value: float
    units: str = "1"
    meaning: str = ""


@dataclass(frozen=True)
class Input:
    """One input u(t) of a system: its name, what it is by default (an expression in t and the parameters), units and meaning."""

    name: str
    default: Expr
    units: str = "1"
    long_name: str = ""


def default_range(value: float, start: Mapping[str, float]) -> tuple[float, float]:
    """Return where initial values of a state lie if nothing is said: around its own, or as far from zero as the largest."""
    if value != 0:
        low, high = sorted((0.5 * value, 1.5 * value))
        return low, high
    size = max((abs(v) for v in start.values()), default=0.0) or 1.0
    return -size, size


def partner_units(position: str, role: str, energy: str, time: str) -> str:
    """Return the units of the velocity or the momentum of a position, as UDUNITS reads them.

    Examples
    --------
    >>> partner_units("m", "velocity", "J", "s"), partner_units("m", "momentum", "J", "s"), partner_units("1", "velocity", "1", "1")
    ('m s-1', '(J) s/(m)', '1')
    """
    if role == "velocity":
        return position if time == "1" else f"{time}-1" if position == "1" else f"{position} {time}-1"
    numerator = " ".join(part for part in (f"({energy})" if energy != "1" else "", time if time != "1" else "") if part) or "1"
    return numerator if position == "1" else f"{numerator}/({position})"
