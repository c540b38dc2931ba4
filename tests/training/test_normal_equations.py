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
from physode.training.equations import AbstractEquations, DualEquations, NormalEquations, gather, is_dual
from physode.training.evidence import Evidence
from physode.training.matching import MatchingProblem
from physode.training.problem import Linearised
from physode.training.shooting import InitialPrior, ShootingProblem

ONE = torch.tensor([0])


def normal(
    problem: ShootingProblem | MatchingProblem, theta: Tensor, initial: Tensor, path: tuple[Tensor, ...], weight: Tensor, members: Tensor
) -> NormalEquations:
    return NormalEquations.of(problem.linearise(theta, initial, path, weight, members), keep=True)


def first(equations: NormalEquations) -> NormalEquations:
    """Those of the first member, without the dimension of members."""
    rest = {part.name: getattr(equations, part.name)[0] for part in fields(equations) if part.name != "linearised"}
    return NormalEquations(linearised=None, **rest)


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
        equations = first(normal(shoot, theta, initial, found.path, weight[None], ONE))
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
    equations = normal(together, thetas[some], initials[some], found.path, weights[some], some)
    costs = together.prior_cost(initials[some], some)
    for row, k in enumerate(some.tolist()):
        single = replace(shoot, batch=replace(shoot.batch, values=more[k]), prior=replace(prior, mean=prior.mean[k : k + 1]))
        alone = single.evaluate(thetas[k : k + 1], initials[k : k + 1], ONE)
        torch.testing.assert_close(found.squares[row], alone.squares[0], rtol=1e-12, atol=0)
        torch.testing.assert_close(costs[row], single.prior_cost(initials[k : k + 1], ONE)[0], rtol=1e-12, atol=0)
        theirs = first(normal(single, thetas[k : k + 1], initials[k : k + 1], alone.path, weights[k : k + 1], ONE))
        for part in fields(NormalEquations)[1:]:
            torch.testing.assert_close(getattr(equations, part.name)[row], getattr(theirs, part.name), rtol=1e-10, atol=1e-12)


def test_shooting_counts_its_measurements_and_evaluations() -> None:
    shoot, theta, initial = problem()
    assert shoot.counts.tolist() == [9.0, 8.0]
    with torch.no_grad():
        path = shoot.evaluate(theta, initial, ONE).path
        assert shoot.n_evaluations == 4 * shoot.grid.step.shape[1] == 4 * 6
        normal(shoot, theta, initial, path, torch.ones(1, 2, dtype=torch.float64), ONE)
        assert shoot.n_evaluations == 8 * 6
        assert bool((shoot.evaluate(1e60 * theta, initial, ONE).squares == torch.inf).all())


def test_matching_equals_autograd() -> None:
    generator = torch.Generator().manual_seed(3)
    vector_field = field(2, 1, (3,))
    states, slopes, inputs = (torch.randn(7, n, generator=generator, dtype=torch.float64) for n in (2, 2, 1))
    theta = parameters_to_vector(vector_field.parameters()).detach() + 0.3
    weight = torch.tensor([2.0, 0.5], dtype=torch.float64)
    match = MatchingProblem(stack([vector_field]), states[None], slopes[None], inputs)
    none = states.new_zeros(1, 1, 0)
    found = match.evaluate(theta[None], none, ONE)
    equations = first(normal(match, theta[None], none, found.path, weight[None], ONE))
    vector_to_parameters(theta, vector_field.parameters())
    residual = ((vector_field(theta.new_zeros(()), states, inputs) - slopes) * weight.sqrt()).flatten()
    rows = [torch.cat([g.flatten() for g in torch.autograd.grad(r, list(vector_field.parameters()), retain_graph=True)]) for r in residual]
    jacobian = torch.stack(rows)
    torch.testing.assert_close(equations.hessian, jacobian.T @ jacobian)
    torch.testing.assert_close(equations.gradient, (jacobian.T @ residual).detach())
    assert float((found.squares * weight).sum()) == pytest.approx(float(residual.detach().square().sum()), rel=1e-12)
    assert equations.initial_hessian.shape == (1, 0, 0)
    assert match.n_rows == 14
    assert match.counts.tolist() == [7.0, 7.0]
    assert float(match.prior_cost(none, ONE)) == 0


