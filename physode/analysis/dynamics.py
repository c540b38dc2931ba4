"""What analysis asks of a dynamics: the truth and a learned model go through the same door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physode.errors import DataError

__all__ = ["Array", "Dynamics", "Learned", "Predictor", "initial_array", "unit_of"]

Array = NDArray[np.float64]


@runtime_checkable
class Dynamics(Protocol):
    """A vector field with names: a System of `physode.systems` or a fitted model of `physode.models`."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def states(self) -> tuple[str, ...]:
        """Names of all states, latent ones included, in the order of the last axis of every array."""
        ...

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each state and of ``"time"``."""
        ...

    @property
    def time_scale(self) -> float:
        """Characteristic time, about one period over 2 pi."""
        ...

    def rhs(self, t: ArrayLike, z: Array) -> Array:
        """Time derivative of the states, (batch, state) to (batch, state)."""
        ...

    def jvp(self, t: ArrayLike, z: Array, v: Array) -> Array:
        """Jacobian times tangents; `v` is (batch, state) or (batch, k, state)."""
        ...

    def divergence(self, t: ArrayLike, z: Array) -> Array:
        """Trace of the Jacobian, (batch,)."""
        ...

    def sample_states(self, n: int, seed: int) -> Array:
        """Draw `n` reasonable initial states, (n, state)."""
        ...


@runtime_checkable
class Predictor(Protocol):
    """A fitted model: it finds its own initial states in a record and goes on from there."""

    def predict(self, ds: xr.Dataset, warmup: int | None = None) -> xr.Dataset:
        """Trajectories of all model states on the record's coordinates."""
        ...


@runtime_checkable
class Learned(Dynamics, Predictor, Protocol):
    """A fitted model that knows its slopes along a record, whose inputs may drive it."""

    def vector_field(self, ds: xr.Dataset, states: xr.Dataset | None = None) -> xr.Dataset:
        """Slopes ``d<state>_dt`` along states on the record's observations, by default the prediction."""
        ...


def unit_of(dynamics: Dynamics, name: str) -> str:
    """Look up the unit of a state, or of ``"time"``; ``""`` where none is known."""
    return str(dynamics.units.get(name, ""))


def initial_array(dynamics: Dynamics, initial_states: Mapping[str, ArrayLike] | ArrayLike) -> Array:
    """Bring initial states into the shape (trajectory, state), in the order of ``dynamics.states``.

    Parameters
    ----------
    dynamics : Dynamics
        Whose states are meant.
    initial_states : mapping or array_like
        One number, or one number per trajectory, for each state; or an array (trajectory, state) or (state,).

    Returns
    -------
    ndarray of float64, shape (trajectory, state)
        A fresh array.

    Raises
    ------
    DataError
        If a state is missing or unknown, lengths differ, or a value is not finite.
    """
    names = dynamics.states
    if isinstance(initial_states, Mapping):
        missing, unknown = [n for n in names if n not in initial_states], [str(n) for n in initial_states if n not in names]
        if missing or unknown:
            raise DataError(
                f"initial states of {dynamics.name!r} need exactly the states {', '.join(names)}; "
                f"missing: {', '.join(missing) or 'none'}, unknown: {', '.join(unknown) or 'none'}."
            )
        columns = [np.atleast_1d(np.asarray(initial_states[n], dtype=np.float64)) for n in names]
        try:
            array = np.stack(np.broadcast_arrays(*columns), axis=-1)
        except ValueError as error:
            lengths = ", ".join(f"{n}: {c.shape}" for n, c in zip(names, columns, strict=True))
            raise DataError(f"initial states of {dynamics.name!r} differ in length ({lengths}); give one number per trajectory.") from error
    else:
        array = np.atleast_2d(np.array(initial_states, dtype=np.float64))
    if array.ndim != 2 or array.shape[1] != len(names) or array.shape[0] == 0:
        raise DataError(f"initial states of {dynamics.name!r} must have shape (trajectory, {len(names)}); found {array.shape}.")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"initial state {names[column]!r} of trajectory {row} is {array[row, column]}; give finite numbers.")
    return np.ascontiguousarray(array, dtype=np.float64)
