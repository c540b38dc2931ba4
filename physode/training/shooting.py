"""Residuals of integrated trajectories: (multiple) shooting."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from physode.fields.base import AbstractField
from physode.solvers.grid import StepGrid, step_grid
from physode.solvers.runge_kutta import Stages, Tableau, integrate_runge_kutta
from physode.solvers.sensitivity import trajectory_derivatives
from physode.training.batch import Batch
from physode.training.problem import AbstractProblem, NormalEquations

__all__ = ["InitialPrior", "ShootingProblem"]

CHUNK = 1_000_000
"""Numbers in one block of stage derivatives: windows are linearised in blocks of this size, so that memory stays bounded."""


@dataclass(frozen=True)
class InitialPrior:
    """Independent normal distributions of initial states, in scaled units.

    Attributes
    ----------
    mean : Tensor, shape (batch, n_states)
    precision : Tensor, shape (batch, n_states)
        1 / variance; a very large number holds a component at its mean.
    """

    mean: Tensor
    precision: Tensor


@dataclass
class ShootingProblem(AbstractProblem):
    """Integrated states minus measurements.

    Parameters
    ----------
    vector_field : AbstractField
        Its parameters are overwritten by each theta that is tried.
    batch : Batch
    observed : tuple of int
        Components of the state that `batch.values` measures, in its order.
    prior : InitialPrior
    tableau : Tableau
    max_step : float
        Largest step, in scaled time.
    """

    vector_field: AbstractField
    batch: Batch
    observed: tuple[int, ...]
    prior: InitialPrior
    tableau: Tableau
    max_step: float
    n_evaluations: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.mask = self.batch.values.isfinite()
        self.root, self.target = self.batch.root, self.batch.values.nan_to_num(0.0)
        self.counts = self.mask.sum((0, 1)).to(self.target.dtype)
        self.initial_precision = self.prior.precision
        self._last: tuple[Tensor, Tensor, Stages] | None = None
        self.grid = step_grid(self.batch.time, self.max_step)

    def roll_out(self, theta: Tensor, initial: Tensor) -> Tensor:
        """States at the observation times, shape (batch, observations, n_states)."""
        return self._at_observations(self._integrate(theta, initial), self.grid)

    def squares(self, theta: Tensor, initial: Tensor) -> Tensor:
        """See `AbstractProblem.squares`."""
        self.n_evaluations += self.grid.step.shape[1] * len(self.tableau.b)
        stages = self._integrate(theta, initial)
        self._last = (theta, initial, stages)
        residual = self._residual(self._at_observations(stages, self.grid), slice(None))
        total = residual.square().sum((0, 1))
        return total if bool(total.isfinite().all()) else torch.full_like(total, torch.inf)

    def prior_cost(self, initial: Tensor) -> Tensor:
        """See `AbstractProblem.prior_cost`."""
        return (self.prior.precision * (initial - self.prior.mean).square()).sum()

    def normal_equations(self, theta: Tensor, initial: Tensor, weight: Tensor) -> NormalEquations:
        """See `AbstractProblem.normal_equations`."""
        n_windows, n = initial.shape
        last = self._last
        stages = last[2] if last and last[0] is theta and last[1] is initial else self._integrate(theta, initial)
        vector_to_parameters(theta, self.vector_field.parameters())
        per_window = max(1, self.grid.step.shape[1] * len(self.tableau.b) * n * len(theta))
        size = max(1, CHUNK // per_window)
        parts = [self._block(stages, initial, weight, slice(a, a + size)) for a in range(0, n_windows, size)]
        self.n_evaluations += self.grid.step.shape[1] * len(self.tableau.b)
        return NormalEquations(
            torch.stack([p.hessian for p in parts]).sum(0),
            torch.stack([p.gradient for p in parts]).sum(0),
            torch.cat([p.initial_hessian for p in parts]),
            torch.cat([p.initial_gradient for p in parts]),
            torch.cat([p.mixed for p in parts]),
        )

    def _block(self, stages: Stages, initial: Tensor, weight: Tensor, rows: slice) -> NormalEquations:
        grid = self._grid(rows)
        stages = Stages(stages.states[rows], stages.inner[rows], stages.time[rows], stages.inputs[rows])
        by_initial, by_parameters = trajectory_derivatives(self.tableau, self.vector_field.jacobians, stages, grid)
        root = (weight.sqrt() * self.root[rows])[..., None]
        observed = list(self.observed)
        a = (by_initial[:, :, observed] * root).flatten(1, 2)
        b = (by_parameters[:, :, observed] * root).flatten(1, 2)
        r = (self._residual(self._at_observations(stages, grid), rows) * weight.sqrt()).flatten(1)
        precision = self.prior.precision[rows]
        flat = b.flatten(0, 1)
        return NormalEquations(
            flat.T @ flat,
            flat.T @ r.flatten(),
            a.mT @ a + torch.diag_embed(precision),
            torch.einsum("wri,wr->wi", a, r) + precision * (initial[rows] - self.prior.mean[rows]),
            a.mT @ b,
        )

    def _grid(self, rows: slice) -> StepGrid:
        return StepGrid(self.grid.start[rows], self.grid.step[rows], self.grid.index[rows])

    def _integrate(self, theta: Tensor, initial: Tensor) -> Stages:
        vector_to_parameters(theta, self.vector_field.parameters())
        return integrate_runge_kutta(self.tableau, self.vector_field, initial, self.grid, self.batch.inputs)

    def _residual(self, states: Tensor, rows: slice) -> Tensor:
        return torch.where(self.mask[rows], (states[..., list(self.observed)] - self.target[rows]) * self.root[rows], 0.0)

    @staticmethod
    def _at_observations(stages: Stages, grid: StepGrid) -> Tensor:
        index = grid.index[..., None].expand(-1, -1, stages.states.shape[-1])
        return stages.states.gather(1, index)
