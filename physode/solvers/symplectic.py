"""Methods that keep the structure of Hamiltonian motion: their energy error stays bounded (Hairer, Lubich & Wanner 2006)."""

from __future__ import annotations

import torch
from torch import Tensor

from physode.errors import FitError
from physode.fields.base import AbstractField
from physode.solvers.linear import solve

__all__ = ["implicit_midpoint_step", "leapfrog_step"]

MOST_ITERATIONS = 50
ROUNDINGS = 10
"""Rounding errors of the states that Newton's method need not get below."""
TOLERANCE = 1e-13


def leapfrog_step(field: AbstractField, t: Tensor, z: Tensor, u: Tensor, h: Tensor) -> Tensor:
    """Half a kick, a drift, half a kick (Stormer-Verlet), for fields whose position part depends on the momenta alone.

    Parameters
    ----------
    t : Tensor, shape (batch,)
    z : Tensor, shape (batch, n_states)
        Positions first.
    u : Tensor, shape (batch, 2, n_inputs)
        Inputs at the start and the end of the step.
    h : Tensor, shape (batch, 1)
    """
    if not field.separable:
        raise FitError(
            "leapfrog needs a field that splits into kicks of the momenta and drifts of the positions, and this one does not; "
            "use solver='implicit-midpoint', or a Hamiltonian model with separable=True."
        )
    n = z.shape[1] // 2
    q, p = z[:, :n], z[:, n:]
    p = p + 0.5 * h * field(t, torch.cat([q, p], dim=1), u[:, 0])[:, n:]
    q = q + h * field(t, torch.cat([q, p], dim=1), u[:, 0])[:, :n]
    p = p + 0.5 * h * field(t + h[:, 0], torch.cat([q, p], dim=1), u[:, 1])[:, n:]
    return torch.cat([q, p], dim=1)


def implicit_midpoint_step(field: AbstractField, t: Tensor, z: Tensor, u: Tensor, h: Tensor) -> Tensor:
    """Solve z1 = z + h f((z + z1) / 2) by Newton's method; gradients come from the implicit function theorem.

    Parameters
    ----------
    t : Tensor, shape (batch,)
    z : Tensor, shape (batch, n_states)
    u : Tensor, shape (batch, 1, n_inputs)
        Input in the middle of the step.
    h : Tensor, shape (batch, 1)
    """
    middle, u_middle = t + 0.5 * h[:, 0], u[:, 0]
    eye = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    tolerance = max(TOLERANCE, ROUNDINGS * torch.finfo(z.dtype).eps)
    with torch.no_grad():
        guess = z + h * field(middle, z, u_middle)
        for _ in range(MOST_ITERATIONS):
            by_state = field.state_jacobian(middle, 0.5 * (z + guess), u_middle)
            matrix = eye - 0.5 * h[..., None] * by_state
            defect = guess - z - h * field(middle, 0.5 * (z + guess), u_middle)
            change = solve(matrix, defect[..., None])[..., 0]
            guess = guess - change
            size = tolerance * (1 + float(guess.abs().max()))
            if not float(change.abs().max()) > size:
                break
    defect = guess - z - h * field(middle, 0.5 * (z + guess), u_middle)
    solved: Tensor = guess - solve(matrix, defect[..., None])[..., 0]
    return solved
