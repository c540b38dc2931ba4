"""What a simulation was asked for, checked: times, parameters, initial states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physode.errors import PhysodeError, unknown_name
from physode.systems.checks import by_name, real_numbers, whole_number
from physode.systems.sampling import draw_states

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["check_initial_states", "check_parameters", "check_times"]

Array = NDArray[np.float64]


def check_times(time: ArrayLike) -> Array:
    """Return the times as float64, shape (time,) or (trajectory, obs), or say what is wrong with them."""
    times = real_numbers(time)
    if times is None:
        raise PhysodeError(
            f"time must be numbers, found {' '.join(str(time).split())[:60]}; of dates give, for example, the seconds since the first: "
            "(time - time[0]) / np.timedelta64(1, 's')."
        )
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
    for name, value in by_name("parameters", parameters).items():
        if name not in constants:
            raise unknown_name(f"parameter of {system.name}", name, constants)
        found = real_numbers(value)
        if found is None or found.ndim > 1 or not np.isfinite(found).all():
            raise PhysodeError(f"parameter {name!r} must be one finite number or one per trajectory, found {value!r}.")
        constants[name] = found
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
    lengths = dict(rows) | {f"parameter {name!r}": len(value) for name, value in constants.items() if value.ndim}
    columns: dict[str, Array] = {}
    if initial_states is not None:
        given = by_name("initial_states", initial_states)
        for name in given:
            if name not in system.states:
                raise unknown_name(f"state of {system.name}", str(name), system.states)
        missing = [name for name in system.states if name not in given]
        if missing:
            raise PhysodeError(f"initial_states gives no value for {', '.join(missing)}; {system.name} needs {', '.join(system.states)}.")
        for name in system.states:
            column = real_numbers(given[name])
            if column is None or column.ndim > 1 or not np.isfinite(column).all():
                raise PhysodeError(f"the initial value of {name!r} must be one finite number or one per trajectory, found {given[name]!r}.")
            columns[name] = column
        lengths |= {f"initial value of {name!r}": len(column) for name, column in columns.items() if column.ndim}
    if n_trajectories is not None:
        lengths["n_trajectories"] = whole_number("n_trajectories", n_trajectories, 1)
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
