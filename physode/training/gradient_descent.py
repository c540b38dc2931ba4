"""L-BFGS and Adam through any differentiable solver, for networks or records too large for Gauss-Newton."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from physode.fields.base import AbstractField
from physode.fields.members import get_theta, set_theta
from physode.fields.mlp import LinearPlusMLP
from physode.solvers.base import AbstractSolver
from physode.training.batch import Batch
from physode.training.compiler import import_compiler
from physode.training.evidence import Evidence
from physode.training.journal import Keep, State
from physode.training.levenberg_marquardt import Point
from physode.training.problem import little
from physode.training.shooting import InitialPrior

__all__ = ["DescentProblem", "adam", "lbfgs"]

STEPS_PER_REPORT = 5
MINIBATCH = 5_000
"""Observations in one Adam step."""
BLOCK = 10_000
"""Observations integrated at once by L-BFGS: what is kept for the reverse pass then does not grow with the record."""
LEARNING_RATE = 1e-2


@dataclass
class DescentProblem:
    """Integrated states minus measurements, differentiated by torch.

    Parameters
    ----------
    vector_field : AbstractField
        By itself: members are fitted one after another.
    batch : Batch
    observed : tuple of int
        Components of the state that `batch.values` measures.
    prior : InitialPrior
    solver : AbstractSolver
    max_step : float
    """

    vector_field: AbstractField
    batch: Batch
    observed: tuple[int, ...]
    prior: InitialPrior
    solver: AbstractSolver
    max_step: float
    n_evaluations: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.counts = self.batch.mask.sum((0, 1)).clamp(min=1)

    def squares(self, initial: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of squared residuals and number of measurements of each observed state over some windows."""
        batch = self.batch.choose(rows)
        counted = _Counted(self.vector_field)
        states = self.solver.integrate(counted, initial, batch.time, batch.inputs, self.max_step)
        self.n_evaluations += counted.calls
        target = batch.of_members[0].nan_to_num(0.0)
        residual = torch.where(batch.mask, (states[..., list(self.observed)] - target) * batch.root, 0.0)
        return residual.square().sum((0, 1)), batch.mask.sum((0, 1))

    def measured(self, rows: Tensor) -> Tensor:
        """Number of measurements in some windows, a scalar of at least 1."""
        return self.batch.mask[rows].sum().clamp(min=1)

    def cost(self, initial: Tensor, rows: Tensor, evidence: Evidence) -> Tensor:
        """Share of some windows in twice the negative logarithm of the posterior, up to a constant."""
        squares, _ = self.squares(initial[rows], rows)
        theta = parameters_to_vector(self.vector_field.parameters())
        share = len(rows) / len(initial)
        precision, mean = self.prior.precision[rows], self.prior.mean[0, rows]
        penalty = (evidence.per_parameter(theta.detach()[None])[0] * theta.square()).sum() * share
        start = (precision * (initial[rows] - mean).square()).sum()
        return (squares / evidence.variance[0]).sum() + start + penalty

    def loss(self, initial: Tensor, rows: Tensor, evidence: Evidence) -> Tensor:
        """`cost` per measurement."""
        return self.cost(initial, rows, evidence) / self.measured(rows)


