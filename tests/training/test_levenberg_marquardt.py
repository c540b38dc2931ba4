"""Damped Gauss-Newton steps and the hyperparameters that they learn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from physode.training.evidence import FREE_PRECISION, Evidence
from physode.training.levenberg_marquardt import Point, levenberg_marquardt
from physode.training.problem import AbstractProblem, NormalEquations


@dataclass
class LinearProblem(AbstractProblem):
    """Residuals A theta + s - y, where s is an initial state of its own for each of three groups; one kind of residual."""

    design: Tensor
    target: Tensor
    initial_precision: Tensor
    n_evaluations: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.counts = torch.tensor([float(self.target.numel())], dtype=torch.float64)

    def residual(self, theta: Tensor, initial: Tensor) -> Tensor:
        return self.design @ theta + initial - self.target

    def squares(self, theta: Tensor, initial: Tensor) -> Tensor:
        self.n_evaluations += 1
        return self.residual(theta, initial).square().sum()[None]

    def prior_cost(self, initial: Tensor) -> Tensor:
        return (self.initial_precision * initial.square()).sum()

    def normal_equations(self, theta: Tensor, initial: Tensor, weight: Tensor) -> NormalEquations:
        flat = self.design.flatten(0, 1)
        r = self.residual(theta, initial)
        size = self.target.shape[1]
        return NormalEquations(
            weight * flat.T @ flat,
            weight * flat.T @ r.flatten(),
            (weight * size + self.initial_precision)[..., None],
            weight * r.sum(1, keepdim=True) + self.initial_precision * initial,
            weight * self.design.sum(1)[:, None, :],
        )


TRUTH = torch.tensor([1.5, -2.0, 0.5, 3.0], dtype=torch.float64)
STARTS = torch.tensor([[0.7], [-0.4], [1.1]], dtype=torch.float64)


def problem(noise: float, size: int = 40) -> LinearProblem:
    generator = torch.Generator().manual_seed(1)
    design = torch.randn(3, size, 4, generator=generator, dtype=torch.float64)
    target = design @ TRUTH + STARTS + noise * torch.randn(3, size, generator=generator, dtype=torch.float64)
    return LinearProblem(design, target, torch.full((3, 1), 1e-9, dtype=torch.float64))


def evidence(variance: float, *, known: bool, groups: list[Tensor] | None = None, precision: float = 0.1) -> Evidence:
    groups = groups or []
    return Evidence(
        torch.tensor([variance], dtype=torch.float64),
        torch.full((len(groups),), precision, dtype=torch.float64),
        groups,
        torch.tensor([known]),
    )


def run(linear: LinearProblem, hyper: Evidence, iterations: int = 30) -> tuple[Point, list[Point]]:
    path: list[Point] = []
    start = torch.zeros(4, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64)
    point = levenberg_marquardt(linear, *start, hyper, iterations=iterations, tolerance=1e-6, report=path.append)
    return point, path


def test_a_linear_problem_is_solved_exactly_in_a_few_steps() -> None:
    linear = problem(0.1)
    point, path = run(linear, evidence(0.01, known=True))
    columns = torch.cat([linear.design.flatten(0, 1), torch.block_diag(*torch.ones(3, 40, 1, dtype=torch.float64))], dim=1)
    exact = torch.linalg.lstsq(columns, linear.target.flatten()).solution
    torch.testing.assert_close(torch.cat([point.theta, point.initial[:, 0]]), exact, rtol=1e-6, atol=1e-6)
    assert point.converged
    assert len(path) <= 8
    far = [float((torch.cat([p.theta, p.initial[:, 0]]) - exact).norm() / exact.norm()) for p in path[:3]]
    assert far[0] < 0.05 and far[1] < 1e-3 and far[2] < 1e-6  # theta and the initial states arrive together
    objective = [float(p.squares) for p in path]
    assert objective == sorted(objective, reverse=True)


def test_a_problem_without_noise_is_exact_and_says_so() -> None:
    point, path = run(problem(0.0), evidence(1e-6, known=False))
    torch.testing.assert_close(point.theta, TRUTH, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(point.initial, STARTS, rtol=1e-4, atol=1e-4)
    assert point.converged and len(path) <= 8


def test_a_known_prior_gives_ridge_regression() -> None:
    linear = problem(0.5)
    hyper = evidence(0.25, known=True, groups=[torch.arange(4)], precision=50.0)
    linear.initial_precision = torch.full((3, 1), 1e12, dtype=torch.float64)
    point, _ = run(linear, hyper, iterations=2)  # before the hyperparameters move
    flat = linear.design.flatten(0, 1)
    ridge = torch.linalg.solve(flat.T @ flat / 0.25 + 50 * torch.eye(4, dtype=torch.float64), flat.T @ linear.target.flatten() / 0.25)
    torch.testing.assert_close(point.theta, ridge, rtol=1e-3, atol=1e-3)
    assert float((ridge - TRUTH).norm()) > 0.1


def test_the_start_is_kept_when_nothing_is_better() -> None:
    linear = problem(0.1)
    best, _ = run(linear, evidence(0.01, known=True))
    path: list[Point] = []
    again = levenberg_marquardt(
        linear, best.theta, best.initial, evidence(0.01, known=True), iterations=5, tolerance=1e-6, report=path.append
    )
    assert float(again.squares) <= float(best.squares)
    torch.testing.assert_close(again.theta, best.theta, rtol=1e-6, atol=1e-6)
    none = levenberg_marquardt(
        linear, best.theta, best.initial, evidence(0.01, known=True), iterations=0, tolerance=1e-6, report=path.append
    )
    assert none.theta is best.theta and not none.converged


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
    assert float(hyper.precision[1]) > 100 * float(hyper.precision[0])
    assert float(point.theta[2:].abs().max()) < 0.05
    assert float(hyper.precision[0]) == pytest.approx(2 / float(TRUTH[:2].square().sum()), rel=0.1)


def test_a_copy_of_the_evidence_is_not_changed_by_updates() -> None:
    hyper = evidence(1.0, known=False, groups=[torch.arange(4)])
    kept = replace(hyper)
    run(problem(0.1), hyper)
    assert float(kept.precision) == 0.1 and float(kept.variance) == 1.0
    assert float(hyper.precision) != 0.1


def test_parameters_outside_the_groups_are_free() -> None:
    hyper = evidence(1.0, known=True, groups=[torch.tensor([3, 1])], precision=7.0)
    assert hyper.per_parameter(torch.zeros(4, dtype=torch.float64)).tolist() == [FREE_PRECISION, 7.0, FREE_PRECISION, 7.0]
