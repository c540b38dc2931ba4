"""From integrated states to a record: what was observed, with noise, beside the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physode.errors import PhysodeError, unknown_name
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
    seed : int
        Seed.
    """

    observe: Sequence[str] | None = None
    noise: float | Mapping[str, float] = 0.0
    noise_model: str = "gaussian"
    seed: int = 0

    def check(self, system: System) -> None:
        """Raise unless the names are states of `system` and the numbers make sense."""
        if isinstance(self.observe, str) or (self.observe is not None and (not self.observe or len(set(self.observe)) < len(self.observe))):
            raise PhysodeError(
                f"observe must list one or more different states, found {self.observe!r}; the states are {', '.join(system.states)}."
            )
        if self.noise_model not in NOISE_MODELS:
            raise unknown_name("noise model", self.noise_model, NOISE_MODELS)
        given = self.noise if isinstance(self.noise, Mapping) else {}
        for name in (*(self.observe or ()), *given):
            if name not in system.states:
                raise unknown_name(f"state of {system.name}", str(name), system.states)
        unseen = [name for name in given if name not in self.observed(system)]
        if unseen:
            raise PhysodeError(f"noise is given for {', '.join(unseen)}, which observe leaves out; observe it or give it no noise.")
        for name in self.observed(system):
            if not (np.isscalar(self.standard_deviation(name)) and 0 <= self.standard_deviation(name) < np.inf):
                raise PhysodeError(
                    f"the noise of {name!r} must be a standard deviation of 0 or more, found {self.standard_deviation(name)!r}."
                )

    def observed(self, system: System) -> tuple[str, ...]:
        """Return the observed states in the system's order."""
        return tuple(name for name in system.states if self.observe is None or name in self.observe)

    def standard_deviation(self, state: str) -> float:
        """Return the noise as it was given for one state."""
        return self.noise.get(state, 0.0) if isinstance(self.noise, Mapping) else self.noise


def make_record(
    system: System,
    times: Array,
    truth: Array,
    constants: Mapping[str, Array],
    observation: Observation,
    solver: Mapping[str, Any],
) -> xr.Dataset:
    """Make the record of schema ``physode/1``.

    Parameters
    ----------
    system : System
        What was simulated.
    times : ndarray, shape (time,)
        The times.
    truth : ndarray, shape (trajectory, time, state)
        The integrated states.
    constants : mapping of str to ndarray of shape () or (trajectory,)
        The parameters.
    observation : Observation
        What was observed.
    solver : mapping
        The solver's settings, for the attributes.

    Returns
    -------
    xarray.Dataset
    """
    dims = ("trajectory", "time")
    observed = observation.observed(system)
    deviations = {name: _deviation(observation, name, truth[..., system.states.index(name)]) for name in observed}
    noisy = any(deviations.values())
    variables: dict[str, Any] = {}
    for name in observed:
        index = system.states.index(name)
        values = truth[..., index]
        if deviations[name]:
            generator = np.random.default_rng([observation.seed, 1, index])
            values = values + generator.normal(0.0, deviations[name], size=values.shape)
        variables[name] = (dims, values, system.quantities[index].attrs())
    if noisy or len(observed) < len(system.states):
        for index, state in enumerate(system.quantities):
            attrs = state.attrs() | {"role": "truth", "long_name": f"true {state.long_name or state.name}"}
            variables[f"{state.name}_true"] = (dims, truth[..., index], attrs)
    if noisy:
        for name in observed:
            state = system.quantity(name)
            attrs = {"units": state.units, "long_name": f"noise of {state.long_name or name}", "role": "noise"}
            variables[f"{name}_noise_std"] = ((), deviations[name], attrs)
    for constant in system.constants:
        attrs = {"units": constant.units, "long_name": constant.meaning or constant.name, "role": "parameter"}
        variables[constant.name] = (dims[: constants[constant.name].ndim], constants[constant.name], attrs)
    coords = {
        "trajectory": ("trajectory", np.arange(len(truth)), {"long_name": "trajectory"}),
        "time": ("time", times, {"units": system.time_units, "long_name": "time"}),
    }
    settings = dict(observation.noise) if isinstance(observation.noise, Mapping) else observation.noise
    facts = {"system": system.name, "seed": observation.seed, **solver}
    facts |= {"noise": json.dumps(settings), "noise_model": observation.noise_model}
    return xr.Dataset(variables, coords, provenance(f"simulate {system.name}", **facts))


def _deviation(observation: Observation, name: str, truth: Array) -> float:
    given = float(observation.standard_deviation(name))
    return given * float(truth.std()) if observation.noise_model == "relative" else given
