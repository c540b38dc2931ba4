"""Matching derivatives by L-BFGS, for networks whose Gauss-Newton matrix would be too large."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from physode.training.evidence import Evidence
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
    report: Callable[[Point], None],
) -> Point:
    """Minimise what `physode.training.levenberg_marquardt.levenberg_marquardt` does, without its second derivatives.

    Memory grows with the number of parameters, not with its square, and the hyperparameters stay as they are.

    Parameters
    ----------
    problem : MatchingProblem
    theta : Tensor, shape (n_parameters,)
        Where to start.
    evidence : Evidence
    iterations : int
        Largest number of rounds, each of up to `STEPS_PER_REPORT` steps.
    tolerance : float
        The fit has converged when a round lowers the root mean square residual by less than this share.
    report : callable
        Called with each `Point` that is better than all before.

    Returns
    -------
    Point
        The best one; never worse than the start.
    """
    field, nobody = problem.vector_field, problem.states[:0]
    vector_to_parameters(theta.clone(), field.parameters())  # parameters share memory with the vector that they are taken from
    parameters = list(field.parameters())
    optimiser = torch.optim.LBFGS(parameters, max_iter=STEPS_PER_REPORT, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        residual = field(problem.time, problem.states, problem.inputs) - problem.derivatives
        here = parameters_to_vector(parameters)
        penalty = (evidence.per_parameter(here.detach()) * here.square()).sum()
        loss: Tensor = ((residual.square().sum(0) / evidence.variance).sum() + penalty) / problem.counts.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        problem.n_evaluations += 1
        return loss

    best = Point(theta, nobody, problem.squares(theta.clone(), nobody))
    for _ in range(iterations):
        optimiser.step(closure)  # type: ignore[no-untyped-call]
        here = parameters_to_vector(parameters).detach().clone()
        squares = problem.squares(here.clone(), nobody)
        gain = 1 - float((squares.sum() / best.squares.sum()).sqrt())
        if gain > 0:
            best = Point(here, nobody, squares)
            report(best)
        if not gain > tolerance:
            break
    return best
