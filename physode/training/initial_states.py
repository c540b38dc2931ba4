"""The initial state of a record that a fitted field explains best: what is not measured is estimated, the field stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.solvers.grid import step_grid
from physode.solvers.linear import solve
from physode.solvers.rollout_solver import run_by_hand
from physode.solvers.runge_kutta import RUNGE_KUTTA, Stages
from physode.solvers.sensitivity import trajectory_derivatives
from physode.training.batch import Batch

__all__ = ["Refined", "estimate_initial_states", "refine_initial_states"]

ITERATIONS = 15
"""Most tries on one stretch of a record."""
FEWEST, FACTOR = 4, 3
"""Observations of the first stretch, and the factor by which stretches grow."""
FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING, CHANGE = 1e-3, 1e-10, 1e10, 5.0
"""Damping of a trajectory at first, its bounds, and the factor by which a step changes it."""
QUIET = 1e-5
"""Share of the cost below which a trajectory's gain ends its tries."""
FORGOTTEN = 1e-6
"""Change of a state by one of its initial state below which the observations after it say nothing of that."""
POOR = 4.0
"""Mean squared residual, in noise variances, above which an estimate is started again from a state of the training record."""
TINY = 1e-12


@dataclass(frozen=True)
class Refined:
    """Initial states that a search ended with.

    Attributes
    ----------
    initial : Tensor, shape (..., batch, n_states)
    cost : Tensor, shape (..., batch)
        Weighted squares of the residuals, and of the distance from the prior's mean; of the last state that was tried.
    flow : Tensor, shape (..., batch, n_states, n_states)
        What the last states change by the initial ones.
    """

    initial: Tensor
    cost: Tensor
    flow: Tensor


@torch.no_grad()
def estimate_initial_states(
    field: AbstractField,
    batch: Batch,
    observed: tuple[int, ...],
    guess: Tensor,
    precision: Tensor,
    variance: Tensor,
    max_step: float,
    visited: Tensor | None = None,
) -> Tensor:
    """Fit the initial state of each trajectory on its own, to more and more of its observations.

    Parameters
    ----------
    field : AbstractField
    batch : Batch
        All its observations are used.
    observed : tuple of int
        Components of the state that the batch measures.
    guess : Tensor, shape (batch, n_states)
        Start, and mean of the prior.
    precision : Tensor, shape (n_states,)
        Precision of the prior.
    variance : Tensor, shape (n_observed,)
        Noise variance of each observed state.
    max_step : float
        Largest integration step, scaled time.
    visited : Tensor, shape (n, n_states), optional
        States that the fitted field went through. Trajectories that are followed poorly are started again from the closest of them.

    Returns
    -------
    Tensor, shape (batch, n_states)

    Notes
    -----
    Growing stretches keep an oscillating record from trapping the estimate in a wrong phase. A stretch that the field cannot
    follow (a chaotic one, say) is given up for that trajectory, and its last estimate is kept. They end where all motions have forgotten
    their start, as damped and driven ones do. Where short stretches determine little, they can lead the estimate away from a good start:
    a second one is fitted to the longest stretch at once, and the estimate of lower cost is kept.
    """
    count = batch.values.isfinite().any(-1).sum(1)
    most = int(count.max())
    length, initial = min(FEWEST, most), guess
    while True:
        stretch = batch.first(length)
        found = refine_initial_states(field, stretch, observed, initial, guess, precision, variance, max_step, sure=QUIET)
        initial = found.initial
        going_on = batch.time[:, length:].isfinite().any(1) & ~(found.flow.abs().amax((-2, -1)) < FORGOTTEN)
        if not bool(going_on.any()):
            break
        length = min(length * FACTOR, batch.time.shape[1])
    poor = torch.nonzero(found.cost > POOR * stretch.mask.sum((1, 2)))[:, 0]
    if visited is None or not len(poor):
        return initial
    mean = guess[poor]
    start = _closest(mean, visited, observed)
    again = refine_initial_states(field, stretch.choose(poor), observed, start, mean, precision, variance, max_step, sure=QUIET)
    return initial.index_put((poor,), torch.where((again.cost < found.cost[poor])[:, None], again.initial, initial[poor]))


