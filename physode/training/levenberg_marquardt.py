"""Damped Gauss-Newton steps on parameters and initial states together (Marquardt 1963), for all members of a fit at once.

Every initial state touches its own trajectory only, so it is eliminated from the normal equations block by block
(Schur complement) and the linear system has the size of the parameters alone. Each member has its own damping and ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from physode.training.evidence import SMALLEST_VARIANCE, Evidence
from physode.training.journal import Keep, State
from physode.training.problem import AbstractProblem, NormalEquations

__all__ = ["Point", "levenberg_marquardt"]

MOST_TRIALS = 12
FIRST_DAMPING, LEAST_DAMPING = 1e-2, 1e-10
TINY = 1e-12
SETTLING = 2
"""Steps before the hyperparameters are first re-estimated."""
SETTLED = 0.05
"""Change in the logarithm of a prior precision below which the hyperparameters count as settled."""
QUIET = 3
"""Steps in a row of little gain that end a fit."""


@dataclass
class Point:
    """Where a fit stands.

    Attributes
    ----------
    theta : Tensor, shape (members, n_parameters)
    initial : Tensor, shape (members, batch, n_states)
    squares : Tensor, shape (members, n_kinds)
    converged : Tensor of bool, shape (members,)
    """

    theta: Tensor
    initial: Tensor
    squares: Tensor
    converged: Tensor


@dataclass
class _Running:
    """The members that have not ended yet, (running, ...); `members` says which of all they are."""

    members: Tensor
    theta: Tensor
    initial: Tensor
    squares: Tensor
    path: tuple[Tensor, ...]
    damping: Tensor
    quiet: Tensor
    change: Tensor

    def take(self, which: Tensor) -> _Running:
        if bool(which.all()):
            return self
        path = tuple(part[which] for part in self.path)
        rest = (self.damping[which], self.quiet[which], self.change[which])
        return _Running(self.members[which], self.theta[which], self.initial[which], self.squares[which], path, *rest)


def levenberg_marquardt(
    problem: AbstractProblem,
    theta: Tensor,
    initial: Tensor,
    evidence: Evidence,
    *,
    iterations: int,
    tolerance: float,
    report: Callable[[Point, Tensor], None],
    going: State = None,
    keep: Keep = lambda _: None,
) -> Point:
    """Minimise a sum of squares with its penalty; the hyperparameters in `evidence` are updated in place.

    Parameters
    ----------
    problem : AbstractProblem
    theta, initial : Tensor
        Where to start, shapes (members, n_parameters) and (members, batch, n_states).
    evidence : Evidence
    iterations : int
        Largest number of accepted steps.
    tolerance : float
        A member has converged when three steps in a row lower its root mean square residual by less than this share
        and leave its hyperparameters settled.
    report : callable
        Called after each step with the `Point` and the members that moved; may raise to stop the fit.
    going, keep : State, Keep
        Where a run that was stopped stood, and who keeps that; see `physode.training.journal`.

    Returns
    -------
    Point
        The best one; never worse than the start.
    """
    point, at, begin = _start(problem, theta, initial) if going is None else _taken_up(problem, evidence, going)
    zero = torch.zeros(len(theta), dtype=theta.dtype, device=theta.device)
    for iteration in range(begin, iterations):
        own = evidence.take(at.members)
        equations = problem.normal_equations(at.theta, at.initial, at.path, 1 / own.variance, at.members)
        before = at.squares
        moved = _step(problem, at, equations, own)
        gain = 1 - (at.squares.sum(1) / before.sum(1)).sqrt()
        at.quiet = torch.where((gain < tolerance) & (at.change < SETTLED), at.quiet + 1, 0)
        exact = (at.squares < SMALLEST_VARIANCE * problem.counts).all(1)
        ended = ~moved | exact | (at.quiet >= QUIET)
        point.theta[at.members], point.initial[at.members], point.squares[at.members] = at.theta, at.initial, at.squares
        point.converged[at.members] = ended
        if bool(moved.any()):
            report(point, at.members[moved])
        if bool(ended.all()):
            break
        going = ~ended
        at, own, equations = at.take(going), own if bool(going.all()) else own.take(going), equations.take(torch.nonzero(going)[:, 0])
        if iteration >= SETTLING:
            at.change = own.update(problem, at.theta, at.squares, equations, _eliminate(equations, zero[: len(at.members)])[0])
            evidence.put(at.members, own)
        keep(partial(_standing, problem, evidence, point, at, iteration + 1))
    return point


def _start(problem: AbstractProblem, theta: Tensor, initial: Tensor) -> tuple[Point, _Running, int]:
    members = torch.arange(len(theta), device=theta.device)
    first = problem.evaluate(theta, initial, members)
    point = Point(theta.clone(), initial.clone(), first.squares.clone(), torch.zeros_like(members, dtype=torch.bool))
    damping, change = theta.new_full((len(theta),), FIRST_DAMPING), theta.new_zeros(len(theta))
    return point, _Running(members, theta, initial, first.squares, first.path, damping, torch.zeros_like(members), change), 0


def _standing(problem: AbstractProblem, evidence: Evidence, point: Point, at: _Running, iteration: int) -> State:
    """All that the next iteration depends on."""
    return {
        "point": (point.theta, point.initial, point.squares, point.converged),
        "running": (at.members, at.damping, at.quiet, at.change),
        "evidence": (evidence.variance, evidence.precision),
        "iteration": iteration,
        "spent": problem.n_evaluations,
    }


def _taken_up(problem: AbstractProblem, evidence: Evidence, going: State) -> tuple[Point, _Running, int]:
    """Where a run stood that was stopped."""
    device = evidence.variance.device
    point = Point(*(part.to(device) for part in going["point"]))
    members, damping, quiet, change = (part.to(device) for part in going["running"])
    evidence.variance, evidence.precision = (part.to(device) for part in going["evidence"])
    theta, initial, squares = point.theta[members], point.initial[members], point.squares[members]
    path = problem.evaluate(theta, initial, members).path
    problem.n_evaluations = going["spent"]
    return point, _Running(members, theta, initial, squares, path, damping, quiet, change), going["iteration"]


def _step(problem: AbstractProblem, at: _Running, equations: NormalEquations, evidence: Evidence) -> Tensor:
    """Raise each member's damping until a step lowers its objective, and take that step; tell who moved, shape (running,)."""
    penalty = evidence.per_parameter(at.theta)
    before = evidence.objective(problem, at.theta, at.initial, at.squares, at.members)
    moved = torch.zeros_like(at.members, dtype=torch.bool)
    pending = torch.arange(len(at.members), device=at.theta.device)
    for number in range(MOST_TRIALS):
        damping = at.damping[pending]
        reduced, gradient, solved = _eliminate(equations.take(pending), damping)
        diagonal = reduced.diagonal(dim1=1, dim2=2).add_(penalty[pending])
        diagonal.add_((damping * diagonal.mean(1) + TINY)[:, None])
        factor, _ = torch.linalg.cholesky_ex(reduced)
        slope = gradient + penalty[pending] * at.theta[pending]
        change = -torch.cholesky_solve(slope[..., None], factor)  # not finite, and so refused, where the factor is none
        theta = at.theta[pending] + change[..., 0]
        pulled = (solved.flatten(1, 2)[..., :-1] @ change).view(solved.shape[:-1])
        initial = at.initial[pending] - (solved[..., -1] + pulled)
        who = at.members[pending]
        found = problem.evaluate(theta, initial, who)
        own = evidence if len(pending) == len(at.members) else evidence.take(pending)
        better = own.objective(problem, theta, initial, found.squares, who) < before[pending]
        at.damping[pending] = torch.where(better, (damping / (8 if number == 0 else 1)).clamp(min=LEAST_DAMPING), damping * 5)
        if number == 0 and bool(better.all()):
            at.theta, at.initial, at.squares, at.path = theta, initial, found.squares, found.path
            return ~moved
        _merge(at, pending[better], better, theta, initial, found.squares, found.path)
        moved[pending[better]] = True
        pending = pending[~better]
        if not len(pending):
            break
    return moved


