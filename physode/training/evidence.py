"""Noise levels and prior precisions learned from the data, so that no weight decay is set by hand.

The rules are those of MacKay 1992 (doi:10.1162/neco.1992.4.3.415) with the Gauss-Newton Hessian of Foresee & Hagan 1997.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.training.problem import AbstractProblem, NormalEquations

__all__ = ["SMALLEST_VARIANCE", "Evidence", "group_positions"]

FREE_PRECISION = 1e-8
"""Prior precision of parameters that are not penalised: only keeps the normal equations invertible."""
SMALLEST_VARIANCE = 1e-10
"""Noise variance, scaled, below which a fit is as good as exact and need not go on."""


@dataclass
class Evidence:
    """Hyperparameters of a fit.

    Attributes
    ----------
    variance : Tensor, shape (n_kinds,)
        Noise variance of each observed state, scaled units.
    precision : Tensor, shape (n_groups,)
        Prior precision of each group of parameters.
    groups : list of Tensor of int64
        Positions of each group in theta.
    known_noise : Tensor of bool, shape (n_kinds,)
        Where the noise is given by the record and stays as it is.
    """

    variance: Tensor
    precision: Tensor
    groups: list[Tensor]
    known_noise: Tensor

    def per_parameter(self, theta: Tensor) -> Tensor:
        """Prior precision of each parameter, shape of theta."""
        out = torch.full_like(theta, FREE_PRECISION)
        for precision, group in zip(self.precision, self.groups, strict=True):
            out[group] = precision
        return out

    def objective(self, problem: AbstractProblem, theta: Tensor, initial: Tensor, squares: Tensor) -> float:
        """Twice the negative logarithm of the posterior, up to a constant."""
        penalty = (self.per_parameter(theta) * theta.square()).sum()
        return float((squares / self.variance).sum() + problem.prior_cost(initial) + penalty)

    def update(
        self,
        problem: AbstractProblem,
        theta: Tensor,
        squares: Tensor,
        equations: NormalEquations,
        reduced: Tensor,
    ) -> float:
        """Re-estimate the hyperparameters at a point; return the largest change of a prior precision's logarithm.

        Parameters
        ----------
        reduced : Tensor, shape (n_parameters, n_parameters)
            Hessian with the initial states eliminated, without penalty.
        """
        factor, failed = torch.linalg.cholesky_ex(reduced + torch.diag(self.per_parameter(theta)))
        if failed:
            return 0.0
        posterior = torch.cholesky_inverse(factor).diagonal()
        before, self.precision = self.precision, self.precision.clone()  # a copy of the evidence keeps its own
        used = torch.zeros_like(squares[0]) + len(theta) - sum(len(g) for g in self.groups)
        for i, group in enumerate(self.groups):
            effective = (len(group) - self.precision[i] * posterior[group].sum()).clamp(min=1e-3)
            self.precision[i] = (effective / theta[group].square().sum()).clamp(1e-6, 1e8)
            used = used + effective
        blocks = torch.linalg.inv(equations.initial_hessian).diagonal(dim1=1, dim2=2)
        used = used + (1 - problem.initial_precision * blocks).sum()
        freedom = (1 - used / problem.counts.sum()).clamp(min=0.05)
        estimate = (squares / problem.counts.clamp(min=1) / freedom).clamp(min=SMALLEST_VARIANCE)
        self.variance = torch.where(self.known_noise, self.variance, estimate)
        return max((self.precision / before).log().abs().tolist(), default=0.0)


def group_positions(vector_field: AbstractField) -> list[Tensor]:
    """Positions of each penalty group in the vector of all parameters."""
    positions, start = {}, 0
    for name, parameter in vector_field.named_parameters():
        positions[name] = torch.arange(start, start + parameter.numel())
        start += parameter.numel()
    return [torch.cat([positions[name] for name in group]) for group in vector_field.penalty_groups()]
