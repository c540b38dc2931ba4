"""Exact derivatives of a Runge-Kutta trajectory by its initial state and by the parameters of the field.

The derivatives of every step are taken at once, since all states are known after the integration; only the product of
the small step matrices runs along time. This is forward sensitivity analysis of the discrete map (Hairer, Norsett & Wanner 1993, I.14).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from physode.solvers.grid import StepGrid
from physode.solvers.runge_kutta import Stages, Tableau

__all__ = ["step_derivatives", "trajectory_derivatives"]

Jacobians = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""`AbstractField.jacobians`, or anything like it."""


def step_derivatives(tableau: Tableau, jacobians: Jacobians, stages: Stages, grid: StepGrid) -> tuple[Tensor, Tensor]:
    """Differentiate each step's end by its start and by the parameters.

    Returns
    -------
    by_state : Tensor, shape (batch, steps, n_states, n_states)
    by_parameters : Tensor, shape (batch, steps, n_states, n_parameters)
    """
    batch, steps, n_stages, n = stages.inner.shape
    flat = batch * steps * n_stages
    a_field, b_field = jacobians(
        stages.time.reshape(flat), stages.inner.reshape(flat, n), stages.inputs.reshape(flat, stages.inputs.shape[-1])
    )
    a_field = a_field.view(batch * steps, n_stages, n, n)
    b_field = b_field.view(batch * steps, n_stages, n, b_field.shape[-1])
    h = grid.step.reshape(-1, 1, 1)
    slopes: list[Tensor] = []
    for i, row in enumerate(tableau.a):
        both = torch.cat([a_field[:, i], b_field[:, i]], dim=2)
        carried = None
        for a, slope in zip(row, slopes, strict=True):
            if a:
                carried = slope * a if carried is None else carried.add_(slope, alpha=a)
        slopes.append(both if carried is None else torch.baddbmm(both, a_field[:, i], carried.mul_(h)))
    total = sum(slope * b for b, slope in zip(tableau.b, slopes, strict=True) if b) * h
    total = total.view(batch, steps, n, total.shape[-1])
    eye = torch.eye(n, dtype=total.dtype, device=total.device)
    return total[..., :n] + eye, total[..., n:]


def trajectory_derivatives(tableau: Tableau, jacobians: Jacobians, stages: Stages, grid: StepGrid) -> tuple[Tensor, Tensor]:
    """Differentiate the state at each observation by the initial state and by the parameters.

    Returns
    -------
    by_initial : Tensor, shape (batch, observations, n_states, n_states)
    by_parameters : Tensor, shape (batch, observations, n_states, n_parameters)
    """
    step_state, step_parameters = step_derivatives(tableau, jacobians, stages, grid)
    batch, steps, n, n_parameters = step_parameters.shape
    flow = torch.eye(n, dtype=step_state.dtype, device=step_state.device).expand(batch, n, n)
    bent = step_parameters.new_zeros(batch, n, n_parameters)
    n_observations = grid.index.shape[1]
    by_initial = step_state.new_zeros(batch, n_observations, n, n)
    by_parameters = step_parameters.new_zeros(batch, n_observations, n, n_parameters)
    for k in range(steps + 1):
        who, which = torch.nonzero(grid.index == k, as_tuple=True)
        by_initial[who, which] = flow[who]
        by_parameters[who, which] = bent[who]
        if k < steps:
            flow = step_state[:, k] @ flow
            bent = torch.baddbmm(step_parameters[:, k], step_state[:, k], bent)
    return by_initial, by_parameters