def hyperparameters(n_members: int, groups: list[Tensor]) -> Evidence:
    """Of different size for each member and group."""
    precision = 0.03 * 3.0 ** torch.arange(n_members * len(groups), dtype=torch.float64).view(n_members, -1)
    return Evidence(torch.ones(n_members, 2, dtype=torch.float64), precision, groups, torch.tensor([False, False]))


def both(chunk: int, monkeypatch: pytest.MonkeyPatch) -> tuple[NormalEquations, AbstractEquations, Evidence, Tensor]:
    """The equations of two members in both forms; the groups are a slice, and two that interleave."""
    monkeypatch.setattr(shooting, "CHUNK", chunk)
    shoot, theta, initial = problem()
    shoot = replace(shoot, prior=InitialPrior(torch.cat([shoot.prior.mean, shoot.prior.mean + 1]), shoot.prior.precision))
    thetas, initials, two = torch.cat([theta, -theta]), torch.cat([initial, initial - 0.1]), torch.arange(2)
    weights = torch.tensor([[4.0, 0.3], [1e4, 30.0]], dtype=torch.float64)
    path, n = shoot.evaluate(thetas, initials, two).path, theta.shape[1]
    groups = [torch.arange(5), torch.arange(5, n, 2), torch.arange(6, n, 2)]
    assert shoot.n_rows == 24 <= n and is_dual(24, n, groups)
    dual = gather(shoot, shoot.linearise(thetas, initials, path, weights, two), hyperparameters(2, groups), n, keep=True)
    assert isinstance(dual, DualEquations)
    return normal(shoot, thetas, initials, path, weights, two), dual, hyperparameters(2, groups), thetas


