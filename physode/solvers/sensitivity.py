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
from physode.solvers.watch import look

__all__ = ["trajectory_derivatives"]

BLOCK = 10_000
"""Stages at which the field is differentiated by its state at once: what hidden layers need for that is far more than the result."""


def _by_slopes(tableau: Tableau, by_state: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Differentiate what each step adds to the state, from its last stage back: these are small matrices.

    Parameters
    ----------
    tableau : Tableau
    by_state : Tensor, shape (..., steps, stages, n_states, n_states)
        Of the field, at the stages.
    h : Tensor, shape (..., steps)

    Returns
    -------
    by_start : Tensor, shape (..., steps, n_states, n_states)
        By the state at the step's start.
    by_slope : Tensor, shape (..., steps, stages, n_states, n_states)
        By the slope of each stage.
    """
    *lead, n_stages, n, _ = by_state.shape
    h = h.to(by_state.dtype)[..., None, None]
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
    return torch.stack(through).sum(0), torch.stack(slopes[::-1], dim=-3)


def trajectory_derivatives(
    tableau: Tableau, field: AbstractField, stages: Stages, grid: StepGrid, *, by_parameters: bool = True
) -> tuple[Tensor, Tensor]:
    """Differentiate the state at each observation by the initial state and by the parameters; (...) is nothing, or members.

    Returns
    -------
    by_initial : Tensor, shape (..., batch, observations, n_states, n_states)
    by_parameters : Tensor, shape (..., batch, observations, n_states, n_parameters)
        Of no parameters, if they are not wanted. Both may be views.
    """
    look()
    *lead, n_steps, n_stages, n = stages.inner.shape
    u = stages.inputs.expand(*lead[:-1], *stages.inputs.shape)
    time, states, inputs = stages.time.flatten(), stages.inner.flatten(-4, -2), u.flatten(-4, -2)
    blocks = [slice(first, first + BLOCK) for first in range(0, max(1, len(time)), BLOCK)]
    by_block = [field.state_jacobian(time[block], states[..., block, :], inputs[..., block, :]).detach() for block in blocks]
    by_state = torch.cat(by_block, dim=-3)
    by_start, by_slope = _by_slopes(tableau, by_state.view(*lead, n_steps, n_stages, n, n), grid.step)
    pieces: tuple[Tensor, ...] = ()
    if by_parameters:
        pieces = field.pull_back(stages.time.flatten(0, 1), stages.inner.flatten(-4, -3), u.flatten(-4, -3), by_slope.flatten(-5, -4))
    # Time runs first in memory, and the derivative by the initial state is carried along in front of that by the parameters.
    along = by_start.new_empty(n_steps + 1, math.prod(lead), n, n + sum(piece.shape[-1] for piece in pieces))
    each = along.view(n_steps + 1, *lead, *along.shape[2:]).movedim(0, -3)
    along[0], along[1:, ..., :n] = 0.0, 0.0
    unit = along[0, ..., :n] = torch.eye(n, dtype=along.dtype, device=along.device)
    start = n
    for piece in pieces:
        end = start + piece.shape[-1]
        each[..., 1:, :, start:end] = piece.view(*lead, n_steps, n, -1)
        start = end
    turns = (by_start + unit).flatten(0, -4).unbind(1)
    for turn, before, after in zip(turns, along[:-1], along[1:], strict=True):
        after.baddbmm_(turn, before)
    out = grid.observed(each.flatten(-2))
    out = out.view(*out.shape[:-1], *along.shape[2:])
    return out[..., :n], out[..., n:]
