"""Exact derivatives of a Runge-Kutta trajectory by its initial state and by the parameters of the field.

The derivatives of every step are taken at once, since all states are known after the integration; only the product of
the small step matrices runs along time. This is forward sensitivity analysis of the discrete map (Hairer, Norsett & Wanner 1993, I.14).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.solvers.grid import StepGrid
from physode.solvers.runge_kutta import Stages, Tableau

__all__ = ["trajectory_derivatives"]


def _step_derivatives(tableau: Tableau, field: AbstractField, stages: Stages, grid: StepGrid, *, by_parameters: bool) -> Tensor:
    """Differentiate what each step adds to the state, by the state at its start and by the parameters; (...) is nothing, or members.

    What a step adds is first differentiated by the slopes of its stages, from the last one back: these are small matrices. All that
    is as wide as the parameters is then one sum of products.

    Returns
    -------
    Tensor, shape (..., batch, steps, n_states, n_states + n_parameters)
        Without parameters, if they are not wanted.
    """
    *lead, n_stages, n = stages.inner.shape
    u = stages.inputs.expand(*lead[:-2], *stages.inputs.shape)
    by_state = field.state_jacobian(stages.time.flatten(), stages.inner.flatten(-4, -2), u.flatten(-4, -2)).detach()
    by_state = by_state.view(*lead, n_stages, n, n)
    h = grid.step.to(by_state.dtype)[..., None, None]
    unit = torch.eye(n, dtype=by_state.dtype, device=by_state.device).expand(*lead, n, n)
    slopes: list[Tensor] = []  # what a step adds, differentiated by the slope of a stage, the last stage first
    through: list[Tensor] = []  # and by the state of that stage
    for i in range(n_stages - 1, -1, -1):
        later = [tableau.a[j][i] for j in range(n_stages - 1, i, -1)]
        slope = h * tableau.b[i] * unit
        for a, path in zip(later, through, strict=True):
            if a:
                slope = slope + (h * a) * path
        slopes.append(slope)
        through.append(slope @ by_state[..., i, :, :])
    by_start = torch.stack(through).sum(0)
    if not by_parameters:
        return by_start
    cotangents = torch.stack(slopes[::-1], dim=-3)
    flat = (stages.time.flatten(0, 1), stages.inner.flatten(-4, -3), u.flatten(-4, -3), cotangents.flatten(-5, -4))
    return torch.cat([by_start, field.pull_back(*flat).view(*lead, n, field.n_parameters)], dim=-1)


def trajectory_derivatives(
    tableau: Tableau, field: AbstractField, stages: Stages, grid: StepGrid, *, by_parameters: bool = True
) -> tuple[Tensor, Tensor]:
    """Differentiate the state at each observation by the initial state and by the parameters.

    Returns
    -------
    by_initial : Tensor, shape (..., batch, observations, n_states, n_states)
    by_parameters : Tensor, shape (..., batch, observations, n_states, n_parameters)
        Of no parameters, if they are not wanted.
    """
    added = _step_derivatives(tableau, field, stages, grid, by_parameters=by_parameters)
    *lead, steps, n, width = added.shape
    flat = added.view(math.prod(lead), steps, n, width)
    eye = torch.eye(n, dtype=added.dtype, device=added.device)
    turns = (flat[..., :n] + eye).unbind(1)
    flat[..., :n] = 0.0  # the derivative by the initial state is carried along beside that by the parameters, and nothing is added to it
    reached = flat.new_zeros(len(flat), n, width)
    reached[..., :n] = eye
    nodes = [reached]
    for turn, own in zip(turns, flat.unbind(1), strict=True):
        reached = torch.baddbmm(own, turn, reached)
        nodes.append(reached)
    whole = torch.stack(nodes, dim=1).view(*lead, steps + 1, n * width)
    out = grid.observed(whole)
    out = out.view(*out.shape[:-1], n, width)
    return out[..., :n], out[..., n:]
