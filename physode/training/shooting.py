"""Residuals of integrated trajectories: (multiple) shooting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.fields.members import set_theta
from physode.solvers.grid import step_grid
from physode.solvers.runge_kutta import Stages, Tableau, integrate_runge_kutta
from physode.solvers.sensitivity import trajectory_derivatives
from physode.training.batch import Batch
from physode.training.problem import AbstractProblem, Evaluation, Linearised

__all__ = ["InitialPrior", "ShootingProblem"]

CHUNK = 1_000_000
"""Numbers in one block of step derivatives: windows are linearised in blocks of this size, so that memory stays bounded."""


@dataclass(frozen=True)
class InitialPrior:
    """Independent normal distributions of initial states, in scaled units.

    Attributes
    ----------
    mean : Tensor, shape (members, batch, n_states)
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
        Stacked (`physode.fields.members`); its parameters are overwritten by each theta that is tried.
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
        self.mask, self.root = self.batch.mask, self.batch.root
        self.target = self.batch.of_members.nan_to_num(0.0)
        self.counts = self.mask.sum((0, 1)).to(self.target.dtype)
        self.n_rows = self.mask.numel()
        self.grid = step_grid(self.batch.time, self.max_step)

    def evaluate(self, theta: Tensor, initial: Tensor, members: Tensor) -> Evaluation:
        """See `AbstractProblem.evaluate`; the path is the states at the grid points and those in between."""
        self.n_evaluations += self._evaluations
        set_theta(self.vector_field, theta)
        stages = integrate_runge_kutta(self.tableau, self.vector_field, initial, self.grid, self.batch.inputs)
        self._time, self._inputs = stages.time, stages.inputs  # the same at every point
        total = self._residual(stages.states, members, slice(None)).square().sum((1, 2))
        sound = total.isfinite().all(1, keepdim=True)
        return Evaluation(torch.where(sound, total, torch.inf), (stages.states, stages.inner))

    def weighted(self, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Tensor:
        """See `AbstractProblem.weighted`."""
        return self._weighted(path[0], weight, members, slice(None))

    def prior_cost(self, initial: Tensor, members: Tensor) -> Tensor:
        """See `AbstractProblem.prior_cost`."""
        return (self.prior.precision * (initial - self.prior.mean[members]).square()).sum((1, 2))

    def linearise(self, theta: Tensor, initial: Tensor, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Iterator[Linearised]:
        """See `AbstractProblem.linearise`."""
        n_windows, n = initial.shape[1:]
        set_theta(self.vector_field, theta)
        self.n_evaluations += self._evaluations
        size = max(1, CHUNK // (self.grid.step.shape[1] * n * theta.numel() + 1))
        for start in range(0, n_windows, size):
            yield self._block(path, initial, weight, members, slice(start, start + size))

    @property
    def _evaluations(self) -> int:
        """Evaluations of the field in one integration."""
        return max(1, self.grid.step.shape[1] * len(self.tableau.b))

    def _block(self, path: tuple[Tensor, ...], initial: Tensor, weight: Tensor, members: Tensor, rows: slice) -> Linearised:
        states, inner = (part[:, rows] for part in path)
        stages, grid = Stages(states, inner, self._time[rows], self._inputs[rows]), self.grid.take(rows)
        by_initial, by_parameters = trajectory_derivatives(self.tableau, self.vector_field, stages, grid)
        if self.observed != tuple(range(states.shape[-1])):
            observed = list(self.observed)
            by_initial, by_parameters = by_initial[..., observed, :], by_parameters[..., observed, :]
        root = (weight.sqrt()[:, None, None] * self.root[rows])[..., None]
        pull = self.prior.precision[rows] * (initial[:, rows] - self.prior.mean[:, rows][members])
        precision = self.prior.precision[rows].expand_as(pull).contiguous()
        residual = self._weighted(states, weight, members, rows)
        by_initial, by_parameters = (torch.mul(part, root, out=part.new_empty(part.shape)) for part in (by_initial, by_parameters))
        return Linearised(residual, by_initial.flatten(2, 3), by_parameters.flatten(2, 3), precision, pull)

    def _weighted(self, states: Tensor, weight: Tensor, members: Tensor, rows: slice) -> Tensor:
        return (self._residual(states, members, rows) * weight.sqrt()[:, None, None]).flatten(2)

    def _residual(self, states: Tensor, members: Tensor, rows: slice) -> Tensor:
        """Integrated states, at all grid points, minus measurements; zero where there is none."""
        target = self.target[:, rows]
        if len(target) > 1:
            target = target[members]
        reached = self.grid.take(rows).observed(states)[..., list(self.observed)]
        return torch.where(self.mask[rows], (reached - target) * self.root[rows], 0.0)
