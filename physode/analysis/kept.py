"""What a Lyapunov run does to conserved quantities: solvers without symmetry let them drift, and the chaos with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol, runtime_checkable

import numpy as np

from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.tangents import TangentStepper

__all__ = ["Kept", "step_that_keeps"]

_ALLOWED: Final = 0.01  # drift over the whole run, in spreads of the quantity over the initial states that the dynamics draw
_PROBE: Final = 40.0  # time scales over which the drift is measured: trajectories must meet what lies ahead, and swings are no drift
_MOST: Final = 32  # states that are looked at
_SHORTEST: Final = 1e-3  # of the time scale


@runtime_checkable
class _Conserving(Protocol):
    @property
    def invariants(self) -> Mapping[str, Callable[[Array], Array]]: ...


class Kept:
    """The conserved quantities of some dynamics, each over its spread; none for dynamics that declare none.

    Parameters
    ----------
    dynamics : Dynamics
        A System declares ``invariants``.
    """

    def __init__(self, dynamics: Dynamics) -> None:
        declared = dynamics.invariants if isinstance(dynamics, _Conserving) else {}
        states = np.asarray(dynamics.sample_states(256, 0)) if declared else np.empty((0, len(dynamics.states)))
        self._scaled = []
        for function in declared.values():
            found = function(states)
            spread = float(np.std(found))
            if spread > 1e-9 * float(np.abs(found).max(initial=0.0)):  # else all states have the same, such as a centre of mass at rest
                self._scaled.append((function, spread))

    def __bool__(self) -> bool:
        return bool(self._scaled)

    def drift(self, before: Array, after: Array) -> float:
        """Largest of the mean changes between states (trajectory, state), in spreads; NaN if nothing is kept."""
        changes = [float(np.nanmean(np.abs(function(after) - function(before)))) / spread for function, spread in self._scaled]
        return max(changes, default=float("nan"))


def step_that_keeps(dynamics: Dynamics, states: Array, step: float, duration: float) -> float:
    """Shorten a step until no conserved quantity drifts by more than 1 % of its spread over a run.

    Parameters
    ----------
    dynamics : Dynamics
        The vector field.
    states : ndarray, shape (batch, state)
        Where to look.
    step : float
        The longest step.
    duration : float
        Of the run.

    Returns
    -------
    float
        The step itself if the dynamics declare nothing that they conserve.
    """
    kept, states = Kept(dynamics), states[-_MOST:]
    while kept and step > _SHORTEST * dynamics.time_scale:
        stepper = TangentStepper(dynamics, states, np.empty((len(states), 0, states.shape[1])))
        n_steps = max(1, round(min(_PROBE * dynamics.time_scale, duration) / step))
        stepper.advance(step, n_steps)
        drift = kept.drift(states, stepper.states) * duration / (n_steps * step)
        if drift <= _ALLOWED:
            break
        step *= max(0.2, min(0.9, 0.95 * (_ALLOWED / drift) ** 0.25))  # of order four: the drift per time falls with its fourth power
    return step
