"""Matching derivatives by L-BFGS, for networks whose Gauss-Newton matrix would be too large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from physode.fields.members import get_theta, set_theta
from physode.training.compiler import import_compiler
from physode.training.evidence import Evidence
from physode.training.journal import Keep, State
from physode.training.levenberg_marquardt import Point
from physode.training.matching import MatchingProblem

__all__ = ["match_by_descent"]

STEPS_PER_REPORT = 10


def match_by_descent(
    problem: MatchingProblem,
    theta: Tensor,
    evidence: Evidence,
    *,
    iterations: int,
    tolerance: float,
    report: Callable[[Point, Tensor], None],
    going: State = None,
    keep: Keep = lambda _: None,
) -> Point:
    """Minimise what `physode.training.levenberg_marquardt.levenberg_marquardt` does, without its second derivatives.

    Memory grows with the number of parameters, not with its square, and the hyperparameters stay as they are.

    Parameters
    ----------
    problem : MatchingProblem
    theta : Tensor, shape (members, n_parameters)
        Where to start; members are matched one after another.
    evidence : Evidence
    iterations : int
        Largest number of rounds, each of up to `STEPS_PER_REPORT` steps.
    tolerance : float
        The fit has converged when a round lowers the root mean square residual by less than this share.
    report : callable
        Called with each `Point` that is better than all before.
    going, keep : State, Keep
        Not used: a match that was stopped, a matter of seconds, starts anew.

    Returns
    -------
    Point
        The best one; never worse than the start.
    """
    members = torch.arange(len(theta), device=theta.device)
    nobody = theta.new_zeros(len(theta), 1, 0)
    squares = problem.evaluate(theta, nobody, members).squares
    best = Point(theta.clone(), nobody, squares, torch.zeros_like(members, dtype=torch.bool))
    for member in members[:, None]:
        _match(problem, best, member, evidence.take(member), iterations, tolerance, report)
    return best


def _match(
    problem: MatchingProblem,
    best: Point,
    member: Tensor,
    evidence: Evidence,
    iterations: int,
    tolerance: float,
    report: Callable[[Point, Tensor], None],
) -> None:
    """Match one member, given by its number in a tensor of one, and put what is found where the best is kept."""
    field = problem.vector_field
    set_theta(field, best.theta[member])
    settings: dict[str, Any] = {"max_iter": STEPS_PER_REPORT, "history_size": 20, "line_search_fn": "strong_wolfe"}
    import_compiler()
    optimiser = torch.optim.LBFGS(list(field.parameters()), **settings)

    def closure() -> Tensor:
        optimiser.zero_grad()
        squares = problem.residual(member).square().sum(1)
        here = torch.cat([parameter.flatten(1) for parameter in field.parameters()], dim=1)
        penalty = (evidence.per_parameter(here.detach()) * here.square()).sum()
        loss = ((squares / evidence.variance).sum() + penalty) / problem.counts.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        problem.n_evaluations += 1
        return loss

    for _ in range(iterations):
        optimiser.step(closure)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            squares = problem.residual(member).square().sum(1)
        gain = 1 - float((squares.sum() / best.squares[member].sum()).sqrt())
        if gain > 0:
            best.theta[member], best.squares[member] = get_theta(field), squares
            report(best, member)
        if not gain > tolerance:
            return
