"""From what the user typed to a record: a file, a data set, or a system to simulate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from physode import datasets, systems, trajectories
from physode.errors import FileFormatError, PhysodeError, unknown_name

__all__ = ["CsvColumns", "Simulation", "load_record", "simulate"]

_SUFFIXES = (".csv", ".nc")


@dataclass(frozen=True)
class CsvColumns:
    """Which columns of a CSV file are what."""

    time: str | None = None
    states: Sequence[str] = ()
    trajectory: str | None = None
    inputs: Sequence[str] = ()
    held: Sequence[str] = ()
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Simulation:
    """How a system is simulated and observed."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    observe: Sequence[str] = ()
    noise: float = 0.0
    noise_model: str = "gaussian"
    trajectories: int = 20
    points: int = 100
    duration: float = 10.0
    method: str = "DOP853"
    seed: int = 0


_COLUMNS = {"time": "--time", "states": "--states", "trajectory": "--trajectory", "inputs": "--inputs", "held": "--held", "units": "--unit"}
_SIMULATED = {
    "parameters": "--parameter",
    "observe": "--observe",
    "noise": "--noise",
    "noise_model": "--noise-model",
    "trajectories": "--trajectories",
    "points": "--points",
    "duration": "--duration",
    "method": "--method",
}
"""Options of a CSV file's columns, and of a simulation; its seed is that of a fit as well."""


def _refuse_others(data: str, kind: str, given: CsvColumns | Simulation, options: Mapping[str, str]) -> None:
    """Raise PhysodeError if an option was given that says nothing about data of this kind."""
    plain = type(given)()
    for name, option in options.items():
        found, default = getattr(given, name), getattr(plain, name)
        if found != default and (found or default):
            what = "CSV files" if isinstance(given, CsvColumns) else "systems that are simulated"
            raise PhysodeError(f"{option} is for {what}, and {data} is {kind}; leave it out.")


def load_record(data: str, columns: CsvColumns, simulation: Simulation) -> xr.Dataset:
    """Find the record that a name stands for.

    Parameters
    ----------
    data : str
        In this order: an existing CSV or netCDF file, the name of a data set, the name of a system.
    columns : CsvColumns
        For a CSV file.
    simulation : Simulation
        For a system.

    Returns
    -------
    xarray.Dataset
        A valid record.

    Raises
    ------
    UnknownNameError
        If it is nothing of the kind; both lists of names are told, and the closest one.
    FileFormatError
        If it is a file of another kind, or a file that does not exist.
    PhysodeError
        If an option was given that is for data of another kind.
    """
    path = Path(data)
    if path.exists():
        _refuse_others(data, "a file", simulation, _SIMULATED)
        return _read(path, columns)
    if data in datasets.names():
        _refuse_others(data, "a data set", simulation, _SIMULATED)
        _refuse_others(data, "a data set", columns, _COLUMNS)
        return datasets.load_dataset(data)
    if data in systems.names():
        _refuse_others(data, "a system", columns, _COLUMNS)
        return simulate(data, simulation)
    if path.suffix.lower() in _SUFFIXES or len(path.parts) > 1:
        raise FileFormatError(f"there is no file {data}; look at its name and the current folder ({Path.cwd()}).")
    error = unknown_name("data", data, [*datasets.names(), *systems.names()])
    raise type(error)(
        f"{str(error).partition(' Choose from:')[0]} There is no file of that name. "
        f"Data sets: {', '.join(datasets.names())}. Systems: {', '.join(systems.names())}."
    )


def _read(path: Path, columns: CsvColumns) -> xr.Dataset:
    suffix = path.suffix.lower()
    if suffix == ".nc":
        _refuse_others(str(path), "a netCDF file", columns, _COLUMNS)
        return trajectories.validate(trajectories.read(path))
    if suffix != ".csv":
        raise FileFormatError(f"{path} is neither a .csv nor a .nc file; write it as one of these, with its suffix.")
    for name in columns.held:
        if name not in columns.inputs:
            raise PhysodeError(f"--held names {name}, which is no input; name all inputs as well: --inputs {name} --held {name}.")
    return trajectories.read_csv(
        path,
        time=columns.time,
        states=list(columns.states) or None,
        trajectory=columns.trajectory,
        inputs=list(columns.inputs),
        interpolation=dict.fromkeys(columns.held, "previous"),
        units=dict(columns.units) or None,
    )


def simulate(name: str, how: Simulation) -> xr.Dataset:
    """Simulate a system of the registry."""
    values = {}
    for key, text in how.parameters.items():
        try:
            values[key] = float(text)
        except ValueError:
            raise PhysodeError(f"--parameter {key}={text} is not a number; write for example --parameter {key}=1.5.") from None
    if not 0 < how.duration < math.inf:
        raise PhysodeError(f"--duration is {how.duration:g}; give a positive time.")
    return systems.get(name, **values).simulate(
        np.linspace(0.0, how.duration, how.points),
        n_trajectories=how.trajectories,
        observe=list(how.observe) or None,
        noise=how.noise,
        noise_model=how.noise_model,
        method=how.method,
        seed=how.seed,
    )
