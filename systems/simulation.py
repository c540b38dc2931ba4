"""Truth from a system: initial states, integration, and the record of what was observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from physode.errors import PhysodeError, SimulationError, unknown_name
from physode.systems.compiled import compile_expressions, fill
from physode.systems.records import Observation, make_record

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["Observation", "simulate"]

Array = NDArray[np.float64]


def simulate(
    system: System,
    time: ArrayLike,
    initial_states: Mapping[str, ArrayLike] | None,
    n_trajectories: int | None,
    parameters: Mapping[str, ArrayLike] | None,
    observation: Observation,
    rtol: float,
    atol: float,
) -> xr.Dataset:
    """Integrate `system` and return the record; see :meth:`physode.systems.base.System.simulate`."""
    times = check_times(time)
    observation.check(system)
    constants = check_parameters(system, parameters)
    initial = check_initial_states(system, initial_states, n_trajectories, constants, observation.seed)
    truth = integrate(system, times, initial, constants, rtol, atol)
    return make_record(system, times, truth, constants, observation, {"solver": "DOP853", "rtol": rtol, "atol": atol})


def check_times(time: ArrayLike) -> Array:
    """Return the times as a float64 vector, or say what is wrong with them."""
    times = np.array(time, dtype=np.float64)
    if times.ndim != 1 or len(times) < 2:
        raise PhysodeError(f"time must be a vector of at least two values, found shape {times.shape}; np.linspace(0, 10, 101) makes one.")
    if not np.isfinite(times).all():
        raise PhysodeError(
            f"time must be finite, found {times[~np.isfinite(times)][0]} at position {int(np.flatnonzero(~np.isfinite(times))[0])}."
        )
    steps = np.diff(times)
    if (steps <= 0).any():
        where = int(np.flatnonzero(steps <= 0)[0])
        raise PhysodeError(
            f"time must increase, found {times[where]:g} followed by {times[where + 1]:g} at position {where}; sort it and drop repeats."
        )
    return times


def check_parameters(system: System, parameters: Mapping[str, ArrayLike] | None) -> dict[str, Array]:
    """Return every parameter as a float64 array of shape () or (trajectory,)."""
    constants = {name: np.asarray(value, dtype=np.float64) for name, value in system.parameters.items()}
    for name, value in (parameters or {}).items():
        if name not in constants:
            raise unknown_name(f"parameter of {system.name}", name, constants)
        constants[name] = np.array(value, dtype=np.float64)
        if constants[name].ndim > 1 or not np.isfinite(constants[name]).all():
            raise PhysodeError(f"parameter {name!r} must be one finite number or one per trajectory, found {value!r}.")
    return constants


def check_initial_states(
    system: System,
    initial_states: Mapping[str, ArrayLike] | None,
    n_trajectories: int | None,
    constants: Mapping[str, Array],
    seed: int,
) -> Array:
    """Return the initial states, shape (trajectory, state): given, drawn, or the system's own."""
    if n_trajectories is not None and (isinstance(n_trajectories, bool) or int(n_trajectories) != n_trajectories or n_trajectories < 1):
        raise PhysodeError(f"n_trajectories must be a whole number of at least 1, found {n_trajectories!r}.")
    lengths = {f"parameter {name!r}": len(value) for name, value in constants.items() if value.ndim}
    columns: dict[str, Array] = {}
    if initial_states is not None:
        for name in initial_states:
            if name not in system.states:
                raise unknown_name(f"state of {system.name}", str(name), system.states)
        missing = [name for name in system.states if name not in initial_states]
        if missing:
            raise PhysodeError(f"initial_states gives no value for {', '.join(missing)}; {system.name} needs {', '.join(system.states)}.")
        columns = {name: np.array(initial_states[name], dtype=np.float64) for name in system.states}
        for name, column in columns.items():
            if column.ndim > 1 or not np.isfinite(column).all():
                raise PhysodeError(
                    f"the initial value of {name!r} must be one finite number or one per trajectory, found {initial_states[name]!r}."
                )
        lengths |= {f"initial value of {name!r}": len(column) for name, column in columns.items() if column.ndim}
    if n_trajectories is not None:
        lengths["n_trajectories"] = int(n_trajectories)
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{what}: {length}" for what, length in lengths.items())
        raise PhysodeError(f"the number of trajectories is not the same everywhere ({found}); give one number or one per trajectory.")
    n = next(iter(lengths.values()), 1)
    if n == 0:
        raise PhysodeError(f"{next(iter(lengths))} is empty; give at least one value.")
    if initial_states is not None:
        return np.stack([np.broadcast_to(columns[name], (n,)) for name in system.states], axis=-1)
    if n_trajectories is None and not lengths:
        return system.initial_array()
    return system.sample_states(n, seed=[seed, 0])


def integrate(system: System, times: Array, initial: Array, constants: Mapping[str, Array], rtol: float, atol: float) -> Array:
    """Integrate every trajectory; return states of shape (trajectory, time, state)."""
    arguments = (system.time_symbol, *system.symbols, *system.parameter_symbols)
    function = compile_expressions(arguments, system.autonomous)
    result = np.empty((len(initial), len(times), initial.shape[1]))
    for index, start in enumerate(initial):
        values = [float(value[index]) if value.ndim else float(value) for value in constants.values()]

        def right_hand_side(t: float, z: Array, values: list[float] = values) -> Array:
            return fill(function(t, *z, *values), ())

        with np.errstate(all="ignore"):
            solution = solve_ivp(right_hand_side, (times[0], times[-1]), start, method="DOP853", t_eval=times, rtol=rtol, atol=atol)
        reached = solution.y.T
        if solution.status != 0 or not np.isfinite(reached).all() or len(reached) < len(times):
            raise _failure(system, index, solution.t[-1] if len(solution.t) else times[0], reached)
        result[index] = reached
    return result


def _failure(system: System, trajectory: int, time: float, reached: Array) -> SimulationError:
    last = np.abs(reached[-1]) if len(reached) else np.zeros(len(system.states))
    worst = system.states[int(np.nanargmax(last))]
    return SimulationError(
        f"trajectory {trajectory} of {system.name} could not be carried beyond time {time:g} {system.time_units}, where {worst} is "
        f"{last.max():.3g}: it blows up or needs steps too small for float64. Start elsewhere, end earlier, or use other parameters."
    )
