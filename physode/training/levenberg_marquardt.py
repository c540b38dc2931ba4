"""Damped Gauss-Newton steps on parameters and initial states together (Marquardt 1963), for all members of a fit at once.

Each member has its own damping and ends by itself. A step can follow the curvature of the residuals along it (geodesic acceleration,
Transtrum & Sethna 2012, arXiv:1201.5885): in the narrow bent valleys of a record with little noise it is then several times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from physode.training.equations import AbstractEquations, Step, gather
from physode.training.evidence import SMALLEST_VARIANCE, Evidence
from physode.training.journal import Keep, State
from physode.training.problem import AbstractProblem, Evaluation, little

__all__ = ["Point", "levenberg_marquardt"]

MOST_TRIALS = 12
PROBE, MOST_BENT = 0.1, 0.75
"""Share of a step at which the residuals' curvature is measured, and the share of a step of which twice the correction must be less."""
FIRST_DAMPING, LEAST_DAMPING = 1e-2, 1e-10
HARDER, EASIER, WARY, RECOVERY = 5.0, 8.0, 2.0, 1.4
"""Factors: by which a refused step raises the damping, and by which a step taken at once lowers it; what the latter falls to after a
refused step, so that the next one is not refused again, and what it grows by with each step taken at once."""
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
    ease: Tensor
    """Factor by which the damping is lowered after a step that is taken at once."""
    quiet: Tensor
    """Steps in a row of little gain."""
    change: Tensor
    """Of the hyperparameters, at their last estimate."""
    steps: Tensor
    trials: Tensor
    """Steps refused in a row."""
    gaining: Tensor
    """Whether the last step was one of more than little gain."""

    def take(self, which: Tensor) -> _Running:
        if bool(which.all()):
            return self
        path = tuple(part[which] for part in self.path)
        return _Running(path=path, **{name: part[which] for name, part in vars(self).items() if name != "path"})

    def move(self, which: Tensor, theta: Tensor, initial: Tensor, found: Evaluation) -> None:
        """Take over a trial of some members."""
        self.theta, self.initial = _where(which, theta, self.theta), _where(which, initial, self.initial)
        self.squares = _where(which, found.squares, self.squares)
        self.path = tuple(_where(which, new, old) for new, old in zip(found.path, self.path, strict=True))


def levenberg_marquardt(
    problem: AbstractProblem,
    theta: Tensor,
    initial: Tensor,
    evidence: Evidence,
    *,
    iterations: int,
    tolerance: float,
    accelerate: bool = False,
    report: Callable[[Point, Tensor], None],
    going: State = None,
    keep: Keep = lambda _: None,
) -> Point:
    """Minimise a sum of squares with its penalty; the hyperparameters in `evidence` are updated in place.

    Each member tries one step at a time: a refused one raises its damping, and nobody waits for it.

    Parameters
    ----------
    problem : AbstractProblem
    theta, initial : Tensor
        Where to start, shapes (members, n_parameters) and (members, batch, n_states).
    evidence : Evidence
    iterations : int
        Largest number of accepted steps of a member.
    tolerance : float
        A member has converged when three steps in a row lower its root mean square residual by less than this share (by more where it is
        close to exact, see `little`) and leave its hyperparameters settled.
    accelerate : bool, default False
        Whether steps follow the curvature of the residuals as long as they gain more than that.
    report : callable
        Called after each step with the `Point` and the members that moved; may raise to stop the fit.
    going, keep : State, Keep
        Where a run that was stopped stood, and who keeps that; see `physode.training.journal`.

    Returns
    -------
    Point
        The best one; never worse than the start.
    """
    point, at = _start(problem, theta, initial) if going is None else _taken_up(problem, evidence, going)
    at = at.take(at.steps < iterations)
    if going is not None and not len(at.members):  # stopped after its last step
        problem.n_evaluations = going["spent"]
        return point
    equations = _linearised(problem, at, evidence, keep=accelerate)
    if going is not None:
        problem.n_evaluations = going["spent"]
    while len(at.members):
        own, before = evidence.take(at.members), at.squares
        moved = _try(problem, at, equations, own, accelerate=accelerate)
        gain = 1 - (at.squares.sum(1) / before.sum(1)).sqrt()
        at.gaining = torch.where(moved, gain >= little(tolerance, at.squares, problem.counts), at.gaining)
        at.quiet = torch.where(moved, torch.where(~at.gaining & (at.change < SETTLED), at.quiet + 1, 0), at.quiet)
        exact = (at.squares < SMALLEST_VARIANCE * problem.counts).all(1)
        ended = torch.where(moved, exact | (at.quiet >= QUIET), at.trials >= MOST_TRIALS)
        point.theta[at.members], point.initial[at.members], point.squares[at.members] = at.theta, at.initial, at.squares
        point.converged[at.members] = ended
        if bool(moved.any()):
            report(point, at.members[moved])
        learning = moved & ~ended & (at.steps > SETTLING)
        if bool(learning.any()):
            some, own = at.take(learning), own.take(learning)
            determined = equations.take(learning).determined(own)
            at.change[learning] = own.update(problem.counts, some.theta, some.squares, determined)
            evidence.put(some.members, own)
        going_on = ~ended & (at.steps < iterations)
        at, equations, moved = at.take(going_on), equations.take(going_on), moved[going_on]
        if bool(moved.any()):
            equations = equations.put(moved, _linearised(problem, at.take(moved), evidence, keep=accelerate))
        keep(partial(_standing, problem, evidence, point, at))
    return point


