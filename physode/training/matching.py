"""Residuals of derivatives: the field against the slopes of a smoothing spline, a warm start that integrates nothing.

Also called gradient matching or two-stage collocation (Varah 1982).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from physode.fields.base import AbstractField
from physode.training.problem import AbstractProblem, NormalEquations

__all__ = ["MatchingProblem"]


@dataclass
class MatchingProblem(AbstractProblem):
    """Field minus given derivatives, at given states; there are no initial states (pass a tensor of shape (0, n_states)).

    Parameters
    ----------
    vector_field : AbstractField
    time : Tensor, shape (points,)
    states, derivatives : Tensor, shape (points, n_states)
    inputs : Tensor, shape (points, n_inputs)
    """

    vector_field: AbstractField
    time: Tensor
    states: Tensor
    derivatives: Tensor
    inputs: Tensor
    n_evaluations: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.counts = torch.full((self.states.shape[1],), float(len(self.states)), dtype=self.states.dtype)
        self.initial_precision = self.states[:0]

    def squares(self, theta: Tensor, initial: Tensor) -> Tensor:
        """See `AbstractProblem.squares`."""
        self.n_evaluations += 1
        return self._residual(theta).square().sum(0)

    def prior_cost(self, initial: Tensor) -> Tensor:
        """Zero: there are no initial states."""
        return self.states.new_zeros(())

    def normal_equations(self, theta: Tensor, initial: Tensor, weight: Tensor) -> NormalEquations:
        """See `AbstractProblem.normal_equations`."""
        self.n_evaluations += 1
        residual = self._residual(theta) * weight.sqrt()
        _, by_parameters = self.vector_field.jacobians(self.time, self.states, self.inputs)
        flat = (by_parameters * weight.sqrt()[:, None]).flatten(0, 1)
        n = self.states.shape[1]
        return NormalEquations(
            flat.T @ flat,
            flat.T @ residual.flatten(),
            self.states.new_zeros(0, n, n),
            self.states.new_zeros(0, n),
            self.states.new_zeros(0, n, len(theta)),
        )

    def _residual(self, theta: Tensor) -> Tensor:
        vector_to_parameters(theta, self.vector_field.parameters())
        with torch.no_grad():
            slopes: Tensor = self.vector_field(self.time, self.states, self.inputs)
        return slopes - self.derivatives
