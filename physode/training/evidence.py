"""Noise levels and prior precisions learned from the data, so that no weight decay is set by hand.

The rules are those of MacKay 1992 (doi:10.1162/neco.1992.4.3.415) with the Gauss-Newton Hessian of Foresee & Hagan 1997.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.training.problem import AbstractProblem

__all__ = ["SMALLEST_VARIANCE", "Determined", "Evidence", "group_positions"]

FREE_PRECISION = 1e-8
"""Prior precision of parameters that are not penalised: only keeps the normal equations invertible."""
SMALLEST_VARIANCE = 1e-10
"""Noise variance, scaled, below which a fit is as good as exact and need not go on."""
SHARE = 0.7
"""Share of the way to its estimate, in logarithms, that a prior precision goes at once: parameters answer it, and it would swing around
where it is to settle."""


@dataclass(frozen=True)
class Determined:
    """How many of the unknowns the residuals determine, rather than the prior.

    Attributes
    ----------
    by_group : Tensor, shape (members, n_groups)
        Effective number of parameters of each group.
    rest : Tensor, shape (members,)
        Of free parameters and of the components of initial states.
    sound : Tensor of bool, shape (members,)
        Where these numbers could be computed.
    """

    by_group: Tensor
    rest: Tensor
    sound: Tensor


@dataclass
class Evidence:
    """Hyperparameters of a fit, of each member its own.

    Attributes
    ----------
    variance : Tensor, shape (members, n_kinds)
        Noise variance of each observed state, scaled units.
    precision : Tensor, shape (members, n_groups)
        Prior precision of each group of parameters.
    groups : list of Tensor of int64
        Positions of each group in theta.
    known_noise : Tensor of bool, shape (n_kinds,)
        Where the noise is given by the record and stays as it is.
    ordered : list of (int, int)
        Pairs of groups of which the second never has the larger precision; see `AbstractField.penalty_groups`.
    rare : Tensor of bool, shape (n_kinds,), optional
        States measured so rarely that free initial states would follow every measurement: their noise, scaled, is taken for the mean of
        the others'.
    """

    variance: Tensor
    precision: Tensor
    groups: list[Tensor]
    known_noise: Tensor
    ordered: list[tuple[int, int]] = field(default_factory=list)
    rare: Tensor | None = None

    def take(self, members: Tensor) -> Evidence:
        """Copy some members."""
        return replace(self, variance=self.variance[members], precision=self.precision[members])

    def put(self, members: Tensor, other: Evidence) -> None:
        """Overwrite some members by those of another evidence."""
        self.variance[members], self.precision[members] = other.variance, other.precision

    def per_parameter(self, theta: Tensor) -> Tensor:
        """Prior precision of each parameter, shape of theta, (members, n_parameters)."""
        out = torch.full_like(theta, FREE_PRECISION)
        for precision, group in zip(self.precision.T, self.groups, strict=True):
            out[:, group] = precision[:, None]
        return out

    def shared(self, variance: Tensor) -> Tensor:
        """Noise variances of shape (members, n_kinds) in which rarely measured states have the mean of the others."""
        if self.rare is None:
            return variance
        return torch.where(self.rare, variance[:, ~self.rare].mean(1, keepdim=True), variance)

    def objective(self, problem: AbstractProblem, theta: Tensor, initial: Tensor, squares: Tensor, members: Tensor) -> Tensor:
        """Twice the negative logarithm of each member's posterior, up to a constant, shape (members,)."""
        penalty = (self.per_parameter(theta) * theta.square()).sum(1)
        return (squares / self.variance).sum(1) + problem.prior_cost(initial, members) + penalty

    def update(self, counts: Tensor, theta: Tensor, squares: Tensor, determined: Determined) -> Tensor:
        """Re-estimate the hyperparameters at a point; return the largest change of a prior precision's logarithm, shape (members,).

        Parameters
        ----------
        counts : Tensor, shape (n_kinds,)
            Number of residuals of each kind.
        theta, squares : Tensor
            Of a point, as in `Point`.
        determined : Determined
            There, or near; where it is not sound everything stays as it is.
        """
        effective = determined.by_group.clamp(min=1e-3)
        lengths = torch.stack([theta[:, group].square().sum(1) for group in self.groups], dim=1) if self.groups else effective
        precision = self.precision * (self._in_order(effective, lengths) / self.precision) ** SHARE
        freedom = (1 - (effective.sum(1) + determined.rest) / counts.sum()).clamp(min=0.05)
        estimate = self.shared((squares / counts.clamp(min=1) / freedom[:, None]).clamp(min=SMALLEST_VARIANCE))
        sound, change = determined.sound, (precision / self.precision).log().abs()
        self.precision = torch.where(sound[:, None], precision, self.precision)
        self.variance = torch.where(self.known_noise | ~sound[:, None], self.variance, estimate)
        return torch.where(sound, change.amax(1) if change.shape[1] else torch.zeros_like(freedom), 0.0)

    def _in_order(self, effective: Tensor, lengths: Tensor) -> Tensor:
        """Precision of each group from its effective parameters and their squared length; a pair out of order is taken as one group."""
        precision = effective / lengths
        for pair in self.ordered:
            both, (first, second) = list(pair), pair
            together = effective[:, both].sum(1) / lengths[:, both].sum(1)
            wrong = precision[:, second] > precision[:, first]
            precision[:, both] = torch.where(wrong[:, None], together[:, None], precision[:, both])
        return precision.clamp(1e-6, 1e8)


def group_positions(vector_field: AbstractField) -> tuple[list[Tensor], list[tuple[int, int]]]:
    """Positions of each penalty group in the vector of all parameters of a field by itself, and the pairs of groups that are ordered."""
    positions, start = {}, 0
    for name, parameter in vector_field.named_parameters():
        positions[name] = torch.arange(start, start + parameter.numel(), device=parameter.device)
        start += parameter.numel()
    groups: list[Tensor] = []
    ordered: list[tuple[int, int]] = []
    for ladder in vector_field.penalty_groups():
        first = len(groups)
        groups += [torch.cat([positions[name] for name in group]) for group in ladder]
        ordered += pairwise(range(first, len(groups)))
    return groups, ordered
