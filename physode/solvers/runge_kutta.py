"""Explicit Runge-Kutta methods with fixed steps, one row of coefficients each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.solvers.grid import StepGrid
from physode.solvers.watch import look

__all__ = ["RUNGE_KUTTA", "Stages", "Tableau", "integrate_runge_kutta"]


@dataclass(frozen=True)
class Tableau:
    """Butcher tableau of an explicit method.

    Attributes
    ----------
    a : tuple of tuple of float
        Strictly lower triangular stage matrix, row i with i entries.
    b : tuple of float
        Weights.
    order : int
        Order of convergence.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    order: int

    @property
    def c(self) -> tuple[float, ...]:
        """Nodes, the row sums of `a`."""
        return tuple(sum(row) for row in self.a)


RUNGE_KUTTA: dict[str, Tableau] = {
    "euler": Tableau(((),), (1.0,), 1),
    "midpoint": Tableau(((), (1 / 2,)), (0.0, 1.0), 2),
    "rk4": Tableau(((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 4),
    "rk5": Tableau(
        (
            (),
            (0.161,),
            (-0.008480655492356989, 0.335480655492357),
            (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
            (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
            (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
        ),
        (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
        5,
    ),
}
"""Euler, explicit midpoint, the classical method of order 4, and that of order 5 of Tsitouras 2011 (doi:10.1016/j.camwa.2011.06.002)."""


class Inputs(Protocol):
    """u(t) at any time, for every trajectory of a batch."""

    def __call__(self, time: Tensor, inside: Tensor | None = None) -> Tensor:
        """Map times of shape (batch, ...) to inputs of shape (batch, ..., n_inputs).

        Where u jumps, the side is that of `inside`, a time within the same step, of a shape that broadcasts to that of `time`.
        """
        ...


@dataclass(frozen=True)
class Stages:
    """A finished integration with all that its differentiation needs; (...) is nothing, or the members of a stacked field.

    Attributes
    ----------
    states : Tensor, shape (..., batch, steps + 1, n_states)
    inner : Tensor, shape (..., batch, steps, stages, n_states)
        States at which the field was evaluated.
    time : Tensor, shape (batch, steps, stages)
    inputs : Tensor, shape (batch, steps, stages, n_inputs)
    """

    states: Tensor
    inner: Tensor
    time: Tensor
    inputs: Tensor


def integrate_runge_kutta(tableau: Tableau, field: AbstractField, initial: Tensor, grid: StepGrid, inputs: Inputs) -> Stages:
    """Integrate a batch of trajectories, each with its own steps.

    Parameters
    ----------
    tableau : Tableau
        The method.
    field : AbstractField
        Evaluated ``len(tableau.b)`` times a step.
    initial : Tensor, shape (batch, n_states), or (members, batch, n_states) for a stacked field
    grid : StepGrid
    inputs : callable
        u(t); see `Inputs`.

    Returns
    -------
    Stages
    """
    nodes = torch.tensor(tableau.c, dtype=grid.step.dtype, device=initial.device)
    time, step = grid.time[:, :-1, None] + grid.step[..., None] * nodes, grid.step.to(initial.dtype)
    u = inputs(time, grid.middle)
    driving = u.expand(*initial.shape[:-2], *u.shape).unbind(-3)
    evaluate = field.closure()
    z = initial
    states, inner = [z], []
    for k in range(grid.step.shape[1]):
        look()
        h = step[:, k, None]
        slopes: list[Tensor] = []
        for i, row in enumerate(tableau.a):
            stage = z
            for a, slope in zip(row, slopes, strict=True):
                if a:
                    stage = torch.addcmul(stage, h, slope, value=a)
            inner.append(stage)
            slopes.append(evaluate(time[:, k, i], stage, driving[k][..., i, :]))
        for b, slope in zip(tableau.b, slopes, strict=True):
            if b:
                z = torch.addcmul(z, h, slope, value=b)
        states.append(z)
    shape = (*initial.shape[:-1], grid.step.shape[1], len(tableau.b), initial.shape[-1])
    stacked = torch.stack(inner, dim=-2).reshape(shape) if inner else initial.new_zeros(shape)
    return Stages(torch.stack(states, dim=-2), stacked, time, u)
