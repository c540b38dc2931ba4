"""What a Gauss-Newton optimiser needs to know of a fit.

All members of a fit are treated at once (one member is the usual case): every tensor here has a leading dimension of members, and
`members` says which of all they are, shape (members,).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from physode.training.per_member import PerMember

__all__ = ["AbstractProblem", "Evaluation", "Linearised", "little"]

CLOSE = 3e-4
"""Residual, in standard deviations, below which a fit is asked for a larger share: it nears what no measurement could tell from exact."""


@dataclass(frozen=True)
class Evaluation:
    """Residuals at a point.

    Attributes
    ----------
    squares : Tensor, shape (members, n_residual_kinds)
        Sum of squared residuals of each kind; infinite where the field could not be integrated.
    path : tuple of Tensor, each of shape (members, ...)
        What a linearisation at the same point starts from.
    """

    squares: Tensor
    path: tuple[Tensor, ...]


@dataclass(frozen=True)
class Linearised(PerMember):
    """Residuals of some trajectories around one point of each member, and their derivatives, each in memory of its own.

    Residuals and derivatives are weighted, and so zero where nothing was measured. A vector stands in front of a matrix in all products:
    torch takes a fifth of the time for many members.

    Attributes
    ----------
    residual : Tensor, shape (members, batch, rows)
    by_initial : Tensor, shape (members, batch, rows, n_states)
        By the initial state of the same trajectory.
    by_parameters : Tensor, shape (members, batch, rows, n_parameters)
    precision : Tensor, shape (members, batch, n_states)
        Prior precision of the initial states.
    pull : Tensor, shape (members, batch, n_states)
        Precision times the initial states' distance from their prior's mean.
    """

    residual: Tensor
    by_initial: Tensor
    by_parameters: Tensor
    precision: Tensor
    pull: Tensor

    @classmethod
    def join(cls, parts: Sequence[Linearised]) -> Linearised:
        """All trajectories as one part."""
        return parts[0] if len(parts) == 1 else cls(*(torch.cat([getattr(part, one.name) for part in parts], dim=1) for one in fields(cls)))

    def along(self, change: Tensor, shift: Tensor) -> Tensor:
        """What the residuals gain, to first order, by a change of the parameters and a shift of the initial states, shape of `residual`."""
        by_parameters = (change[:, None] @ self.by_parameters.flatten(1, 2).mT).view(self.residual.shape)
        return by_parameters + (shift.unsqueeze(2) @ self.by_initial.mT)[:, :, 0]

    def slope(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Multiply residuals by the derivatives: (members, n_parameters) and (members, batch, n_states)."""
        by_parameters = (residual.flatten(1)[:, None] @ self.by_parameters.flatten(1, 2))[:, 0]
        return by_parameters, (residual.unsqueeze(2) @ self.by_initial)[:, :, 0]


def little(tolerance: float, squares: Tensor, counts: Tensor) -> Tensor:
    """Share of the root mean square residual that a step must gain: that of the residual itself and, as much again, of `CLOSE`.

    Parameters
    ----------
    tolerance : float
    squares : Tensor, shape (..., n_kinds)
        Sums of squared residuals.
    counts : Tensor, shape (n_kinds,)

    Returns
    -------
    Tensor, shape (...)
    """
    return tolerance * (1 + CLOSE / (squares.sum(-1) / counts.sum()).sqrt())


class AbstractProblem(ABC):
    """A sum of squares over parameters theta and, for each trajectory, a free initial state.

    Attributes
    ----------
    counts : Tensor, shape (n_residual_kinds,)
        Number of valid residuals of each kind (each observed state is a kind, with a noise level of its own), the same for all members.
    n_rows : int
        Number of all rows of a linearisation, valid or not.
    n_evaluations : int
        Evaluations of the field, counted per batch.
    """

    counts: Tensor
    n_rows: int
    n_evaluations: int

    @abstractmethod
    def evaluate(self, theta: Tensor, initial: Tensor, members: Tensor) -> Evaluation:
        """Residuals at theta, shape (members, n_parameters), and initial states, shape (members, batch, n_states)."""

    @abstractmethod
    def weighted(self, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Tensor:
        """All residuals at a point as `linearise` gives them, (members, batch, rows), from what `evaluate` gave there."""

    @abstractmethod
    def prior_cost(self, initial: Tensor, members: Tensor) -> Tensor:
        """Sum of squares of the initial states against their prior, shape (members,)."""

    @abstractmethod
    def linearise(self, theta: Tensor, initial: Tensor, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Iterator[Linearised]:
        """Linearise at a point, trajectories in order and few enough at once that memory stays bounded.

        `weight` (1 / noise variance) is that of the squares of each kind, shape (members, n_kinds); `path` is what `evaluate` gave there.
        """
