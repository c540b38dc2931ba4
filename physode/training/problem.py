"""What a Gauss-Newton optimiser needs to know of a fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

__all__ = ["AbstractProblem", "NormalEquations"]


@dataclass(frozen=True)
class NormalEquations:
    """Gauss-Newton approximation of half a weighted sum of squares around one point.

    Attributes
    ----------
    hessian : Tensor, shape (n_parameters, n_parameters)
    gradient : Tensor, shape (n_parameters,)
    initial_hessian : Tensor, shape (batch, n_states, n_states)
        One block for each initial state; positive definite.
    initial_gradient : Tensor, shape (batch, n_states)
    mixed : Tensor, shape (batch, n_states, n_parameters)
    """

    hessian: Tensor
    gradient: Tensor
    initial_hessian: Tensor
    initial_gradient: Tensor
    mixed: Tensor


class AbstractProblem(ABC):
    """A sum of squares over parameters theta and, for each trajectory, a free initial state.

    Attributes
    ----------
    counts : Tensor, shape (n_residual_kinds,)
        Number of valid residuals of each kind (each observed state is a kind, with a noise level of its own).
    initial_precision : Tensor, shape (batch, n_states)
        Prior precision of the initial states.
    n_evaluations : int
        Evaluations of the field, counted per batch.
    """

    counts: Tensor
    initial_precision: Tensor
    n_evaluations: int

    @abstractmethod
    def squares(self, theta: Tensor, initial: Tensor) -> Tensor:
        """Sum of squared residuals of each kind; infinite where the field could not be integrated."""

    @abstractmethod
    def prior_cost(self, initial: Tensor) -> Tensor:
        """Sum of squares of the initial states against their prior, a scalar."""

    @abstractmethod
    def normal_equations(self, theta: Tensor, initial: Tensor, weight: Tensor) -> NormalEquations:
        """Linearise at a point, with the squares of each kind weighted by `weight` (1 / noise variance)."""
