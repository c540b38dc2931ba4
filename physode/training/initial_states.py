"""The initial state of a record that a fitted field explains best: what is not measured is estimated, the field stays as it is."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.solvers.grid import step_grid
from physode.solvers.linear import solve
from physode.solvers.rollout_solver import run_by_hand
from physode.solvers.runge_kutta import RUNGE_KUTTA, Stages
from physode.solvers.sensitivity import trajectory_derivatives
from physode.training.batch import Batch

__all__ = ["estimate_initial_states", "refine_initial_states"]

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
TINY = 1e-12


@torch.no_grad()
def estimate_initial_states(
    field: AbstractField,
    batch: Batch,
    observed: tuple[int, ...],
    guess: Tensor,
    precision: Tensor,
    variance: Tensor,
    max_step: float,
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

    Returns
    -------
    Tensor, shape (batch, n_states)

    Notes
    -----
    Growing stretches keep an oscillating record from trapping the estimate in a wrong phase. A stretch that the field cannot
    follow (a chaotic one, say) is given up for that trajectory, and its last estimate is kept. They end where all motions have forgotten
    their start, as damped and driven ones do.
    """
    count = batch.values.isfinite().any(-1).sum(1)
    most = int(count.max())
    length, initial = min(FEWEST, most), guess
    while True:
        stretch = batch.first(length)
        initial, flow = refine_initial_states(field, stretch, observed, initial, guess, precision, variance, max_step, sure=QUIET)
        going_on = batch.time[:, length:].isfinite().any(1) & ~(flow.abs().amax((-2, -1)) < FORGOTTEN)
        if not bool(going_on.any()):
            return initial
        length = min(length * FACTOR, batch.time.shape[1])


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
) -> tuple[Tensor, Tensor]:
    """Levenberg-Marquardt on every trajectory at once, each with its own damping.

    Parameters and result are those of `estimate_initial_states`; `precision` may also be given for each trajectory. With a stacked field
    the states, and the values of the batch, have a leading dimension of members, and `variance` has the shape (members, 1, 1, n_observed).
    A step that promises less than the share `sure` of a trajectory's cost is taken untried, as its last. What the last states change by
    the initial ones, shape (..., batch, n_states, n_states), is given as well.
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
    return initial, by_initial[..., -1, :, :]
