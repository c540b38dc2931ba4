"""The linear least squares problem of a Gauss-Newton step, in the smaller of its two forms.

With J the derivatives of the residuals r by all unknowns x (the parameters and, for each trajectory, its initial state), R their prior
precisions and q the prior's gradient, a step is -(J'J + R)^-1 (J'r + q): normal equations of the size of the parameters, since the
initial states are eliminated block by block (Schur complement). It is as well -R^-1 (q + J'y) with (J R^-1 J' + 1) y = r - J R^-1 q:
as many equations as residuals, which are fewer where a network follows a short record (Rasmussen & Williams 2006, section 2.1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from physode.training.evidence import Determined, Evidence
from physode.training.problem import AbstractProblem, Linearised

__all__ = ["AbstractEquations", "DualEquations", "NormalEquations", "gather", "is_dual"]

TINY = 1e-12


@dataclass(frozen=True)
class AbstractEquations(ABC):
    """Linearised residuals around one point of each member.

    Attributes
    ----------
    initial_hessian : Tensor, shape (members, batch, n_states, n_states)
        One block for each initial state, with its prior.
    precision : Tensor, shape (members, batch, n_states)
        Prior precision of the initial states, as theta's is the evidence's.
    """

    initial_hessian: Tensor
    precision: Tensor

    @abstractmethod
    def step(self, theta: Tensor, evidence: Evidence, damping: Tensor) -> tuple[Tensor, Tensor]:
        """Solve for a damped step from theta.

        Marquardt 1963: what is added to the diagonal is `damping`, shape (members,), times the diagonal's mean for the parameters, and
        times the diagonal itself for the initial states.

        Returns
        -------
        change : Tensor, shape (members, n_parameters)
            Of no use where the equations cannot be solved, not finite or at random: whether a step is better is for the caller to see.
        shift : Tensor, shape (members, batch, n_states)
            Of the initial states.
        """

    @abstractmethod
    def determined(self, evidence: Evidence) -> Determined:
        """Count the parameters that the residuals determine, rather than the prior."""

    def take(self, which: Tensor) -> AbstractEquations:
        """Keep some members, given by a mask."""
        return self if bool(which.all()) else type(self)(*(getattr(self, part.name)[which] for part in fields(self)))

    def put(self, which: Tensor, others: AbstractEquations) -> AbstractEquations:
        """Replace some members; these equations are used up."""
        if bool(which.all()):
            return others
        parts = [getattr(self, part.name) for part in fields(self)]
        for part, other in zip(parts, fields(others), strict=True):
            part[which] = getattr(others, other.name)
        return type(self)(*parts)

    def _damped_initial(self, damping: Tensor) -> Tensor:
        """What damping adds to the diagonal of the initial states, shape (members, batch, n_states)."""
        return damping[:, None, None] * self.initial_hessian.diagonal(dim1=2, dim2=3) + TINY

    def _determined_initial(self) -> tuple[Tensor, Tensor]:
        """How many components of the initial states the residuals determine, and for which members that is known, shape (members,)."""
        inverse, singular = torch.linalg.inv_ex(self.initial_hessian)
        return (1 - self.precision * inverse.diagonal(dim1=2, dim2=3)).sum((1, 2)), (singular == 0).all(1)


@dataclass(frozen=True)
class NormalEquations(AbstractEquations):
    """Normal equations, all without the prior of the parameters.

    Attributes
    ----------
    hessian : Tensor, shape (members, n_parameters, n_parameters)
    gradient : Tensor, shape (members, n_parameters)
    initial_gradient : Tensor, shape (members, batch, n_states)
        With the prior's.
    mixed : Tensor, shape (members, batch, n_states, n_parameters)
    """

    hessian: Tensor
    gradient: Tensor
    initial_gradient: Tensor
    mixed: Tensor

    @classmethod
    def of(cls, parts: Iterable[Linearised]) -> NormalEquations:
        """Add up linearised residuals, one part after the other."""
        hessian: Any = 0.0
        gradient: Any = 0.0
        blocks: list[tuple[Tensor, ...]] = []
        for part in parts:
            root = part.root[..., None]
            a, b, r = part.by_initial * root, part.by_parameters * root, part.residual[..., None]
            flat, precision = b.flatten(1, 2), part.precision.expand_as(part.pull)
            hessian, gradient = hessian + flat.mT @ flat, gradient + (flat.mT @ r.flatten(1, 2))[..., 0]
            blocks.append((a.mT @ a + torch.diag_embed(precision), precision, (a.mT @ r)[..., 0] + part.pull, a.mT @ b))
        initial_hessian, precision, initial_gradient, mixed = (torch.cat(each, dim=1) for each in zip(*blocks, strict=True))
        return cls(initial_hessian, precision, hessian, gradient, initial_gradient, mixed)

    def step(self, theta: Tensor, evidence: Evidence, damping: Tensor) -> tuple[Tensor, Tensor]:
        """See `AbstractEquations.step`."""
        penalty = evidence.per_parameter(theta)
        reduced, gradient, solved = self._eliminate(self._damped_initial(damping))
        diagonal = reduced.diagonal(dim1=1, dim2=2).add_(penalty)
        diagonal.add_((damping * diagonal.mean(1) + TINY)[:, None])
        factor, _ = torch.linalg.cholesky_ex(reduced)
        change = -torch.cholesky_solve((gradient + penalty * theta)[..., None], factor)
        pulled = (solved.flatten(1, 2)[..., :-1] @ change).view(solved.shape[:-1])
        return change[..., 0], -(solved[..., -1] + pulled)

    def determined(self, evidence: Evidence) -> Determined:
        """See `AbstractEquations.determined`."""
        reduced, gradient, _ = self._eliminate(torch.zeros_like(self.precision))
        reduced.diagonal(dim1=1, dim2=2).add_(evidence.per_parameter(gradient))
        factor, failed = torch.linalg.cholesky_ex(reduced)
        factor[failed > 0] = torch.eye(reduced.shape[1], dtype=reduced.dtype, device=reduced.device)
        posterior = torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2)
        by_group = torch.empty_like(evidence.precision)
        for i, group in enumerate(evidence.groups):
            by_group[:, i] = len(group) - evidence.precision[:, i] * posterior[:, group].sum(1)
        free = gradient.shape[1] - sum(len(group) for group in evidence.groups)
        initial, sound = self._determined_initial()
        return Determined(by_group, free + initial, sound & (failed == 0))

    def _eliminate(self, added: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Schur complement of the initial states, to whose diagonal something is added.

        Returns
        -------
        hessian : Tensor, shape (members, n_parameters, n_parameters)
            New, and free to be changed.
        gradient : Tensor, shape (members, n_parameters)
        solved : Tensor, shape (members, batch, n_states, n_parameters + 1)
            Initial-state blocks solved against the mixed block and, in the last column, against their gradient.
        """
        blocks = self.initial_hessian + torch.diag_embed(added)
        solved, singular = torch.linalg.solve_ex(blocks, torch.cat([self.mixed, self.initial_gradient[..., None]], dim=3))
        solved[singular > 0] = torch.nan  # an unstable run, whose end knows nothing of its start: the step is refused as one that fails
        turned, flat = self.mixed.flatten(1, 2).mT, solved.flatten(1, 2)
        hessian = torch.baddbmm(self.hessian, turned, flat[..., :-1], alpha=-1)
        return hessian, self.gradient - (turned @ flat[..., -1:])[..., 0], solved


