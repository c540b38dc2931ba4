"""What a Gauss-Newton optimiser needs to know of a fit.

All members of a fit are treated at once (one member is the usual case): every tensor here has a leading dimension of members, and
`members` says which of all they are, shape (members,).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

from torch import Tensor

__all__ = ["AbstractProblem", "Evaluation", "NormalEquations"]


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
class NormalEquations:
    """Gauss-Newton approximation of half a weighted sum of squares around one point of each member.

    Attributes
    ----------
    hessian : Tensor, shape (members, n_parameters, n_parameters)
    gradient : Tensor, shape (members, n_parameters)
    initial_hessian : Tensor, shape (members, batch, n_states, n_states)
        One block for each initial state; positive definite.
    initial_gradient : Tensor, shape (members, batch, n_states)
    mixed : Tensor, shape (members, batch, n_states, n_parameters)
    """

    hessian: Tensor
    gradient: Tensor
    initial_hessian: Tensor
    initial_gradient: Tensor
    mixed: Tensor

    def take(self, which: Tensor) -> NormalEquations:
        """Keep some members."""
        if len(which) == len(self.hessian):
            return self
        return NormalEquations(*(getattr(self, part.name)[which] for part in fields(self)))


class AbstractProblem(ABC):
    """A sum of squares over parameters theta and, for each trajectory, a free initial state.

    Attributes
    ----------
    counts : Tensor, shape (n_residual_kinds,)
        Number of valid residuals of each kind (each observed state is a kind, with a noise level of its own), the same for all members.
    initial_precision : Tensor, shape (batch, n_states)
        Prior precision of the initial states.
    n_evaluations : int
        Evaluations of the field, counted per batch.
    """

    counts: Tensor
    initial_precision: Tensor
    n_evaluations: int

    @abstractmethod
    def evaluate(self, theta: Tensor, initial: Tensor, members: Tensor) -> Evaluation:
        """Residuals at theta, shape (members, n_parameters), and initial states, shape (members, batch, n_states)."""

    @abstractmethod
    def prior_cost(self, initial: Tensor, members: Tensor) -> Tensor:
        """Sum of squares of the initial states against their prior, shape (members,)."""

    @abstractmethod
    def normal_equations(
        self, theta: Tensor, initial: Tensor, path: tuple[Tensor, ...], weight: Tensor, members: Tensor
    ) -> NormalEquations:
        """Linearise at a point, with the squares of each kind weighted by `weight` (1 / noise variance), shape (members, n_kinds).

        `path` is what `evaluate` gave there.
        """