@torch.no_grad()
@pytest.mark.parametrize("chunk", [4_000_000, 1])
@pytest.mark.parametrize("damping", [1e-2, 1e-10])
def test_both_forms_take_the_same_step(damping: float, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    equations, dual, evidence, theta = both(chunk, monkeypatch)
    each = torch.tensor([damping, 3 * damping], dtype=torch.float64)
    mine, other = dual.step(theta, evidence, each), equations.step(theta, evidence, each)
    assert dual.linearised is not None and mine.against is not None and other.against is not None
    residual = 1 + dual.linearised.residual.cos()
    pairs = ((mine.change, other.change), (mine.shift, other.shift), *zip(mine.against(residual), other.against(residual), strict=True))
    for found, expected in pairs:
        assert bool(expected.isfinite().all()) and float(expected.abs().max()) > 1e-3
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("chunk", [4_000_000, 1])
def test_linearised_residuals_say_what_a_step_gains(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shooting, "CHUNK", chunk)
    shoot, theta, initial = problem()
    weight = torch.tensor([[4.0, 0.3]], dtype=torch.float64)
    found = shoot.evaluate(theta, initial, ONE)
    whole = Linearised.join(list(shoot.linearise(theta, initial, found.path, weight, ONE)))
    torch.testing.assert_close(shoot.weighted(found.path, weight, ONE), whole.residual, rtol=1e-14, atol=0)
    change, shift = theta.cos(), initial.sin()
    up, down = (shoot.evaluate(theta + h * change, initial + h * shift, ONE).path for h in (1e-5, -1e-5))
    gained = (shoot.weighted(up, weight, ONE) - shoot.weighted(down, weight, ONE)) / 2e-5
    assert float(gained.abs().max()) > 0.1
    torch.testing.assert_close(whole.along(change, shift), gained, rtol=1e-7, atol=1e-8)
    by_parameters, by_initial = whole.slope(whole.residual)
    slope = (by_parameters * change).sum() + (by_initial * shift).sum()
    assert float(slope) == pytest.approx(float((whole.residual * gained).sum()), rel=1e-6)


@torch.no_grad()
def test_a_step_solves_the_whole_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is eliminated here: parameters and initial states stand in one matrix."""
    equations, dual, evidence, theta = both(4_000_000, monkeypatch)
    step = dual.step(theta, evidence, torch.tensor([0.0, 0.0], dtype=torch.float64))
    for k in range(2):
        mixed = equations.mixed[k].flatten(0, 1)
        top = torch.cat([equations.hessian[k] + torch.diag(evidence.per_parameter(theta)[k]), mixed.T], dim=1)
        matrix = torch.cat([top, torch.cat([mixed, torch.block_diag(*equations.initial_hessian[k])], dim=1)])
        pull = evidence.per_parameter(theta)[k] * theta[k]
        right = torch.cat([equations.gradient[k] + pull, equations.initial_gradient[k].flatten()])
        expected = -torch.linalg.solve(matrix, right)
        torch.testing.assert_close(torch.cat([step.change[k], step.shift[k].flatten()]), expected, rtol=1e-7, atol=1e-8)
        inverse = torch.linalg.inv(matrix).diagonal()
        n = theta.shape[1]
        for form in (equations, dual):
            found = form.determined(evidence)
            for i, group in enumerate(evidence.groups):
                by_group = len(group) - evidence.precision[k, i] * inverse[group].sum()
                assert float(found.by_group[k, i]) == pytest.approx(float(by_group), rel=1e-7)
            own = torch.linalg.inv(equations.initial_hessian[k]).diagonal(dim1=1, dim2=2)
            assert float(found.rest[k]) == pytest.approx(float((1 - equations.precision[k] * own).sum()), rel=1e-9)
            assert bool(found.sound[k])
        assert len(inverse) == n + 9


@torch.no_grad()
def test_many_states_are_safe_on_several_threads() -> None:
    """Of more than 150, where torch's solutions of general systems are not."""
    generator, n, rows, size = torch.Generator().manual_seed(0), 160, 200, 500

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    ones = torch.ones(1, 2, n, dtype=torch.float64)
    part = Linearised(random(1, 2, rows), random(1, 2, rows, n), random(1, 2, rows, size), ones, random(1, 2, n))
    groups, theta = [torch.arange(size)], random(1, size)
    evidence, damping = hyperparameters(1, groups), torch.full((1,), 0.01, dtype=torch.float64)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for form in (NormalEquations.of([part], keep=False), DualEquations.of([part], groups)):
                step, determined = form.step(theta, evidence, damping), form.determined(evidence)
                assert bool(determined.sound)
                found.append([step.change, step.shift, determined.by_group, determined.rest])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for mine, expected in zip(other, found[0], strict=True):
            torch.testing.assert_close(mine, expected, rtol=1e-7, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("form", [0, 1])
def test_members_of_equations_are_taken_and_replaced(form: int, monkeypatch: pytest.MonkeyPatch) -> None:
    equations, evidence, theta = both(4_000_000, monkeypatch)[form], *both(4_000_000, monkeypatch)[2:]
    damping = torch.full((2,), 0.1, dtype=torch.float64)
    whole = equations.step(theta, evidence, damping)
    assert equations.linearised is not None
    residual = equations.linearised.residual.cos()
    second = torch.tensor([False, True])
    alone = equations.take(second)
    single = alone.step(theta[1:], evidence.take(second), damping[1:])
    torch.testing.assert_close(single.change, whole.change[1:], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(single.shift, whole.shift[1:], rtol=1e-10, atol=1e-12)
    turned = equations.take(torch.tensor([True, True])).put(~second, alone)
    twice = torch.tensor([1, 1])
    double = turned.step(theta[twice], evidence.take(twice), damping)
    assert double.against is not None and whole.against is not None
    torch.testing.assert_close(double.change, whole.change[twice], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(double.shift, whole.shift[twice], rtol=1e-10, atol=1e-12)
    for found, expected in zip(double.against(residual[twice]), whole.against(residual), strict=True):
        torch.testing.assert_close(found, expected[twice], rtol=1e-10, atol=1e-12)


def test_the_dual_form_wants_few_residuals_and_a_prior_of_every_parameter() -> None:
    halves = [torch.arange(3), torch.arange(3, 6)]
    assert is_dual(6, 6, halves) and not is_dual(7, 6, halves) and not is_dual(2, 6, halves[:1])
