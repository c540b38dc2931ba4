"""Exact derivatives of a Runge-Kutta trajectory by its initial state and by the parameters of the field.

The derivatives of every step are taken at once, since all states are known after the integration; only the product of
the small step matrices runs along time. This is forward sensitivity analysis of the discrete map (Hairer, Norsett & Wanner 1993, I.14).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from physode.solvers.grid import StepGrid
from physode.solvers.runge_kutta import Stages, Tableau

__all__ = ["trajectory_derivatives"]

Jacobians = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`AbstractField.jacobians`, or anything like it."""


def _step_derivatives(tableau: Tableau, jacobians: Jacobians, stages: Stages, grid: StepGrid) -> Tensor:
    """Differentiate what each step adds to the state, by the state at its start and by the parameters; (...) is nothing, or members.

    Returns
    -------
    Tensor, shape (..., batch, steps, n_states, n_states + n_parameters)
    """
    *lead, n_stages, n = stages.inner.shape
    members, count = lead[:-2], math.prod(lead)
    u = stages.inputs.expand(*members, *stages.inputs.shape).flatten(-4, -2)
    both = jacobians(stages.time.flatten(), stages.inner.flatten(-4, -2), u)
    width = both.shape[-1]
    by_stage = both.view(count, n_stages, n, width).unbind(1)
    h = grid.step.to(both.dtype).expand(lead).reshape(count, 1, 1)
    slopes: list[Tensor] = []
    for row, own in zip(tableau.a, by_stage, strict=True):
        slopes.append(torch.baddbmm(own, own[..., :n], _weighted(row, slopes).mul_(h)) if any(row) else own)
    return _weighted(tableau.b, slopes).mul_(h).view(*lead, n, width)


def _weighted(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    """Sum of weight times slope; some weight is not zero."""
    terms = [(weight, slope) for weight, slope in zip(weights, slopes, strict=True) if weight]
    out = terms[0][1] * terms[0][0]
    for weight, slope in terms[1:]:
        out.add_(slope, alpha=weight)
    return out


def trajectory_derivatives(tableau: Tableau, jacobians: Jacobians, stages: Stages, grid: StepGrid) -> tuple[Tensor, Tensor]:
    """Differentiate the state at each observation by the initial state and by the parameters.

    Returns
    -------
    by_initial : Tensor, shape (..., batch, observations, n_states, n_states)
    by_parameters : Tensor, shape (..., batch, observations, n_states, n_parameters)
    """
    added = _step_derivatives(tableau, jacobians, stages, grid)
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
