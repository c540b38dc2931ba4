"""Damped Gauss-Newton steps on parameters and initial states together (Marquardt 1963).

Every initial state touches its own trajectory only, so it is eliminated from the normal equations block by block
(Schur complement) and the linear system has the size of the parameters alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from physode.training.evidence import SMALLEST_VARIANCE, Evidence
from physode.training.problem import AbstractProblem, NormalEquations

__all__ = ["Point", "levenberg_marquardt"]

MOST_TRIALS = 12
LEAST_DAMPING = 1e-10
TINY = 1e-12
SETTLING = 2
"""Steps before the hyperparameters are first re-estimated."""
SETTLED = 0.05
"""Change in the logarithm of a prior precision below which the hyperparameters count as settled."""


@dataclass(frozen=True)
class Point:
    """Where a fit stands.

    Attributes
    ----------
    theta : Tensor, shape (n_parameters,)
    initial : Tensor, shape (batch, n_states)
    squares : Tensor, shape (n_kinds,)
    converged : bool
    """

    theta: Tensor
    initial: Tensor
    squares: Tensor
    converged: bool = False


def levenberg_marquardt(
    problem: AbstractProblem,
    theta: Tensor,
    initial: Tensor,
    evidence: Evidence,
    *,
    iterations: int,
    tolerance: float,
    report: Callable[[Point], None],
) -> Point:
    """Minimise a sum of squares with its penalty; the hyperparameters in `evidence` are updated in place.

    Parameters
    ----------
    problem : AbstractProblem
    theta, initial : Tensor
        Where to start.
    evidence : Evidence
    iterations : int
        Largest number of accepted steps.
    tolerance : float
        The fit has converged when three steps in a row lower the root mean square residual by less than this share
        and leave the hyperparameters settled.
    report : callable
        Called with each accepted `Point`; may raise to stop the fit.

    Returns
    -------
    Point
        The best one; never worse than the start.
    """
    point = Point(theta, initial, problem.squares(theta, initial))
    damping, quiet, change = 1e-2, 0, 0.0
    for iteration in range(iterations):
        equations = problem.normal_equations(point.theta, point.initial, 1 / evidence.variance)
        trial, damping = _step(problem, point, equations, evidence, damping)
        if trial is None:
            return replace(point, converged=True)
        gain = 1 - float((trial.squares.sum() / point.squares.sum()).sqrt())
        quiet = quiet + 1 if gain < tolerance and change < SETTLED else 0
        point = trial
        report(point)
        exact = bool((point.squares < SMALLEST_VARIANCE * problem.counts).all())
        if exact or quiet >= 3:
            return replace(point, converged=True)
        if iteration >= SETTLING:
            change = evidence.update(problem, point.theta, point.squares, equations, _eliminate(equations, 0.0)[0])
    return point


def _step(
    problem: AbstractProblem, point: Point, equations: NormalEquations, evidence: Evidence, damping: float
) -> tuple[Point | None, float]:
    """Raise the damping until a step lowers the objective; give that step and the damping to go on with."""
    penalty = evidence.per_parameter(point.theta)
    before = evidence.objective(problem, point.theta, point.initial, point.squares)
    for number in range(MOST_TRIALS):
        reduced, gradient, solved = _eliminate(equations, damping)
        matrix = reduced + torch.diag(penalty)
        factor, failed = torch.linalg.cholesky_ex(matrix + torch.diag(damping * matrix.diagonal().mean() + torch.full_like(penalty, TINY)))
        if not failed:
            slope = gradient + penalty * point.theta
            change = -torch.cholesky_solve(slope[:, None], factor)[:, 0]
            theta = point.theta + change
            initial = point.initial - (solved[..., -1] + solved[..., :-1] @ change)
            squares = problem.squares(theta, initial)
            if evidence.objective(problem, theta, initial, squares) < before:
                return Point(theta, initial, squares), max(damping / (8 if number == 0 else 1), LEAST_DAMPING)
        damping *= 5
    return None, damping


def _eliminate(equations: NormalEquations, damping: float) -> tuple[Tensor, Tensor, Tensor]:
    """Schur complement of the initial states.

    Returns
    -------
    hessian : Tensor, shape (n_parameters, n_parameters)
    gradient : Tensor, shape (n_parameters,)
    solved : Tensor, shape (batch, n_states, n_parameters + 1)
        Initial-state blocks solved against the mixed block and, in the last column, against their gradient.
    """
    diagonal = torch.diagonal(equations.initial_hessian, dim1=1, dim2=2)
    blocks = equations.initial_hessian + torch.diag_embed(damping * diagonal + TINY)
    solved, singular = torch.linalg.solve_ex(blocks, torch.cat([equations.mixed, equations.initial_gradient[..., None]], dim=2))
    solved[singular > 0] = torch.nan  # an unstable run, whose end knows nothing of its start: the step is refused as one that fails
    mixed = equations.mixed.flatten(0, 1)
    flat = solved.flatten(0, 1)
    return equations.hessian - mixed.T @ flat[:, :-1], equations.gradient - mixed.T @ flat[:, -1], solved
