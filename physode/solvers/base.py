"""What every solver offers: states at the observation times, differentiable by torch."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from physode.fields.base import AbstractField
from physode.solvers.runge_kutta import Inputs

__all__ = ["AbstractSolver"]


class AbstractSolver(ABC):
    """Integrates a batch of trajectories, each at its own times."""

    @abstractmethod
    def integrate(self, field: AbstractField, initial: Tensor, time: Tensor, inputs: Inputs, max_step: float) -> Tensor:
        """Integrate from the first time of each trajectory.

        Parameters
        ----------
        field : AbstractField
        initial : Tensor, shape (batch, n_states)
        time : Tensor, shape (batch, observations)
            Increasing; NaN only at the end.
        inputs : callable
            u(t).
        max_step : float
            Largest step of a fixed-step method; adaptive methods choose their own.

        Returns
        -------
        Tensor, shape (batch, observations, n_states)
            The first entry is `initial`; where the time is NaN the last state is repeated.
        """

    @abstractmethod
    def sharpened(self, max_step: float, factor: float) -> tuple[AbstractSolver, float]:
        """Give the solver and largest step, so many times finer, that this one's error is measured against."""