@dataclass(frozen=True)
class DualEquations(AbstractEquations):
    """The same in as many equations as there are residuals; every parameter has a prior here.

    Attributes
    ----------
    grams : Tensor, shape (members, n_groups, rows, rows)
        Products of the derivatives by the parameters of each group with their transpose, weighted.
    by_parameters : Tensor, shape (members, rows, n_parameters)
        Without weights.
    root, residual : Tensor, shape (members, rows)
        The residual is weighted.
    by_initial : Tensor, shape (members, batch, rows of one trajectory, n_states)
        Weighted.
    pull : Tensor, shape (members, batch, n_states)
        Gradient of the initial states' prior.
    """

    grams: Tensor
    by_parameters: Tensor
    root: Tensor
    residual: Tensor
    by_initial: Tensor
    pull: Tensor

    @classmethod
    def of(cls, parts: Iterable[Linearised], groups: Sequence[Tensor]) -> DualEquations:
        """Multiply linearised residuals with each other."""
        parts = list(parts)
        whole = Linearised(*(_joined([getattr(part, one.name) for part in parts]) for one in fields(Linearised)))
        by_parameters, root = whole.by_parameters.flatten(1, 2), whole.root.flatten(1)
        columns = [by_parameters[..., _contiguous(group)] for group in groups]
        grams = torch.stack([each @ each.mT for each in columns], dim=1)
        grams *= root[:, None, :, None] * root[:, None, None, :]
        a, precision = whole.by_initial * whole.root[..., None], whole.precision.expand_as(whole.pull).contiguous()
        hessian = a.mT @ a + torch.diag_embed(precision)
        return cls(hessian, precision, grams, by_parameters, root, whole.residual.flatten(1), a, whole.pull)

    def step(self, theta: Tensor, evidence: Evidence, damping: Tensor) -> tuple[Tensor, Tensor]:
        """See `AbstractEquations.step`."""
        penalty, added = evidence.per_parameter(theta), self._damped_initial(damping)
        damped = damping * self._mean_diagonal(penalty, added) + TINY
        precision, initial = penalty + damped[:, None], self.precision + added
        factor, _ = torch.linalg.cholesky_ex(self._matrix(evidence.precision + damped[:, None], initial))
        slope, rest = penalty * theta, (self.by_initial @ (self.pull / initial)[..., None]).flatten(1)
        right = self.residual - rest - self.root * (self.by_parameters @ (slope / precision)[..., None])[..., 0]
        y = torch.cholesky_solve(right[..., None], factor)
        change = -(slope + (self.by_parameters.mT @ (self.root[..., None] * y))[..., 0]) / precision
        shift = -(self.pull + (self.by_initial.mT @ y.view(*self.by_initial.shape[:-1], 1))[..., 0]) / initial
        return change, shift

    def determined(self, evidence: Evidence) -> Determined:
        """See `AbstractEquations.determined`."""
        factor, failed = torch.linalg.cholesky_ex(self._matrix(evidence.precision, self.precision))
        factor[failed > 0] = torch.eye(factor.shape[1], dtype=factor.dtype, device=factor.device)
        inverse = torch.cholesky_inverse(factor)
        by_group = (self.grams.flatten(2) @ inverse.flatten(1)[..., None])[..., 0] / evidence.precision
        initial, sound = self._determined_initial()
        return Determined(by_group, initial, sound & (failed == 0))

    def _matrix(self, precision: Tensor, initial: Tensor) -> Tensor:
        """J R^-1 J' + 1 with the precisions of the groups and of the initial states, shape (members, rows, rows)."""
        members, batch, rows, _ = self.by_initial.shape
        out: Tensor = (self.grams.flatten(2).mT @ (1 / precision)[..., None]).view(self.grams[:, 0].shape)
        out.diagonal(dim1=1, dim2=2).add_(1.0)
        blocks = out.view(members, batch, rows, batch, rows).diagonal(dim1=1, dim2=3)
        blocks.add_(((self.by_initial / initial.unsqueeze(2)) @ self.by_initial.mT).movedim(1, -1))
        return out

    def _mean_diagonal(self, penalty: Tensor, added: Tensor) -> Tensor:
        """Mean of the diagonal that the normal equations have once the initial states are eliminated, shape (members,)."""
        trace, seen = self._traced
        taken, _ = torch.linalg.solve_ex(self.initial_hessian + torch.diag_embed(added), seen)
        mean: Tensor = (trace - taken.diagonal(dim1=2, dim2=3).sum((1, 2)) + penalty.sum(1)) / penalty.shape[1]
        return mean

    @cached_property
    def _traced(self) -> tuple[Tensor, Tensor]:
        """Trace of the normal equations, and the part that the initial states see: (members,) and (members, batch, n_states, n_states)."""
        members, batch, rows, _ = self.by_initial.shape
        whole = self.grams.sum(1)
        blocks = whole.view(members, batch, rows, batch, rows).diagonal(dim1=1, dim2=3).movedim(-1, 1)
        return whole.diagonal(dim1=1, dim2=2).sum(1), self.by_initial.mT @ blocks @ self.by_initial


def is_dual(n_rows: int, n_parameters: int, groups: Sequence[Tensor]) -> bool:
    """Whether the dual form is the smaller one; it wants a prior of every parameter."""
    return n_rows <= n_parameters == sum(len(group) for group in groups)


def gather(problem: AbstractProblem, parts: Iterable[Linearised], evidence: Evidence, n_parameters: int) -> AbstractEquations:
    """Collect linearised residuals in the smaller form."""
    if is_dual(problem.n_rows, n_parameters, evidence.groups):
        return DualEquations.of(parts, evidence.groups)
    return NormalEquations.of(parts)


def _joined(parts: list[Tensor]) -> Tensor:
    """Join along the trajectories, which `Linearised.precision` has first and all others have second."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=0 if parts[0].ndim == 2 else 1)


def _contiguous(positions: Tensor) -> slice | Tensor:
    """Positions as a slice, where they are one: its columns need no copy."""
    first, last = int(positions[0]), int(positions[-1]) + 1
    return slice(first, last) if last - first == len(positions) and bool((positions.diff() == 1).all()) else positions