def _merge(at: _Running, where: Tensor, which: Tensor, theta: Tensor, initial: Tensor, squares: Tensor, path: tuple[Tensor, ...]) -> None:
    """Take over the members of a trial that are better; what was there may be somebody's, so it is copied."""
    if not len(where):
        return
    at.theta, at.initial = _put(at.theta, where, theta[which]), _put(at.initial, where, initial[which])
    at.squares = _put(at.squares, where, squares[which])
    at.path = tuple(_put(a, where, b[which]) for a, b in zip(at.path, path, strict=True))


def _put(into: Tensor, where: Tensor, values: Tensor) -> Tensor:
    return values if len(where) == len(into) else into.index_copy(0, where, values)


def _eliminate(equations: NormalEquations, damping: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Schur complement of the initial states, with a damping of shape (members,).

    Returns
    -------
    hessian : Tensor, shape (members, n_parameters, n_parameters)
        New, and free to be changed.
    gradient : Tensor, shape (members, n_parameters)
    solved : Tensor, shape (members, batch, n_states, n_parameters + 1)
        Initial-state blocks solved against the mixed block and, in the last column, against their gradient.
    """
    diagonal = equations.initial_hessian.diagonal(dim1=2, dim2=3)
    blocks = equations.initial_hessian + torch.diag_embed(damping[:, None, None] * diagonal + TINY)
    solved, singular = torch.linalg.solve_ex(blocks, torch.cat([equations.mixed, equations.initial_gradient[..., None]], dim=3))
    solved[singular > 0] = torch.nan  # an unstable run, whose end knows nothing of its start: the step is refused as one that fails
    turned, flat = equations.mixed.flatten(1, 2).mT, solved.flatten(1, 2)
    hessian = torch.baddbmm(equations.hessian, turned, flat[..., :-1], alpha=-1)
    return hessian, equations.gradient - (turned @ flat[..., -1:])[..., 0], solved