def _closest(guess: Tensor, visited: Tensor, observed: tuple[int, ...]) -> Tensor:
    """The visited state that is closest to each guess, shape (batch, n_states); a far guess of what is not observed tells nothing."""
    unit = visited.std(0, correction=0).clamp(min=torch.finfo(visited.dtype).eps)
    squares = ((guess[:, None] - visited) / unit).square()
    most = torch.ones_like(unit).index_fill(0, torch.tensor(observed, device=unit.device), torch.inf)
    return visited[squares.minimum(most).sum(2).argmin(1)]


@torch.no_grad()
def refine_initial_states(
    field: AbstractField,
    batch: Batch,
    observed: tuple[int, ...],
    initial: Tensor,
    mean: Tensor,
    precision: Tensor,
    variance: Tensor,
    max_step: float,
    *,
    sure: float = 0.0,
) -> Refined:
    """Levenberg-Marquardt on every trajectory at once, each with its own damping.

    Parameters are those of `estimate_initial_states`; `precision` may also be given for each trajectory. With a stacked field
    the states, and the values of the batch, have a leading dimension of members, and `variance` has the shape (members, 1, 1, n_observed).
    A step that promises less than the share `sure` of a trajectory's cost is taken untried, as its last.
    """
    tableau = RUNGE_KUTTA["rk4"]
    grid = step_grid(batch.time, max_step)
    mask, target, weight = batch.mask, batch.values.nan_to_num(0.0), batch.root / variance.sqrt()
    columns = list(observed)

    def attempt(start: Tensor) -> tuple[Stages, Tensor, Tensor]:
        """All stages, weighted residuals, and the cost of each trajectory."""
        stages = run_by_hand(tableau, field, start, grid, batch.inputs)
        residual = torch.where(mask, (grid.observed(stages.states)[..., columns] - target) * weight, 0.0)
        cost = residual.square().sum((-2, -1)) + (precision * (start - mean).square()).sum(-1)
        return stages, residual, cost.nan_to_num(torch.inf)

    stages, residual, cost = attempt(initial)
    damping, going = torch.full_like(cost, FIRST_DAMPING), torch.ones_like(cost, dtype=torch.bool)
    for _ in range(ITERATIONS):
        by_initial, _ = trajectory_derivatives(tableau, field, stages, grid, by_parameters=False)
        jacobian = (by_initial[..., columns, :] * weight[..., None]).flatten(-3, -2).nan_to_num(0.0)
        hessian = jacobian.mT @ jacobian + torch.diag_embed(precision)
        gradient = (jacobian.mT @ residual.flatten(-2).nan_to_num(0.0)[..., None])[..., 0] + precision * (initial - mean)
        diagonal = torch.diag_embed(damping[..., None] * hessian.diagonal(dim1=-2, dim2=-1) + TINY)
        step = solve(hessian + diagonal, gradient[..., None])[..., 0]
        trial = initial - step
        last = going & cost.isfinite() & ((gradient * step).sum(-1) < sure * cost)
        initial, going = torch.where(last[..., None], trial, initial), going & ~last
        if not bool(going.any()):
            break
        new_stages, new_residual, new_cost = attempt(trial)
        better = (new_cost < cost) & going  # one that is done stays, however long another takes
        gain = torch.where(better, 1 - new_cost / cost.clamp(min=torch.finfo(cost.dtype).tiny), 0.0)
        initial = torch.where(better[..., None], trial, initial)
        stages = replace(
            stages,
            states=torch.where(better[..., None, None], new_stages.states, stages.states),
            inner=torch.where(better[..., None, None, None], new_stages.inner, stages.inner),
        )
        residual = torch.where(better[..., None, None], new_residual, residual)
        cost = torch.where(better, new_cost, cost)
        damping = torch.where(better, damping / CHANGE, damping * CHANGE).clamp(LEAST_DAMPING, MOST_DAMPING)
        going &= (gain >= QUIET) | ((damping < 1.0) & ~better)
        if not bool(going.any()):
            break
    return Refined(initial, cost, by_initial[..., -1, :, :])
