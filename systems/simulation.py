"""Truth from a system: what was asked for is checked, integrated by the method that was named, and made into a record."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physode.errors import PhysodeError, SimulationError, SimulationWarning, more_failed, unknown_name
from physode.systems.checks import is_number, whole_number
from physode.systems.dop853 import integrate_dop853
from physode.systems.forcing import Forcing, resolve_inputs
from physode.systems.gauss import integrate_gauss
from physode.systems.one_by_one import integrate_one_by_one
from physode.systems.outcome import Failure, Outcome
from physode.systems.records import Observation, make_record
from physode.systems.requests import check_initial_states, check_parameters, check_times

if TYPE_CHECKING:
    from physode.systems.base import System

__all__ = ["Observation", "Settings", "SimulationWarning", "simulate"]

Array = NDArray[np.float64]
METHODS = ("DOP853", "Radau", "BDF", "LSODA", "symplectic")
ON_FAILURE = ("missing", "raise")
_STEPS_PER_TIME_SCALE = 4


@dataclass(frozen=True)
class Settings:
    """How to integrate.

    Parameters
    ----------
    method : {"DOP853", "Radau", "BDF", "LSODA", "symplectic"}
        The method.
    rtol, atol : float
        Tolerances of the local error; the symplectic method has none.
    max_step : float, optional
        Longest step of the symplectic and the implicit methods.
    on_failure : {"missing", "raise"}
        What becomes of a trajectory that fails.
    """

    method: str = "DOP853"
    rtol: float = 1e-10
    atol: float = 1e-12
    max_step: float | None = None
    on_failure: str = "missing"

    def check(self) -> None:
        """Raise unless the options exist and the numbers make sense."""
        if self.method not in METHODS:
            raise unknown_name("method", self.method, METHODS)
        if self.on_failure not in ON_FAILURE:
            raise unknown_name("choice for on_failure", self.on_failure, ON_FAILURE)
        for name, value in (("rtol", self.rtol), ("atol", self.atol), ("max_step", 1.0 if self.max_step is None else self.max_step)):
            if not (is_number(value) and 0 < value < np.inf):
                raise PhysodeError(f"{name} must be a positive number, found {value!r}.")
        if self.rtol < 2.5e-14:
            raise PhysodeError(f"rtol must be at least 2.5e-14, a hundred times the spacing of float64 numbers, found {self.rtol:g}.")
        if self.max_step is not None and self.method == "DOP853":
            raise PhysodeError("DOP853 chooses its own steps; give rtol and atol instead of max_step.")


def simulate(
    system: System,
    time: ArrayLike,
    initial_states: Mapping[str, ArrayLike] | None,
    n_trajectories: int | None,
    parameters: Mapping[str, ArrayLike] | None,
    inputs: Mapping[str, Any] | None,
    observation: Observation,
    settings: Settings,
) -> xr.Dataset:
    """Integrate `system` and return the record; see :meth:`physode.systems.base.System.simulate`."""
    times = check_times(time)
    observation.check(system)
    observation = dataclasses.replace(observation, seed=whole_number("seed", observation.seed, 0))
    settings.check()
    rows = {"rows of time": len(times)} if times.ndim == 2 else {}
    constants = check_parameters(system, parameters)
    initial = check_initial_states(system, initial_states, n_trajectories, constants, observation.seed, rows)
    if system.parameter_sampler is not None and parameters is None:
        drawn = system.parameter_sampler(np.random.default_rng([observation.seed, 4]), len(initial))
        constants |= {name: np.asarray(value, dtype=np.float64) for name, value in drawn.items()}
    times = observation.times(times, len(initial))
    forcing = resolve_inputs(system, constants, inputs, times, len(initial))
    outcome = _integrate(system, forcing, times, initial, settings)
    facts: dict[str, Any] = {"solver": settings.method, "evaluations": outcome.evaluations, "max_step": settings.max_step}
    if settings.method != "symplectic":
        facts |= {"rtol": settings.rtol, "atol": settings.atol}
    if outcome.failures:
        facts["failures"] = _report(system, outcome.failures, settings)
    return make_record(system, times, outcome.states, constants, forcing.values(times, len(initial)), observation, facts)


def _integrate(system: System, forcing: Forcing, times: Array, initial: Array, settings: Settings) -> Outcome:
    if settings.method == "DOP853":
        return integrate_dop853(forcing.binder(), times, initial, settings.rtol, settings.atol, forcing.breaks)
    if settings.method == "symplectic":
        if not (system.conserves_energy or system.conserved):
            raise PhysodeError(f'{system.name} conserves nothing that a symplectic method could keep; use method="DOP853" or "Radau".')
        if times.ndim == 2:
            raise PhysodeError('the symplectic method needs equally spaced times, the same for all trajectories; use method="DOP853".')
        longest = settings.max_step if settings.max_step is not None else system.time_scale / _STEPS_PER_TIME_SCALE
        return integrate_gauss(forcing.binder(), times, initial, longest)
    longest = np.inf if settings.max_step is None else settings.max_step
    if forcing.breaks is not None:
        longest = min(longest, float(np.diff(forcing.breaks).min()))
    return integrate_one_by_one(
        forcing.binder(), forcing.jacobian_binder(), times, initial, settings.method, settings.rtol, settings.atol, longest
    )


def _report(system: System, failures: list[Failure], settings: Settings) -> str:
    """Warn of the failures, or raise; return them as JSON for the attributes."""
    first = failures[0]
    units = "" if system.time_units == "1" else f" {system.time_units}"
    more = more_failed([f.trajectory for f in failures[1:]])
    message = (
        f"trajectory {first.trajectory} of {system.name} could not be carried beyond time {first.time:.6g}{units}, where "
        f"{system.states[first.state]} is {first.value:.3g}: {first.reason}{more}. To go on, {first.remedy}."
    )
    if settings.on_failure == "raise":
        raise SimulationError(message)
    warnings.warn(f"{message} Its later values are missing.", SimulationWarning, stacklevel=4)
    return json.dumps([{"trajectory": f.trajectory, "time": f.time, "state": system.states[f.state], "reason": f.reason} for f in failures])