def _linearised(problem: AbstractProblem, at: _Running, evidence: Evidence, *, keep: bool) -> AbstractEquations:
    """The equations of a step from where some members are."""
    own = evidence.take(at.members)
    parts = problem.linearise(at.theta, at.initial, at.path, 1 / own.variance, at.members)
    return gather(problem, parts, own, at.theta.shape[1], keep=keep)


def _start(problem: AbstractProblem, theta: Tensor, initial: Tensor) -> tuple[Point, _Running]:
    members = torch.arange(len(theta), device=theta.device)
    first, none = problem.evaluate(theta, initial, members), torch.zeros_like(members)
    point = Point(theta.clone(), initial.clone(), first.squares.clone(), torch.zeros_like(members, dtype=torch.bool))
    change, gaining = theta.new_zeros(len(theta)), torch.ones_like(members, dtype=torch.bool)
    damped, ease = torch.full_like(change, FIRST_DAMPING), torch.full_like(change, EASIER)
    return point, _Running(members, theta, initial, first.squares, first.path, damped, ease, none, change, none, none, gaining)


def _standing(problem: AbstractProblem, evidence: Evidence, point: Point, at: _Running) -> State:
    """All that the next step depends on."""
    return {
        "point": (point.theta, point.initial, point.squares, point.converged),
        "running": (at.members, at.damping, at.ease, at.quiet, at.change, at.steps, at.trials, at.gaining),
        "evidence": (evidence.variance, evidence.precision),
        "spent": problem.n_evaluations,
    }


def _taken_up(problem: AbstractProblem, evidence: Evidence, going: State) -> tuple[Point, _Running]:
    """Where a run stood that was stopped."""
    device = evidence.variance.device
    point = Point(*(part.to(device) for part in going["point"]))
    members, *rest = (part.to(device) for part in going["running"])
    evidence.variance, evidence.precision = (part.to(device) for part in going["evidence"])
    theta, initial, squares = point.theta[members], point.initial[members], point.squares[members]
    path = problem.evaluate(theta, initial, members).path
    return point, _Running(members, theta, initial, squares, path, *rest)


def _try(problem: AbstractProblem, at: _Running, equations: AbstractEquations, evidence: Evidence, *, accelerate: bool) -> Tensor:
    """Try one step of each member, and take it where it lowers the objective; tell who moved, shape (running,)."""
    before = evidence.objective(problem, at.theta, at.initial, at.squares, at.members)
    step = equations.step(at.theta, evidence, at.damping)
    change, shift = _accelerated(problem, at, equations, step, evidence) if accelerate else (step.change, step.shift)
    theta, initial = at.theta + change, at.initial + shift
    found = problem.evaluate(theta, initial, at.members)
    better = evidence.objective(problem, theta, initial, found.squares, at.members) < before
    at_once = better & (at.trials == 0)
    at.damping = torch.where(better, torch.where(at_once, at.damping / at.ease, at.damping).clamp(min=LEAST_DAMPING), at.damping * HARDER)
    at.ease = torch.where(better, torch.where(at_once, (at.ease * RECOVERY).clamp(max=EASIER), at.ease), WARY)
    at.trials, at.steps = torch.where(better, 0, at.trials + 1), at.steps + better
    at.move(better, theta, initial, found)
    return better


def _accelerated(
    problem: AbstractProblem, at: _Running, equations: AbstractEquations, step: Step, evidence: Evidence
) -> tuple[Tensor, Tensor]:
    """Change and shift to second order, for members that gain, where the correction is small against the step."""
    change, shift, whole = step.change, step.shift, equations.linearised
    if whole is None or step.against is None or not bool(at.gaining.any()):
        return change, shift
    near = problem.evaluate(at.theta + PROBE * change, at.initial + PROBE * shift, at.members)
    gained = problem.weighted(near.path, 1 / evidence.variance, at.members) - whole.residual
    second, second_shift = step.against(2 / PROBE * (gained / PROBE - whole.along(change, shift)))
    use = at.gaining & (2 * second.norm(dim=1) < MOST_BENT * change.norm(dim=1))
    return _where(use, change + second / 2, change), _where(use, shift + second_shift / 2, shift)


def _where(which: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Take the new values of some members."""
    return new if bool(which.all()) else torch.where(which.view(-1, *[1] * (new.ndim - 1)), new, old)
