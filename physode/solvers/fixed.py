"""Solvers with fixed steps that pass through the observation times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.solvers.base import AbstractSolver
from physode.solvers.grid import step_grid
from physode.solvers.runge_kutta import Inputs, Tableau, integrate_runge_kutta
from physode.solvers.watch import look

__all__ = ["OneStepSolver", "RungeKuttaSolver"]

Step = Callable[[AbstractField, Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class RungeKuttaSolver(AbstractSolver):
    """An explicit Runge-Kutta method; the only kind that Gauss-Newton fits differentiate themselves."""

    tableau: Tableau

    def integrate(self, field: AbstractField, initial: Tensor, time: Tensor, inputs: Inputs, max_step: float) -> Tensor:
        """See `AbstractSolver.integrate`."""
        grid = step_grid(time, max_step)
        return grid.observed(integrate_runge_kutta(self.tableau, field, initial, grid, inputs).states)

    def sharpened(self, max_step: float, factor: float) -> tuple[AbstractSolver, float]:
        """See `AbstractSolver.sharpened`."""
        return self, max_step / factor


@dataclass(frozen=True)
class OneStepSolver(AbstractSolver):
    """Any other one-step method, given its step function and the nodes at which it needs the inputs."""

    step: Step
    nodes: tuple[float, ...]

    def integrate(self, field: AbstractField, initial: Tensor, time: Tensor, inputs: Inputs, max_step: float) -> Tensor:
        """See `AbstractSolver.integrate`."""
        grid = step_grid(time, max_step)
        nodes = torch.tensor(self.nodes, dtype=grid.step.dtype, device=initial.device)
        starts, step = grid.time[:, :-1], grid.step.to(initial.dtype)
        u = inputs(starts[..., None] + grid.step[..., None] * nodes, grid.middle)
        z, states = initial, [initial]
        for k in range(step.shape[1]):
            look()
            z = self.step(field, starts[:, k], z, u[:, k], step[:, k, None])
            states.append(z)
        return grid.observed(torch.stack(states, dim=1))

    def sharpened(self, max_step: float, factor: float) -> tuple[AbstractSolver, float]:
        """See `AbstractSolver.sharpened`."""
        return self, max_step / factor
