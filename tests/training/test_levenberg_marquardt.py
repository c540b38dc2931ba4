"""Damped Gauss-Newton steps and the hyperparameters that they learn."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import physode
from physode import systems
from physode.training.evidence import FREE_PRECISION, Evidence
from physode.training.levenberg_marquardt import Point, levenberg_marquardt
from physode.training.problem import CLOSE, AbstractProblem, Evaluation, Linearised, little
from physode.training.result import Progress, StopFit


@dataclass
class LinearProblem(AbstractProblem):
    """Residuals A theta + s - y, where s is an initial state of its own for each of three groups; one kind of residual."""

    design: Tensor
    target: Tensor
    initial_precision: Tensor
    n_evaluations: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.counts = torch.tensor([float(self.target.numel())], dtype=torch.float64)
        self.n_rows = self.target.numel()

    def residual(self, theta: Tensor, initial: Tensor) -> Tensor:
        return torch.einsum("gsp,mp->mgs", self.design, theta) + initial - self.target

    def evaluate(self, theta: Tensor, initial: Tensor, members: Tensor) -> Evaluation:
        self.n_evaluations += 1
        residual = self.residual(theta, initial)
        return Evaluation(residual.square().sum((1, 2))[:, None], (residual,))

    def weighted(self, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Tensor:
        return path[0] * weight.sqrt()[..., None]

    def prior_cost(self, initial: Tensor, members: Tensor) -> Tensor:
        return (self.initial_precision * initial.square()).sum((1, 2))

    def linearise(self, theta: Tensor, initial: Tensor, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Iterator[Linearised]:
        (residual,) = path
        torch.testing.assert_close(residual, self.residual(theta, initial))
        root = weight.sqrt()[..., None].expand_as(residual).clone()
        by_parameters = self.design * root[..., None]
        pull = self.initial_precision * initial
        precision = self.initial_precision.expand_as(pull).contiguous()
        yield Linearised(residual * root, root[..., None], by_parameters, precision, pull)


TRUTH = torch.tensor([1.5, -2.0, 0.5, 3.0], dtype=torch.float64)
STARTS = torch.tensor([[0.7], [-0.4], [1.1]], dtype=torch.float64)


def problem(noise: float, size: int = 40) -> LinearProblem:
    generator = torch.Generator().manual_seed(1)
    design = torch.randn(3, size, 4, generator=generator, dtype=torch.float64)
    target = design @ TRUTH + STARTS + noise * torch.randn(3, size, generator=generator, dtype=torch.float64)
    return LinearProblem(design, target, torch.full((3, 1), 1e-9, dtype=torch.float64))


def evidence(
    variance: float,
    *,
    known: bool,
    groups: list[Tensor] | None = None,
    precision: float = 0.1,
    ordered: tuple[tuple[int, int], ...] = (),
) -> Evidence:
    groups = groups or []
    return Evidence(
        torch.tensor([[variance]], dtype=torch.float64),
        torch.full((1, len(groups)), precision, dtype=torch.float64),
        groups,
        torch.tensor([known]),
        list(ordered),
    )


def run(linear: LinearProblem, hyper: Evidence, iterations: int = 30) -> tuple[Point, list[Point]]:
    """From zero, for one member."""
    path: list[Point] = []
    start = torch.zeros(1, 4, dtype=torch.float64), torch.zeros(1, 3, 1, dtype=torch.float64)

    def report(point: Point, moved: Tensor) -> None:
        assert moved.tolist() == [0]
        path.append(copy.deepcopy(point))

    point = levenberg_marquardt(linear, *start, hyper, iterations=iterations, tolerance=1e-6, report=report, accelerate=True)
    return point, path


def test_a_linear_problem_is_solved_exactly_in_a_few_steps() -> None:
    linear = problem(0.1)
    point, path = run(linear, evidence(0.01, known=True))
    columns = torch.cat([linear.design.flatten(0, 1), torch.block_diag(*torch.ones(3, 40, 1, dtype=torch.float64))], dim=1)
    exact = torch.linalg.lstsq(columns, linear.target.flatten()).solution
    torch.testing.assert_close(torch.cat([point.theta[0], point.initial[0, :, 0]]), exact, rtol=1e-6, atol=1e-6)
    assert point.converged
    assert len(path) <= 8
    far = [float((torch.cat([p.theta[0], p.initial[0, :, 0]]) - exact).norm() / exact.norm()) for p in path[:3]]
    assert far[0] < 0.05 and far[1] < 1e-3 and far[2] < 1e-6  # theta and the initial states arrive together
    objective = [float(p.squares) for p in path]
    assert objective == sorted(objective, reverse=True)


@dataclass
class Valley(AbstractProblem):
    """A narrow bent valley: residuals 10 (y - x^2) and 0.1 (1 - x), after Rosenbrock 1960; each a trajectory without an initial state."""

    n_evaluations: int = field(default=0, init=False)
    n_rows: int = field(default=2, init=False)
    counts: Tensor = field(default_factory=lambda: torch.tensor([2.0], dtype=torch.float64))

    def evaluate(self, theta: Tensor, initial: Tensor, members: Tensor) -> Evaluation:
        self.n_evaluations += 1
        x, y = theta.T
        residual = torch.stack([10 * (y - x**2), 0.1 * (1 - x)], dim=1)[..., None]
        return Evaluation(residual.square().sum(1), (residual,))

    def weighted(self, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Tensor:
        return path[0] * weight.sqrt()[..., None]

    def prior_cost(self, initial: Tensor, members: Tensor) -> Tensor:
        return torch.zeros(len(members), dtype=torch.float64)

    def linearise(self, theta: Tensor, initial: Tensor, path: tuple[Tensor, ...], weight: Tensor, members: Tensor) -> Iterator[Linearised]:
        x = theta[:, 0]
        rows = torch.tensor([[0.0, 10.0], [-0.1, 0.0]], dtype=torch.float64).expand(len(theta), 2, 2).clone()
        rows[:, 0, 0] = -20 * x
        rows = (rows * weight.sqrt()[..., None])[:, :, None]
        yield Linearised(self.weighted(path, weight, members), rows[..., :0], rows, *[initial.clone()] * 2)


def test_steps_that_follow_a_bent_valley_are_longer() -> None:
    start, nothing = torch.tensor([[-1.5, 2.25]], dtype=torch.float64), torch.zeros(1, 2, 0, dtype=torch.float64)
    taken = {}
    for accelerate in (True, False):
        known, valley = evidence(1.0, known=True), Valley()
        steps: list[int] = []

        def report(_: Point, moved: Tensor, steps: list[int] = steps) -> None:
            steps.extend(moved.tolist())

        settings = {"iterations": 200, "tolerance": 1e-6, "accelerate": accelerate}
        point = levenberg_marquardt(valley, start, nothing, known, report=report, **settings)
        torch.testing.assert_close(point.theta[0], torch.ones(2, dtype=torch.float64), rtol=1e-4, atol=1e-4)
        taken[accelerate] = len(steps), valley.n_evaluations
    assert taken[True][0] < taken[False][0] / 2
    assert taken[True][1] < taken[False][1]


def test_a_problem_without_noise_is_exact_and_says_so() -> None:
    point, path = run(problem(0.0), evidence(1e-6, known=False))
    torch.testing.assert_close(point.theta[0], TRUTH, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(point.initial[0], STARTS, rtol=1e-4, atol=1e-4)
    assert point.converged and len(path) <= 8


def test_a_step_must_gain_a_larger_share_near_an_exact_fit() -> None:
    residuals = torch.tensor([1.0, CLOSE, CLOSE / 9], dtype=torch.float64)
    counts = torch.tensor([30.0, 70.0], dtype=torch.float64)
    shares = little(0.001, residuals[:, None].square() * counts, counts)
    torch.testing.assert_close(shares, torch.tensor([0.001 * (1 + CLOSE), 0.002, 0.01], dtype=torch.float64))


@pytest.mark.parametrize("optimizer", ["levenberg-marquardt", "lbfgs"])
def test_a_fit_ends_sooner_where_close_is_farther_from_exact(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = systems.get("lotka-volterra").simulate(np.linspace(0, 10, 61), {"x": 1.0, "y": 1.0})
    steps = []
    for close in (0.0, 1.0):
        monkeypatch.setattr("physode.training.problem.CLOSE", close)
        result = physode.NeuralODE(hidden=(8,), optimizer=optimizer).fit(record).result_
        assert result.status == "converged"
        steps.append(result.n_iterations)
    assert steps[1] < 0.7 * steps[0]


def test_a_known_prior_gives_ridge_regression() -> None:
    linear = problem(0.5)
    hyper = evidence(0.25, known=True, groups=[torch.arange(4)], precision=50.0)
    linear.initial_precision = torch.full((3, 1), 1e12, dtype=torch.float64)
    point, _ = run(linear, hyper, iterations=2)  # before the hyperparameters move
    flat = linear.design.flatten(0, 1)
    ridge = torch.linalg.solve(flat.T @ flat / 0.25 + 50 * torch.eye(4, dtype=torch.float64), flat.T @ linear.target.flatten() / 0.25)
    torch.testing.assert_close(point.theta[0], ridge, rtol=1e-3, atol=1e-3)
    assert float((ridge - TRUTH).norm()) > 0.1


def test_the_start_is_kept_when_nothing_is_better() -> None:
    linear = problem(0.1)
    best, _ = run(linear, evidence(0.01, known=True))
    again = levenberg_marquardt(
        linear, best.theta, best.initial, evidence(0.01, known=True), iterations=5, tolerance=1e-6, report=lambda *_: None, accelerate=True
    )
    assert float(again.squares) <= float(best.squares)
    torch.testing.assert_close(again.theta, best.theta, rtol=1e-6, atol=1e-6)
    none = levenberg_marquardt(
        linear, best.theta, best.initial, evidence(0.01, known=True), iterations=0, tolerance=1e-6, report=lambda *_: None, accelerate=True
    )
    assert torch.equal(none.theta, best.theta) and not none.converged


@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_evidence_recovers_the_noise(noise: float) -> None:
    hyper = evidence(1.0, known=False, groups=[torch.arange(2)])
    run(problem(noise), hyper)
    assert float(hyper.variance.sqrt()) == pytest.approx(noise, rel=0.2)


def test_evidence_counts_what_the_parameters_used() -> None:
    """With hardly more data than unknowns, residuals alone would say too little."""
    hyper, linear = evidence(1.0, known=False), problem(0.3, size=5)
    point, _ = run(linear, hyper)
    unbiased = float(point.squares) / (15 - 7)
    assert float(hyper.variance) == pytest.approx(unbiased, rel=1e-3)


def test_a_known_noise_stays_and_a_useless_group_is_pressed_down() -> None:
    linear = problem(0.3)
    linear.target = linear.target - linear.design[..., 2:] @ TRUTH[2:]
    hyper = evidence(0.09, known=True, groups=[torch.arange(2), torch.arange(2, 4)])
    point, _ = run(linear, hyper)
    assert float(hyper.variance) == 0.09
    assert float(hyper.precision[0, 1]) > 100 * float(hyper.precision[0, 0])
    assert float(point.theta[0, 2:].abs().max()) < 0.05
    assert float(hyper.precision[0, 0]) == pytest.approx(2 / float(TRUTH[:2].square().sum()), rel=0.1)


@pytest.mark.parametrize("useless", [0, 1])
def test_a_prior_is_never_tighter_than_that_of_the_group_before(useless: int) -> None:
    linear = problem(0.3)
    halves = [torch.arange(2), torch.arange(2, 4)]
    linear.target = linear.target - linear.design[..., halves[useless]] @ TRUTH[halves[useless]]
    hyper, free = (evidence(0.09, known=True, groups=halves, ordered=ordered) for ordered in (((0, 1),), ()))
    point, _ = run(linear, hyper)
    run(linear, free)
    if useless == 0:
        assert torch.equal(hyper.precision, free.precision)
        assert float(hyper.precision[0, 0]) > 100 * float(hyper.precision[0, 1])
    else:
        assert float(free.precision[0, 1]) > 100 * float(free.precision[0, 0])
        assert hyper.precision[0, 0] == hyper.precision[0, 1]
        assert float(hyper.precision[0, 0]) == pytest.approx(4 / float(point.theta.square().sum()), rel=0.1)


def test_a_copy_of_the_evidence_is_not_changed_by_updates() -> None:
    hyper = evidence(1.0, known=False, groups=[torch.arange(4)])
    kept = hyper.take(torch.tensor([0]))
    run(problem(0.1), hyper)
    assert float(kept.precision) == 0.1 and float(kept.variance) == 1.0
    assert float(hyper.precision) != 0.1


def test_parameters_outside_the_groups_are_free() -> None:
    hyper = evidence(1.0, known=True, groups=[torch.tensor([3, 1])], precision=7.0)
    assert hyper.per_parameter(torch.zeros(1, 4, dtype=torch.float64))[0].tolist() == [FREE_PRECISION, 7.0, FREE_PRECISION, 7.0]


def test_members_end_by_themselves_where_they_would_have_ended_alone() -> None:
    """Different noise and damping for each: one has many steps to go when another has ended."""
    linear = problem(0.3)
    starts = torch.stack([TRUTH, 50 * TRUTH, 0 * TRUTH])
    initial = torch.zeros(3, 3, 1, dtype=torch.float64)
    together = evidence(0.5, known=False, groups=[torch.arange(4)])
    together = replace(
        together, variance=torch.tensor([[0.5], [2.0], [0.01]], dtype=torch.float64), precision=torch.full((3, 1), 0.1, dtype=torch.float64)
    )
    alone = [together.take(torch.tensor([k])) for k in range(3)]
    settings = {"iterations": 40, "tolerance": 1e-3, "accelerate": True}
    paths: list[list[float]] = [[], [], []]

    def report(point: Point, who: Tensor) -> None:
        for k in who.tolist():
            paths[k].append(float(point.squares[k].sum()))

    point = levenberg_marquardt(linear, starts, initial, together, report=report, **settings)
    for k, own in enumerate(alone):
        path: list[float] = []
        single = levenberg_marquardt(
            linear,
            starts[k : k + 1],
            initial[k : k + 1],
            own,
            report=lambda point, _, path=path: path.append(float(point.squares.sum())),
            **settings,
        )
        torch.testing.assert_close(point.theta[k], single.theta[0], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(point.initial[k], single.initial[0], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(together.variance[k], own.variance[0], rtol=1e-10, atol=0)
        ours, theirs = (steps_that_gain(squares) for squares in (paths[k], path))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
        assert bool(point.converged[k]) and bool(single.converged)


def steps_that_gain(squares: list[float]) -> list[float]:
    """The steps up to the last one that gains more than rounding; what follows, until three gain little, is by chance."""
    last = max(i for i, (before, after) in enumerate(pairwise(squares)) if abs(after - before) > 1e-9 * before)
    return squares[: last + 2]


def test_a_member_that_has_ended_is_not_evaluated_any_more() -> None:
    linear, asked = problem(0.1), []
    best, _ = run(linear, evidence(0.01, known=True))
    evaluate = linear.evaluate

    def note(theta: Tensor, initial: Tensor, members: Tensor) -> Evaluation:
        asked.append(members.tolist())
        return evaluate(theta, initial, members)

    linear.evaluate = note  # type: ignore[method-assign]
    far = torch.cat([best.theta, 1e6 * best.theta]), torch.cat([best.initial, best.initial])
    both = evidence(0.01, known=True).take(torch.tensor([0, 0]))
    point = levenberg_marquardt(linear, *far, both, iterations=30, tolerance=1e-3, report=lambda *_: None, accelerate=True)
    torch.testing.assert_close(point.theta[1], best.theta[0], rtol=1e-5, atol=1e-6)
    alone = [each for each in asked if len(each) == 1]  # which one ends first hangs on rounding: the first starts where it is to end
    assert alone and asked == [[0, 1]] * (len(asked) - len(alone)) + [alone[0]] * len(alone)


def test_precisions_settle_without_swinging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Going the whole way to its estimate, that of the linear part swings by more than a tenth."""
    record = systems.get("lotka-volterra").simulate(np.linspace(0, 10, 101), {"x": 1.0, "y": 1.0})
    update, precisions = Evidence.update, []

    def end(progress: Progress) -> None:
        if progress.stage != "warm start":
            raise StopFit

    def note(hyper: Evidence, counts: Tensor, *rest: Any) -> Tensor:
        change = update(hyper, counts, *rest)
        precisions.append(hyper.precision[0].clone())
        return change

    monkeypatch.setattr(Evidence, "update", note)
    physode.NeuralODE().fit(record, seed=0, callback=end)
    path = torch.stack(precisions).log()
    assert len(path) >= 6
    assert float(path[3:].diff(dim=0).abs().max()) < 0.1
