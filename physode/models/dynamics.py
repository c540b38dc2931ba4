"""A fitted field in the units of its record: what analyses, predictions and files are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from physode.errors import PhysodeError
from physode.fields.base import AbstractField
from physode.models.compiled import CompiledField, compile_field
from physode.models.encoding import decode, driving_record, encode, noise_levels
from physode.models.failures import from_there_on_missing
from physode.models.layout import Layout
from physode.models.scaling import Scaling
from physode.solvers import AbstractSolver
from physode.solvers.adaptive import MOST_STEPS, AdaptiveSolver
from physode.training.batch import Batch
from physode.training.initial_states import estimate_initial_states
from physode.training.smoothing import at_rest, smooth
from physode.trajectories import check_inputs, on_one_clock

__all__ = ["LearnedDynamics", "to_numpy"]

Array = NDArray[np.float64]

HELD = 1e12
"""Prior precision that holds a component of an initial state at its mean."""
MOST_VISITED = 500
"""States of the training record that an estimate may be started from."""
FINER = 2
"""Predictions take steps this much smaller than training did."""


@dataclass(frozen=True)
class LearnedDynamics:
    """dz/dt = f(z, u) as it was learned.

    Attributes
    ----------
    layout : Layout
    scaling : Scaling
    field : AbstractField
        In scaled units.
    solver : AbstractSolver
    max_step : float
        Largest training step, scaled time.
    noise : ndarray, shape (n_observed,)
        Noise of each observed state, scaled.
    initial_precision : ndarray, shape (n_states,)
        Prior precision of initial states, scaled.
    latent_map : ndarray, shape (n_latent, 2 * n_observed + 1)
        Best linear guess of the latent components from the observed ones, their slopes, and 1; scaled.
    reference : ndarray, shape (n, n_states)
        States along the training record, in its units.
    start : AbstractField, optional
        Learned map from the first position to the first velocity, scaled; without it initial velocities are estimated from the record.
    """

    layout: Layout
    scaling: Scaling
    field: AbstractField
    solver: AbstractSolver
    max_step: float
    noise: Array
    initial_precision: Array
    latent_map: Array
    reference: Array
    start: AbstractField | None = None

    def rhs(self, t: ArrayLike, z: Array, u: Array | None = None) -> Array:
        """dz/dt at states of shape (batch, n_states), in the record's units."""
        compiled = self._compiled
        if compiled is not None:
            return compiled.rhs(np.asarray(z, dtype=np.float64))
        scaled, inputs = self._inside(z, u)
        with torch.no_grad():
            slope = to_numpy(self._evaluate(scaled.new_zeros(()), scaled, inputs))
        out: Array = slope * (self.scaling.scale / self.scaling.time_scale)
        return out

    @property
    def place(self) -> tuple[torch.device, torch.dtype]:
        """Where the learned parameters lie, and their type."""
        return self._weights[0].device, self._weights[0].dtype

    @property
    def step(self) -> float:
        """Largest step of a prediction, in the record's unit of time; of an adaptive solver, the time constant over its most steps."""
        own = self.max_step / FINER if not isinstance(self.solver, AdaptiveSolver) else 1 / MOST_STEPS
        return own * self.scaling.time_scale

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without the functions that are made of the rest on demand."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @property
    def _compiled(self) -> CompiledField | None:
        """The field in numpy where it is a plain perceptron, several times as fast as through torch; a new one when weights changed."""
        versions = sum(weight._version for weight in self._weights)
        if versions not in self._copies:
            self._copies.clear()
            self._copies[versions] = compile_field(self.field, self.scaling)
        return self._copies[versions]

    @cached_property
    def _weights(self) -> tuple[Tensor, ...]:
        return tuple(self.field.parameters())

    @cached_property
    def _copies(self) -> dict[int, CompiledField | None]:
        return {}

    @cached_property
    def _evaluate(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """The field as a plain function: a solver calls it some ten thousand times."""
        return self.field.closure()

    def jacobian(self, z: Array, u: Array | None = None) -> Array:
        """Derivative of `rhs` by the state, shape (batch, n_states, n_states)."""
        compiled, n = self._compiled, len(self.layout.states)
        if compiled is not None:
            return compiled.rhs_and_jvp(np.asarray(z, dtype=np.float64), np.broadcast_to(np.eye(n), (len(z), n, n)))[1].swapaxes(1, 2)
        scaled, inputs = self._inside(z, u)
        with torch.no_grad():
            by_state = to_numpy(self.field.state_jacobian(scaled.new_zeros(()), scaled, inputs))
        scale = self.scaling.scale
        out: Array = by_state * (scale[:, None] / scale) / self.scaling.time_scale
        return out

    def jvp(self, t: ArrayLike, z: Array, v: Array, u: Array | None = None) -> Array:
        """Directional derivatives of `rhs`; v has shape (batch, n_states) or (batch, k, n_states)."""
        v = np.asarray(v, dtype=np.float64)
        return self.rhs_and_jvp(t, z, v[:, None], u)[1][:, 0] if v.ndim == 2 else self.rhs_and_jvp(t, z, v, u)[1]

    def rhs_and_jvp(self, t: ArrayLike, z: Array, v: Array, u: Array | None = None) -> tuple[Array, Array]:
        """`rhs` and its derivatives in the directions v of shape (batch, k, n_states), in one evaluation where the field allows it."""
        compiled = self._compiled
        if compiled is not None:
            return compiled.rhs_and_jvp(np.asarray(z, dtype=np.float64), v)
        return self.rhs(t, z, u), v @ self.jacobian(z, u).swapaxes(1, 2)

    def divergence(self, z: Array, u: Array | None = None) -> Array:
        """Trace of the Jacobian of `rhs`, shape (batch,)."""
        compiled = self._compiled
        if compiled is not None:
            return compiled.divergence(np.asarray(z, dtype=np.float64))
        return np.asarray(np.einsum("bii->b", self.jacobian(z, u)))

    def _inside(self, z: Array, u: Array | None) -> tuple[Tensor, Tensor]:
        z = np.asarray(z, dtype=np.float64)
        scaled = (z - self.scaling.mean) / self.scaling.scale
        n_inputs = len(self.layout.inputs)
        if n_inputs and u is None:
            names = ", ".join(self.layout.inputs)
            raise PhysodeError(
                f"this model is driven by {names}; give their values as u, shape (batch, {n_inputs}). An analysis of the field by itself, "
                "such as that of its energy or its Lyapunov exponents, is for models without inputs."
            )
        raw = np.zeros((len(z), 0)) if u is None else np.asarray(u, dtype=np.float64)
        return self._tensor(scaled), self._tensor((raw - self.scaling.input_mean) / self.scaling.input_scale)

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(array).to(*self.place)

    def predict(self, ds: xr.Dataset, warmup: int | None) -> xr.Dataset:
        """Run the field along a record, checked already, from the initial states that explain its first `warmup` samples best."""
        whole = on_one_clock(self.layout.as_fitted(ds))
        batch = encode(whole.record, self.layout, self.scaling)
        rows = torch.from_numpy(whole.rows)
        known = batch if warmup is None else batch.until(rows[:, min(warmup, rows.shape[1]) - 1])
        guess, precision = self.guess_initial(known), self._tensor(self.initial_precision)
        batch, known = batch.to(*self.place), known.to(*self.place)
        if self.start is not None:
            n = guess.shape[1] // 2
            guess[:, n:] = self._start_velocity(guess[:, :n])
            precision = torch.cat([precision[:n], torch.full_like(precision[n:], HELD)])
        stated = noise_levels(whole.record, self.layout.observed)[0] / self.scaling.scale[list(self.layout.index)]
        variance = self._tensor(np.where(stated > 0, stated, self.noise)).square().clamp(min=1e-12)
        visited = self._visited() if self.layout.latent else None
        initial = estimate_initial_states(self.field, known, self.layout.index, guess, precision, variance, self.max_step, visited)
        states = np.take_along_axis(self._run(initial, batch), whole.rows[..., None], axis=1)
        return decode(states, ds, self.layout, "predict")

    def _start_velocity(self, position: Tensor) -> Tensor:
        if self.start is None:
            return torch.zeros_like(position)
        with torch.no_grad():
            out: Tensor = self.start(position.new_zeros(()), position, position[:, :0])
        return out

    def guess_initial(self, batch: Batch) -> Tensor:
        """First guess of the initial states from a smoothing spline of the observations, which lie in main memory."""
        smoothed = smooth(batch.time.numpy(), batch.values.numpy())
        start = np.zeros((len(batch.time), len(self.layout.states)))
        value, slope = smoothed.value[:, 0], at_rest(smoothed.first, smoothed.value)[:, 0]
        start[:, list(self.layout.index)] = value
        known = np.concatenate([value, slope, np.ones((len(value), 1))], axis=1)
        latent = [self.layout.states.index(name) for name in self.layout.latent]
        start[:, latent] = known @ self.latent_map.T
        start[:, self.initial_precision == HELD] = 0.0  # augmented components that start at zero by definition
        return self._tensor(start)

    def _visited(self) -> Tensor:
        """Some states along the training record, scaled, the first one among them."""
        some = self.reference[:: -(-len(self.reference) // MOST_VISITED)]
        return self._tensor((some - self.scaling.mean) / self.scaling.scale)

    def simulate(self, initial_state: Mapping[str, ArrayLike], time: Array, inputs: Mapping[str, Any]) -> tuple[xr.Dataset, xr.Dataset]:
        """Run the field from given states, see `AbstractModel.simulate`; give the inputs' record as well."""
        start = self._complete(initial_state)
        coords = {"trajectory": np.arange(len(start)), "time": ("time", time, {"units": self.layout.time_units})}
        drive = driving_record(self.layout, inputs, coords)
        check_inputs(drive)
        whole = on_one_clock(drive)
        batch = encode(whole.record, replace(self.layout, observed=()), self.scaling).to(*self.place)
        scaled = self._tensor((start - self.scaling.mean) / self.scaling.scale)
        states = np.take_along_axis(self._run(scaled, batch), whole.rows[..., None], axis=1)
        return decode(states, xr.Dataset(coords=coords), self.layout, "simulate"), drive

    def _complete(self, initial_state: Mapping[str, ArrayLike]) -> Array:
        """Full initial states from those given; what is latent and not given takes its mean over the training record."""
        given = {str(name): _number(str(name), value) for name, value in initial_state.items()}
        unknown = [name for name in given if name not in self.layout.states]
        missing = [name for name in self.layout.observed if name not in given]
        if unknown or missing:
            wrong = f"{', '.join(unknown)} is no state of this model" if unknown else f"{', '.join(missing)} is missing"
            raise PhysodeError(f"initial state: {wrong}; its states are {', '.join(self.layout.states)}.")
        n = max(1, *(value.size for value in given.values()))
        for name, value in given.items():
            if value.ndim > 1 or len(value) not in (1, n):
                raise PhysodeError(
                    f"initial state: {name!r} has the shape {value.shape}; give one number, or one for each of the {n} trajectories."
                )
            if not np.isfinite(value).all():
                raise PhysodeError(f"initial state: {name!r} is {value[~np.isfinite(value)][0]}; give a finite number.")
        start = np.tile(self.reference.mean(0), (n, 1))
        for k, name in enumerate(self.layout.states):
            if name in given:
                start[:, k] = given[name]
            elif self.layout.attrs[name]["role"] == "velocity":
                half = len(self.layout.states) // 2
                position = (start[:, :half] - self.scaling.mean[:half]) / self.scaling.scale[:half]
                velocity = to_numpy(self._start_velocity(self._tensor(position)))
                start[:, k] = velocity[:, k - half] * self.scaling.scale[k]
        return start

    def _run(self, initial: Tensor, batch: Batch) -> Array:
        with torch.no_grad():
            states = self.solver.integrate(self.field, initial, batch.time, batch.inputs, self.max_step / FINER)
        with np.errstate(over="ignore"):  # of a run that is lost
            return from_there_on_missing(to_numpy(states) * self.scaling.scale + self.scaling.mean)


def _number(name: str, value: ArrayLike) -> Array:
    try:
        return np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise PhysodeError(f"initial state: {name!r} is {value!r}; give a finite number.") from error


def to_numpy(tensor: Tensor) -> Array:
    """float64 in main memory."""
    return np.asarray(tensor.cpu().numpy(), dtype=np.float64)
