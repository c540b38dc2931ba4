"""Normal equations equal those that torch's own Jacobians of the residuals give."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from training_records import NAN, field

from physode.fields import stack
from physode.solvers.fixed import RungeKuttaSolver
from physode.solvers.runge_kutta import RUNGE_KUTTA
from physode.training import shooting
from physode.training.batch import Batch, SampledInputs
from physode.training.matching import MatchingProblem
from physode.training.problem import NormalEquations
from physode.training.shooting import InitialPrior, ShootingProblem

ONE = torch.tensor([0])


def first(equations: NormalEquations) -> NormalEquations:
    """Those of the first member, without the dimension of members."""
    return NormalEquations(*(getattr(equations, part.name)[0] for part in fields(equations)))


def problem() -> tuple[ShootingProblem, Tensor, Tensor]:
    """Three trajectories of a three-dimensional driven field, two components measured, with gaps and ends."""
    generator = torch.Generator().manual_seed(2)
    time = torch.tensor([[0.0, 0.3, 0.4, 1.0], [1.0, 1.2, 1.9, NAN], [0.5, 1.5, NAN, NAN]], dtype=torch.float64)
    values = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64)
    values[time.isnan()] = NAN
    values[0, 2, 1] = NAN
    inputs = SampledInputs(time, torch.randn(3, 4, 1, generator=generator, dtype=torch.float64))
    vector_field = stack([field(3, 1, (3,))])
    theta = 0.5 * torch.randn(1, vector_field.n_parameters, generator=generator, dtype=torch.float64)
    initial = torch.randn(1, 3, 3, generator=generator, dtype=torch.float64)
    prior = InitialPrior(initial + 0.3, torch.tensor([[1.0, 2.0, 0.5]], dtype=torch.float64).expand(3, -1).clone())
    return ShootingProblem(vector_field, Batch(time, values, inputs), (2, 0), prior, RUNGE_KUTTA["rk4"], 0.25), theta, initial


def weighted_residuals(shoot: ShootingProblem, theta: Tensor, initial: Tensor, weight: Tensor, step: float = 0.25) -> Tensor:
    """By the solver alone, one trajectory after the other."""
    alone = field(3, 1, (3,))
    vector_to_parameters(theta, alone.parameters())
    batch = shoot.batch
    rows = []
    for k in range(len(initial)):
        count = int(batch.time[k].isfinite().sum())
        inputs = SampledInputs(batch.inputs.time[k : k + 1], batch.inputs.values[k : k + 1])
        states = RungeKuttaSolver(shoot.tableau).integrate(alone, initial[k : k + 1], batch.time[k : k + 1, :count], inputs, step)
        out = (states[0][:, [2, 0]] - batch.values[k, :count]) * weight.sqrt()
        rows.append(out[batch.values[k, :count].isfinite()])
    return torch.cat(rows)


@pytest.mark.parametrize("chunk", [4_000_000, 1])
def test_shooting_equals_finite_differences(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shooting, "CHUNK", chunk)
    shoot, theta, initial = problem()
    weight = torch.tensor([4.0, 0.3], dtype=torch.float64)
    with torch.no_grad():
        found = shoot.evaluate(theta, initial, ONE)
        equations = first(shoot.normal_equations(theta, initial, found.path, weight[None], ONE))
        flat = torch.cat([theta[0], initial.flatten()])
        n = theta.shape[1]

        def residual(x: Tensor) -> Tensor:
            return weighted_residuals(shoot, x[:n], x[n:].reshape(3, 3), weight)

        r = residual(flat)
        steps = 1e-5 * torch.eye(len(flat), dtype=torch.float64)
        jacobian = torch.stack([(residual(flat + s) - residual(flat - s)) / 2e-5 for s in steps], dim=1)
    assert float((found.squares * weight).sum()) == pytest.approx(float(r.square().sum()), rel=1e-12)
    a, b = jacobian[:, n:], jacobian[:, :n]
    close = {"rtol": 1e-6, "atol": 1e-7}
    torch.testing.assert_close(equations.hessian, b.T @ b, **close)
    torch.testing.assert_close(equations.gradient, b.T @ r, **close)
    blocks = (a.T @ a).reshape(3, 3, 3, 3)
    for k in range(3):
        torch.testing.assert_close(equations.initial_hessian[k], blocks[k, :, k] + torch.diag(shoot.prior.precision[k]), **close)
    pull = (shoot.prior.precision * (initial - shoot.prior.mean))[0]
    torch.testing.assert_close(equations.initial_gradient, (a.T @ r).reshape(3, 3) + pull, **close)
    torch.testing.assert_close(equations.mixed, (a.T @ b).reshape(3, 3, n), **close)
    torch.testing.assert_close(shoot.prior_cost(initial, ONE), 0.09 * shoot.prior.precision.sum()[None])


@pytest.mark.parametrize("chunk", [4_000_000, 1])
@pytest.mark.parametrize("own_values", [False, True])
def test_members_have_the_equations_that_they_would_have_alone(chunk: int, own_values: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shooting, "CHUNK", chunk)
    shoot, theta, initial = problem()
    more = [shoot.batch.values + k for k in range(3)] if own_values else [shoot.batch.values] * 3
    prior = InitialPrior(torch.cat([shoot.prior.mean + k for k in range(3)]), shoot.prior.precision)
    batch = replace(shoot.batch, values=torch.stack(more)) if own_values else shoot.batch
    together = replace(shoot, batch=batch, prior=prior)
    thetas, initials = torch.cat([theta, 0.5 * theta, -theta]), torch.cat([initial, initial + 0.1, initial - 0.1])
    weights = torch.tensor([[4.0, 0.3], [1.0, 1.0], [0.1, 5.0]], dtype=torch.float64)
    some = torch.tensor([2, 0])
    found = together.evaluate(thetas[some], initials[some], some)
    equations = together.normal_equations(thetas[some], initials[some], found.path, weights[some], some)
    costs = together.prior_cost(initials[some], some)
    for row, k in enumerate(some.tolist()):
        single = replace(shoot, batch=replace(shoot.batch, values=more[k]), prior=replace(prior, mean=prior.mean[k : k + 1]))
        alone = single.evaluate(thetas[k : k + 1], initials[k : k + 1], ONE)
        torch.testing.assert_close(found.squares[row], alone.squares[0], rtol=1e-12, atol=0)
        torch.testing.assert_close(costs[row], single.prior_cost(initials[k : k + 1], ONE)[0], rtol=1e-12, atol=0)
        theirs = first(single.normal_equations(thetas[k : k + 1], initials[k : k + 1], alone.path, weights[k : k + 1], ONE))
        for part in fields(NormalEquations):
            torch.testing.assert_close(getattr(equations, part.name)[row], getattr(theirs, part.name), rtol=1e-10, atol=1e-12)


def test_shooting_counts_its_measurements_and_evaluations() -> None:
    shoot, theta, initial = problem()
    assert shoot.counts.tolist() == [9.0, 8.0]
    with torch.no_grad():
        path = shoot.evaluate(theta, initial, ONE).path
        assert shoot.n_evaluations == 4 * shoot.grid.step.shape[1] == 4 * 6
        shoot.normal_equations(theta, initial, path, torch.ones(1, 2, dtype=torch.float64), ONE)
        assert shoot.n_evaluations == 8 * 6
        assert bool((shoot.evaluate(1e60 * theta, initial, ONE).squares == torch.inf).all())


def test_matching_equals_autograd() -> None:
    generator = torch.Generator().manual_seed(3)
    vector_field = field(2, 1, (3,))
    states, slopes, inputs = (torch.randn(7, n, generator=generator, dtype=torch.float64) for n in (2, 2, 1))
    theta = parameters_to_vector(vector_field.parameters()).detach() + 0.3
    weight = torch.tensor([2.0, 0.5], dtype=torch.float64)
    match = MatchingProblem(stack([vector_field]), states[None], slopes[None], inputs)
    none = states.new_zeros(1, 0, 2)
    found = match.evaluate(theta[None], none, ONE)
    equations = first(match.normal_equations(theta[None], none, found.path, weight[None], ONE))
    vector_to_parameters(theta, vector_field.parameters())
    residual = ((vector_field(theta.new_zeros(()), states, inputs) - slopes) * weight.sqrt()).flatten()
    rows = [torch.cat([g.flatten() for g in torch.autograd.grad(r, list(vector_field.parameters()), retain_graph=True)]) for r in residual]
    jacobian = torch.stack(rows)
    torch.testing.assert_close(equations.hessian, jacobian.T @ jacobian)
    torch.testing.assert_close(equations.gradient, (jacobian.T @ residual).detach())
    assert float((found.squares * weight).sum()) == pytest.approx(float(residual.detach().square().sum()), rel=1e-12)
    assert equations.initial_hessian.shape == (0, 2, 2)
    assert match.counts.tolist() == [7.0, 7.0]
    assert float(match.prior_cost(none, ONE)) == 0
