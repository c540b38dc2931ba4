"""What a simulation was asked for, checked: times, parameters, initial states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physode.errors import PhysodeError, unknown_name
from physode.systems.sampling import draw_states

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["check_initial_states", "check_parameters", "check_times"]

Array = NDArray[np.float64]


def check_times(time: ArrayLike) -> Array:
    """Return the times as float64, shape (time,) or (trajectory, obs), or say what is wrong with them."""
    times = np.array(time, dtype=np.float64)
    if times.ndim not in (1, 2) or times.shape[-1] < 2 or not times.size:
        raise PhysodeError(
            f"time must be a vector of at least two values, or one row per trajectory, found shape {times.shape}; "
            "np.linspace(0, 10, 101) makes one."
        )
    valid = np.isfinite(times)
    padding = np.isnan(times) & (times.ndim == 2)
    if not (valid | padding).all() or (padding[..., :-1] & valid[..., 1:]).any() or not valid[..., :2].all():
        where = tuple(int(i) for i in np.argwhere(~valid)[0])
        raise PhysodeError(f"time must be finite, found {times[where]} at position {where if len(where) > 1 else where[0]}.")
    steps = np.diff(times)
    if (steps <= 0).any():
        where = tuple(int(i) for i in np.argwhere(steps <= 0)[0])
        after = (*where[:-1], where[-1] + 1)
        raise PhysodeError(
            f"time must increase, found {times[where]:g} followed by {times[after]:g} at position {where[-1]}; sort it and drop repeats."
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
    rows: Mapping[str, int],
) -> Array:
    """Return the initial states, shape (trajectory, state): given, drawn, or the system's own.

    `rows` are other things that hold one row per trajectory, for the count.
    """
    if n_trajectories is not None and (isinstance(n_trajectories, bool) or int(n_trajectories) != n_trajectories or n_trajectories < 1):
        raise PhysodeError(f"n_trajectories must be a whole number of at least 1, found {n_trajectories!r}.")
    lengths = dict(rows) | {f"parameter {name!r}": len(value) for name, value in constants.items() if value.ndim}
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
    return draw_states(system, n, [seed, 0], constants)
