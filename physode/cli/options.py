"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Data",
    "Duration",
    "Force",
    "ForceFile",
    "Held",
    "Inputs",
    "Method",
    "Noise",
    "NoiseModel",
    "Observe",
    "OutputFile",
    "OutputFolder",
    "Parameters",
    "Points",
    "Seed",
    "States",
    "Time",
    "Trajectories",
    "Trajectory",
    "Units",
    "comma_list",
    "pairs",
]

Data = Annotated[str, typer.Argument(metavar="DATA", help="A CSV or netCDF file, the name of a data set, or the name of a system.")]
OutputFile = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to write.")]
ForceFile = Annotated[bool, typer.Option("--force", help="Replace the file that is there.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a result of physode that is there; nothing else is touched.")]

Time = Annotated[str | None, typer.Option("--time", metavar="COL", help="CSV: the column of the times (default: time or t).")]
States = Annotated[str | None, typer.Option("--states", metavar="A,B", help="CSV: the columns of the states (default: all others).")]
Trajectory = Annotated[str | None, typer.Option("--trajectory", metavar="COL", help="CSV: the column that tells trajectories apart.")]
Inputs = Annotated[str | None, typer.Option("--inputs", metavar="A,B", help="CSV: the columns of the inputs u(t).")]
Held = Annotated[
    str | None, typer.Option("--held", metavar="A,B", help="CSV: the inputs that are held between their samples (the others are linear).")
]
Units = Annotated[list[str] | None, typer.Option("--unit", metavar="COL=UNIT", help="CSV: the units of a column; may be repeated.")]

Observe = Annotated[str | None, typer.Option("--observe", metavar="A,B", help="System: the states to observe (default: all).")]
Noise = Annotated[float, typer.Option("--noise", min=0.0, help="System: standard deviation of the measurement noise.")]
NoiseModel = Annotated[str, typer.Option("--noise-model", help="System: 'gaussian' (the state's units) or 'relative' (to its spread).")]
Method = Annotated[str, typer.Option("--method", metavar="NAME", help="System: the integrator; Radau, BDF or LSODA for a stiff one.")]
Trajectories = Annotated[int, typer.Option("--trajectories", min=1, help="System: how many trajectories to simulate.")]
Points = Annotated[int, typer.Option("--points", min=3, help="System: how many times.")]
Duration = Annotated[float, typer.Option("--duration", min=0.0, help="System: the last time; the first is 0.")]
Parameters = Annotated[list[str] | None, typer.Option("--parameter", metavar="NAME=VALUE", help="System: a parameter; may be repeated.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of what is random.")]


def comma_list(text: str | None) -> list[str]:
    """Part a list of names at its commas.

    Examples
    --------
    >>> comma_list("x, y")
    ['x', 'y']
    >>> comma_list(None)
    []
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def pairs(items: list[str] | None, option: str) -> dict[str, str]:
    """Part ``NAME=VALUE`` items.

    Raises
    ------
    PhysodeError
        If one has no ``=``, or if a name is there twice.

    Examples
    --------
    >>> pairs(["x=m", "v=m s-1"], "--unit")
    {'x': 'm', 'v': 'm s-1'}
    """
    from physode.errors import PhysodeError

    found: dict[str, str] = {}
    for item in items or []:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise PhysodeError(f"{option} {item!r} is not of the form NAME=VALUE; write for example {option} x=1.")
        if name.strip() in found:
            raise PhysodeError(f"{option} gives {name.strip()} twice, {found[name.strip()]!r} and {value.strip()!r}; leave one out.")
        found[name.strip()] = value.strip()
    return found
