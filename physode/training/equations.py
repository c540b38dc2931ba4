"""The linear least squares problem of a Gauss-Newton step, in the smaller of its two forms.

With J the derivatives of the residuals r by all unknowns x (the parameters and, for each trajectory, its initial state), R their prior
precisions and q the prior's gradient, a step is -(J'J + R)^-1 (J'r + q): normal equations of the size of the parameters, since the
initial states are eliminated block by block (Schur complement). It is as well -R^-1 (q + J'y) with (J R^-1 J' + 1) y = r - J R^-1 q:
as many equations as residuals, which are fewer where a network follows a short record (Rasmussen & Williams 2006, section 2.1).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from physode.solvers.linear import solve
from physode.training.evidence import Determined, Evidence
from physode.training.per_member import PerMember
from physode.training.problem import AbstractProblem, Linearised

__all__ = ["AbstractEquations", "DualEquations", "NormalEquations", "Step", "gather", "is_dual"]

KEPT = 4_000_000
"""Most derivatives of residuals by parameters that are kept of each member, once normal equations are made of them."""
TINY = 1e-12


@dataclass(frozen=True)
class Step:
    """A damped step.

    Attributes
    ----------
    change : Tensor, shape (members, n_parameters)
        Of no use where the equations cannot be solved, not finite or at random: whether a step is better is for the caller to see.
    shift : Tensor, shape (members, batch, n_states)
        Of the initial states.
    against : callable or None
        Maps residuals r, of the shape of `Linearised.residual`, to the change and shift that answer them, -(J'J + R)^-1 J'r; None
        where `Linearised` was not kept.
    """

    change: Tensor
    shift: Tensor
    against: Callable[[Tensor], tuple[Tensor, Tensor]] | None


@dataclass(frozen=True)
class AbstractEquations(PerMember, ABC):
    """Linearised residuals around one point of each member.

    Attributes
    ----------
    linearised : Linearised or None
        What the equations are made of; None where nobody asked for it, or where it is too much to keep.
    initial_hessian : Tensor, shape (members, batch, n_states, n_states)
        One block for each initial state, with its prior.
    precision : Tensor, shape (members, batch, n_states)
        Prior precision of the initial states, as theta's is the evidence's.
    """

    linearised: Linearised | None
    initial_hessian: Tensor
    precision: Tensor

    @abstractmethod
    def step(self, theta: Tensor, evidence: Evidence, damping: Tensor) -> Step:
        """Solve for a damped step from theta.

        Marquardt 1963: what is added to the diagonal is `damping`, shape (members,), times the diagonal's mean for the parameters, and
        times the diagonal itself for the initial states.
        """

    @abstractmethod
    def determined(self, evidence: Evidence) -> Determined:
        """Count the parameters that the residuals determine, rather than the prior."""

    def _damped_initial(self, damping: Tensor) -> Tensor:
        """What damping adds to the diagonal of the initial states, shape (members, batch, n_states)."""
        return damping[:, None, None] * self.initial_hessian.diagonal(dim1=2, dim2=3) + TINY

    def _determined_initial(self) -> tuple[Tensor, Tensor]:
        """How many components of the initial states the residuals determine, and for which members that is known, shape (members,)."""
        inverse = solve(self.initial_hessian, torch.diag_embed(torch.ones_like(self.precision)))
        known = (1 - self.precision * inverse.diagonal(dim1=2, dim2=3)).sum((1, 2))
        return known, known.isfinite()


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
    def of(cls, parts: Iterable[Linearised], *, keep: bool) -> NormalEquations:
        """Add up linearised residuals, one part after the other."""
        hessian: Any = None
        gradient: Any = 0.0
        blocks: list[tuple[Tensor, ...]] = []
        kept: list[Linearised] = []
        for part in parts:
            turned, rows = part.by_initial.mT, part.by_parameters.flatten(1, 2)
            by_parameters, by_initial = part.slope(part.residual)
            hessian = rows.mT @ rows if hessian is None else hessian.baddbmm_(rows.mT, rows)
            gradient = gradient + by_parameters
            initial_hessian = turned @ part.by_initial + torch.diag_embed(part.precision)
            blocks.append((initial_hessian, part.precision, by_initial + part.pull, turned @ part.by_parameters))
            kept += [part] * keep
        initial_hessian, precision, initial_gradient, mixed = (torch.cat(each, dim=1) for each in zip(*blocks, strict=True))
        whole = Linearised.join(kept) if keep else None
        return cls(whole, initial_hessian, precision, hessian, gradient, initial_gradient, mixed)

    def step(self, theta: Tensor, evidence: Evidence, damping: Tensor) -> Step:
        """See `AbstractEquations.step`."""
        penalty, blocks = evidence.per_parameter(theta), self.initial_hessian + torch.diag_embed(self._damped_initial(damping))
        reduced, solved = self._eliminate(blocks)
        diagonal = reduced.diagonal(dim1=1, dim2=2).add_(penalty)
        diagonal.add_((damping * diagonal.mean(1) + TINY)[:, None])
        factor, _ = torch.linalg.cholesky_ex(reduced)

        def answer(gradient: Tensor, initial_gradient: Tensor) -> tuple[Tensor, Tensor]:
            own = solve(blocks, initial_gradient[..., None])[..., 0]
            eliminated = gradient - (own.flatten(1)[:, None] @ self.mixed.flatten(1, 2))[:, 0]
            change = -torch.cholesky_solve(eliminated[..., None], factor)[..., 0]
            return change, -(own + (change[:, None] @ solved.flatten(1, 2).mT).view(own.shape))

        whole = self.linearised
        against = None if whole is None else lambda residual: answer(*whole.slope(residual))
        return Step(*answer(self.gradient + penalty * theta, self.initial_gradient), against)

    def determined(self, evidence: Evidence) -> Determined:
        """See `AbstractEquations.determined`."""
        reduced, _ = self._eliminate(self.initial_hessian)
        reduced.diagonal(dim1=1, dim2=2).add_(evidence.per_parameter(self.gradient))
        factor, failed = torch.linalg.cholesky_ex(reduced)
        factor[failed > 0] = torch.eye(reduced.shape[1], dtype=reduced.dtype, device=reduced.device)
        posterior = torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2)
        by_group = torch.empty_like(evidence.precision)
        for i, group in enumerate(evidence.groups):
            by_group[:, i] = len(group) - evidence.precision[:, i] * posterior[:, group].sum(1)
        free = self.gradient.shape[1] - sum(len(group) for group in evidence.groups)
        initial, sound = self._determined_initial()
        return Determined(by_group, free + initial, sound & (failed == 0))

    def _eliminate(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """Schur complement of the initial states, of given blocks.

        Returns
        -------
        hessian : Tensor, shape (members, n_parameters, n_parameters)
            New, and free to be changed.
        solved : Tensor, shape (members, batch, n_states, n_parameters)
            The blocks solved against the mixed block.
        """
        solved = solve(blocks, self.mixed)  # NaN for an unstable run, whose end knows nothing of its start: the step is refused
        return torch.baddbmm(self.hessian, self.mixed.flatten(1, 2).mT, solved.flatten(1, 2), alpha=-1), solved


@dataclass(frozen=True)
class DualEquations(AbstractEquations):
    """The same in as many equations as there are residuals; every parameter has a prior here.

    Attributes
    ----------
    grams : Tensor, shape (members, n_groups, rows, rows)
        Products of the derivatives by the parameters of each group with their transpose, weighted.
    """

    linearised: Linearised
    grams: Tensor

    @classmethod
    def of(cls, parts: Iterable[Linearised], groups: Sequence[Tensor]) -> DualEquations:
        """Multiply linearised residuals with each other."""
        whole = Linearised.join(list(parts))
        by_parameters, turned = whole.by_parameters.flatten(1, 2), whole.by_initial.mT
        columns = [by_parameters[..., _contiguous(group)] for group in groups]
        grams = torch.stack([each @ each.mT for each in columns], dim=1)
        return cls(whole, turned @ whole.by_initial + torch.diag_embed(whole.precision), whole.precision, grams)

    def step(self, theta: Tensor, evidence: Evidence, damping: Tensor) -> Step:
        """See `AbstractEquations.step`."""
        penalty, added = evidence.per_parameter(theta), self._damped_initial(damping)
        damped = damping * self._mean_diagonal(penalty, added) + TINY
        precision, initial = penalty + damped[:, None], self.precision + added
        factor, _ = torch.linalg.cholesky_ex(self._matrix(evidence.precision + damped[:, None], initial))

        def answer(residual: Tensor, slope: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
            right = residual - self.linearised.along(slope / precision, pull / initial)
            y = torch.cholesky_solve(right.flatten(1)[..., None], factor)
            by_parameters, by_initial = self.linearised.slope(y.view(residual.shape))
            return -(slope + by_parameters) / precision, -(pull + by_initial) / initial

        def against(residual: Tensor) -> tuple[Tensor, Tensor]:
            return answer(residual, torch.zeros_like(theta), torch.zeros_like(initial))

        return Step(*answer(self.linearised.residual, penalty * theta, self.linearised.pull), against)

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
        by_initial = self.linearised.by_initial
        members, batch, rows, _ = by_initial.shape
        out: Tensor = (self.grams.flatten(2).mT @ (1 / precision)[..., None]).view(self.grams[:, 0].shape)
        out.diagonal(dim1=1, dim2=2).add_(1.0)
        blocks = out.view(members, batch, rows, batch, rows).diagonal(dim1=1, dim2=3)
        blocks.add_(((by_initial / initial.unsqueeze(2)) @ by_initial.mT).movedim(1, -1))
        return out

    def _mean_diagonal(self, penalty: Tensor, added: Tensor) -> Tensor:
        """Mean of the diagonal that the normal equations have once the initial states are eliminated, shape (members,)."""
        trace, seen = self._traced
        taken = solve(self.initial_hessian + torch.diag_embed(added), seen)
        mean: Tensor = (trace - taken.diagonal(dim1=2, dim2=3).sum((1, 2)) + penalty.sum(1)) / penalty.shape[1]
        return mean

    @cached_property
    def _traced(self) -> tuple[Tensor, Tensor]:
        """Trace of the normal equations, and the part that the initial states see: (members,) and (members, batch, n_states, n_states)."""
        by_initial = self.linearised.by_initial
        members, batch, rows, _ = by_initial.shape
        whole = self.grams.sum(1)
        blocks = whole.view(members, batch, rows, batch, rows).diagonal(dim1=1, dim2=3).movedim(-1, 1)
        return whole.diagonal(dim1=1, dim2=2).sum(1), by_initial.mT @ blocks @ by_initial


def is_dual(n_rows: int, n_parameters: int, groups: Sequence[Tensor]) -> bool:
    """Whether the dual form is the smaller one; it wants a prior of every parameter."""
    return n_rows <= n_parameters == sum(len(group) for group in groups)


def gather(
    problem: AbstractProblem, parts: Iterable[Linearised], evidence: Evidence, n_parameters: int, *, keep: bool
) -> AbstractEquations:
    """Collect linearised residuals in the smaller form, and keep them as well where that is asked for and they are not too many."""
    if is_dual(problem.n_rows, n_parameters, evidence.groups):
        return DualEquations.of(parts, evidence.groups)
    return NormalEquations.of(parts, keep=keep and problem.n_rows * n_parameters <= KEPT)


def _contiguous(positions: Tensor) -> slice | Tensor:
    """Positions as a slice, where they are one: its columns need no copy."""
    first, last = int(positions[0]), int(positions[-1]) + 1
    return slice(first, last) if last - first == len(positions) and bool((positions.diff() == 1).all()) else positions