class _Counted(AbstractField):
    """A field that counts its evaluations."""

    def __init__(self, inner: AbstractField) -> None:
        super().__init__()
        self.inner, self.calls = inner, 0
        self.n_states, self.n_inputs = inner.n_states, inner.n_inputs
        self.separable, self.second_order = inner.separable, inner.second_order

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        self.calls += 1
        out: Tensor = self.inner(t, z, u)
        return out

    def perceptron(self, evaluations: int) -> LinearPlusMLP | None:
        net = self.inner.perceptron(evaluations)
        self.calls += evaluations if net is not None else 0
        return net

    def pull_back(self, t: Tensor, z: Tensor, u: Tensor, cotangents: Tensor) -> tuple[Tensor, ...]:
        self.calls += 1
        return self.inner.pull_back(t, z, u, cotangents)

    def state_jacobian(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        self.calls += 1
        return self.inner.state_jacobian(t, z, u)

    def penalty_groups(self) -> list[list[list[str]]]:
        return self.inner.penalty_groups()


def _finish(problem: DescentProblem, initial: Tensor, squares: Tensor, evidence: Evidence) -> Point:
    """Take the point over, as that of one member, and re-estimate the noise that is not known."""
    estimate = evidence.shared((squares / problem.counts).clamp(min=1e-12))
    evidence.variance = torch.where(evidence.known_noise, evidence.variance, estimate)
    unsettled = torch.zeros(1, dtype=torch.bool, device=initial.device)
    return Point(get_theta(problem.vector_field), initial.detach()[None].clone(), squares[None], unsettled)


def lbfgs(
    problem: DescentProblem,
    initial: Tensor,
    evidence: Evidence,
    *,
    iterations: int,
    tolerance: float,
    report: Callable[[Point, Tensor], None],
    going: State = None,
    keep: Keep = lambda _: None,
) -> Point:
    """Limited-memory BFGS with a strong-Wolfe line search (Nocedal & Wright 2006, ch. 7) on the full batch.

    Parameters and result are those of `physode.training.levenberg_marquardt.levenberg_marquardt`, with one member; the field's own
    parameters are the start.
    """
    start = initial[0].clone().requires_grad_()
    rows = torch.arange(len(start), device=start.device)
    parameters = [*problem.vector_field.parameters(), start]
    import_compiler()
    optimiser = torch.optim.LBFGS(parameters, max_iter=STEPS_PER_REPORT, history_size=20, line_search_fn="strong_wolfe")

    size, measured = max(1, BLOCK // problem.batch.time.shape[1]), problem.measured(rows)
    blocks = [rows[first : first + size] for first in range(0, len(rows), size)]

    def closure() -> Tensor:
        optimiser.zero_grad()
        total = start.new_zeros(())
        for block in blocks:
            loss = problem.cost(start, block, evidence) / measured
            total += loss.detach()
            if not bool(total.isfinite()):
                return total.new_full((), torch.inf)  # of NaN the line search would find no bracket
            loss.backward()  # type: ignore[no-untyped-call]
        return total

    def several(steps: int) -> None:
        optimiser.param_groups[0]["max_iter"] = steps
        optimiser.step(closure)  # type: ignore[no-untyped-call]

    descent = _Descent(problem, start, evidence, several, [optimiser])
    return descent.run(iterations, tolerance, report, going, keep)


def adam(
    problem: DescentProblem,
    initial: Tensor,
    evidence: Evidence,
    *,
    iterations: int,
    tolerance: float,
    random: torch.Generator,
    report: Callable[[Point, Tensor], None],
    going: State = None,
    keep: Keep = lambda _: None,
) -> Point:
    """Adam (Kingma & Ba 2015) on minibatches of windows, drawn at random; see `lbfgs` for the other parameters and the result."""
    start = initial[0].clone().requires_grad_()
    rows = torch.arange(len(start), device=start.device)
    import_compiler()
    optimiser = torch.optim.Adam([*problem.vector_field.parameters(), start], lr=LEARNING_RATE)
    size = max(1, MINIBATCH // problem.batch.time.shape[1])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=max(iterations, 1))

    def several(steps: int) -> None:
        for _ in range(steps):
            chosen = rows if len(rows) <= size else torch.randperm(len(rows), generator=random)[:size].to(rows.device)
            optimiser.zero_grad()
            loss = problem.loss(start, chosen, evidence)
            if bool(loss.isfinite()):
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(problem.vector_field.parameters(), 10.0)
                optimiser.step()
            schedule.step()

    descent = _Descent(problem, start, evidence, several, [optimiser, schedule])
    return descent.run(iterations, 0.0, report, going, keep)


@dataclass
class _Descent:
    """A run of one of torch's optimisers, which `advance` takes so many steps further; `parts` are what has a state of its own."""

    problem: DescentProblem
    start: Tensor
    evidence: Evidence
    advance: Callable[[int], object]
    parts: list[Any]

    def run(self, iterations: int, tolerance: float, report: Callable[[Point, Tensor], None], going: State, keep: Keep) -> Point:
        """Advance, keep the best point, and stop when nothing is gained any more."""
        problem, rows = self.problem, torch.arange(len(self.start), device=self.start.device)
        if going is None:
            with torch.no_grad():
                best = _finish(problem, self.start, problem.squares(self.start, rows)[0], self.evidence)
            quiet, begin = 0, 0
        else:
            best, quiet, begin = self._take_up(going)
        for number in range(begin, math.ceil(iterations / STEPS_PER_REPORT)):
            self.advance(min(STEPS_PER_REPORT, iterations - number * STEPS_PER_REPORT))
            with torch.no_grad():
                squares = problem.squares(self.start, rows)[0]
            total, least = float(squares.sum()), float(best.squares.sum())
            enough = float(little(tolerance, best.squares[0], problem.counts))
            quiet = 0 if total < least * (1 - enough) else quiet + 1
            if math.isfinite(total) and total < least:
                best = _finish(problem, self.start, squares, self.evidence)
                report(best, rows[:1])
            if quiet >= 3 and tolerance:
                best = replace(best, converged=torch.ones_like(best.converged))
                break
            keep(partial(self._standing, best, quiet, number + 1))
        set_theta(problem.vector_field, best.theta.clone())
        return best

    def _standing(self, best: Point, quiet: int, number: int) -> State:
        return {
            "best": (best.theta, best.initial, best.squares, best.converged),
            "at": (get_theta(self.problem.vector_field), self.start),
            "evidence": (self.evidence.variance, self.evidence.precision),
            "parts": [part.state_dict() for part in self.parts],
            "quiet": quiet,
            "number": number,
            "spent": self.problem.n_evaluations,
        }

    def _take_up(self, going: State) -> tuple[Point, int, int]:
        device = self.start.device
        theta, start = (part.to(device) for part in going["at"])
        set_theta(self.problem.vector_field, theta)
        with torch.no_grad():
            self.start.copy_(start)
        for part, state in zip(self.parts, going["parts"], strict=True):
            part.load_state_dict(state)
        self.evidence.variance, self.evidence.precision = (part.to(device) for part in going["evidence"])
        self.problem.n_evaluations = going["spent"]
        return Point(*(part.to(device) for part in going["best"])), going["quiet"], going["number"]
