"""From integrated states to a record: what was observed, with noise, beside the truth."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import PhysodeError, unknown_name
from physode.systems.checks import is_number
from physode.trajectories.provenance import provenance

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["Observation", "make_record"]

Array = NDArray[np.float64]
NOISE_MODELS = ("gaussian", "relative")


@dataclass(frozen=True)
class Observation:
    """Which states are observed, and with what noise.

    Parameters
    ----------
    observe : sequence of str, optional
        The observed states; None is all.
    noise : float or mapping of str to float
        Standard deviation, for all observed states or by state.
    noise_model : {"gaussian", "relative"}
        Whether `noise` is in the state's units or a fraction of the true state's standard deviation over the record.
    irregular : bool
        Whether each trajectory is observed at times of its own.
    missing : float
        Fraction of the observations that are missing.
    seed : int
        Seed.
    """

    observe: Sequence[str] | None = None
    noise: float | Mapping[str, float] = 0.0
    noise_model: str = "gaussian"
    irregular: bool = False
    missing: float = 0.0
    seed: int = 0

    def check(self, system: System) -> None:
        """Raise unless the names are states of `system` and the numbers make sense."""
        wanted = [*self.observe] if isinstance(self.observe, Collection) and not isinstance(self.observe, str) else []
        if self.observe is not None and (not wanted or len({*map(str, wanted)}) < len(wanted)):
            raise PhysodeError(
                f"observe must list one or more different states, found {self.observe!r}; the states are {', '.join(system.states)}."
            )
        if self.irregular not in (False, True):
            raise PhysodeError(f"irregular must be True or False, found {self.irregular!r}.")
        if not (is_number(self.missing) and 0 <= self.missing < 1):
            raise PhysodeError(f"missing must be a fraction of the observations, at least 0 and below 1, found {self.missing!r}.")
        if self.noise_model not in NOISE_MODELS:
            raise unknown_name("noise model", self.noise_model, NOISE_MODELS)
        given = self.noise if isinstance(self.noise, Mapping) else {}
        for name in (*wanted, *given):
            if name not in system.states:
                raise unknown_name(f"state of {system.name}", str(name), system.states)
        unseen = [name for name in given if name not in self.observed(system)]
        if unseen:
            raise PhysodeError(f"noise is given for {', '.join(unseen)}, which observe leaves out; observe it or give it no noise.")
        for name in self.observed(system):
            if not (is_number(self.standard_deviation(name)) and 0 <= self.standard_deviation(name) < np.inf):
                raise PhysodeError(
                    f"the noise of {name!r} must be a standard deviation of 0 or more, found {self.standard_deviation(name)!r}."
                )

    def times(self, times: Array, count: int) -> Array:
        """Return the output times: as they are, or drawn uniformly over the same span, one row per trajectory."""
        if not self.irregular:
            return times
        grid = np.broadcast_to(times, (count, times.shape[-1]))
        generator = np.random.default_rng([self.seed, 2])
        first, last = grid[:, :1], np.nanmax(grid, axis=1, keepdims=True)
        drawn = np.where(np.isnan(grid), np.nan, first + (last - first) * generator.uniform(size=grid.shape))
        drawn[:, :1] = first
        return np.sort(drawn, axis=1)

    def observed(self, system: System) -> tuple[str, ...]:
        """Return the observed states in the system's order."""
        return tuple(name for name in system.states if self.observe is None or name in self.observe)

    def standard_deviation(self, state: str) -> float:
        """Return the noise as it was given for one state."""
        return self.noise.get(state, 0.0) if isinstance(self.noise, Mapping) else self.noise

    def deviation(self, state: str, truth: Array) -> float:
        """Return the standard deviation of the noise in the state's units."""
        given = float(self.standard_deviation(state))
        return given * float(np.nanstd(truth)) if self.noise_model == "relative" and given else given

    def measure(self, truth: Array, deviation: float, index: int) -> Array:
        """Return what is observed of the true state number `index`."""
        values = truth
        if deviation:
            values = truth + np.random.default_rng([self.seed, 1, index]).normal(0.0, deviation, size=truth.shape)
        if self.missing:
            values = np.where(np.random.default_rng([self.seed, 3, index]).uniform(size=truth.shape) < self.missing, np.nan, values)
        return values


def make_record(
    system: System,
    times: Array,
    truth: Array,
    constants: Mapping[str, Array],
    inputs: Mapping[str, Array],
    observation: Observation,
    facts: Mapping[str, Any],
) -> xr.Dataset:
    """Make the record of schema ``physode/1``.

    Parameters
    ----------
    system : System
        What was simulated.
    times : ndarray, shape (time,) or (trajectory, obs)
        The times.
    truth : ndarray, shape (state, trajectory, time)
        The integrated states.
    constants : mapping of str to ndarray of shape () or (trajectory,)
        The parameters.
    inputs : mapping of str to ndarray of shape (trajectory, time)
        The inputs.
    observation : Observation
        What was observed.
    facts : mapping
        The solver's settings, for the attributes.

    Returns
    -------
    xarray.Dataset
    """
    dims = ("trajectory", "time" if times.ndim == 1 else "obs")
    observed = observation.observed(system)
    deviations = {name: observation.deviation(name, truth[system.states.index(name)]) for name in observed}
    noisy = any(deviations.values())
    variables: dict[str, Any] = {}
    for name in observed:
        index = system.states.index(name)
        variables[name] = (dims, observation.measure(truth[index], deviations[name], index), system.quantities[index].attrs())
    for forcing in system.forcing:
        attrs = {"units": forcing.units, "long_name": forcing.long_name or forcing.name, "role": "input"}
        variables[forcing.name] = (dims, inputs[forcing.name], attrs)
    if noisy or observation.missing or len(observed) < len(system.states):
        for index, state in enumerate(system.quantities):
            attrs = state.attrs() | {"role": "truth", "long_name": f"true {state.long_name or state.name}"}
            variables[f"{state.name}_true"] = (dims, truth[index], attrs)
    if noisy:
        for name in observed:
            state = system.quantity(name)
            attrs = {"units": state.units, "long_name": f"noise of {state.long_name or name}", "role": "noise"}
            variables[f"{name}_noise_std"] = ((), deviations[name], attrs)
    for constant in system.constants:
        attrs = {"units": constant.units, "long_name": constant.meaning or constant.name, "role": "parameter"}
        variables[constant.name] = (dims[: constants[constant.name].ndim], constants[constant.name], attrs)
    coords = {
        "trajectory": ("trajectory", np.arange(truth.shape[1]), {"long_name": "trajectory"}),
        "time": (dims[-times.ndim :], times, {"units": system.time_units, "long_name": "time"}),
    }
    settings = dict(observation.noise) if isinstance(observation.noise, Mapping) else observation.noise
    described: dict[str, Any] = {"noise": json.dumps(settings), "noise_model": observation.noise_model, "missing": observation.missing}
    described |= {"irregular": int(observation.irregular), "seed": observation.seed}
    return xr.Dataset(variables, coords, provenance(f"simulate {system.name}", system=system.name, **described, **facts))
