"""Roll-outs by hand: equal to torch's own, faster in evaluations, and exact between the steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from known_fields import Pendulum, no_inputs, sine_input
from torch import Tensor

from physode.fields import FirstOrderField, SecondOrderField
from physode.fields.base import AbstractField
from physode.fields.mlp import ACTIVATIONS
from physode.solvers import RolloutSolver, RungeKuttaSolver, by_hand, get_solver
from physode.solvers.dense import hermite_weights, plan_steps
from physode.solvers.grid import StepGrid, step_grid
from physode.solvers.perceptron import SCALARS
from physode.solvers.rollout_solver import run_by_hand
from physode.solvers.runge_kutta import RUNGE_KUTTA, integrate_runge_kutta
from physode.training.batch import Batch, SampledInputs
from physode.training.gradient_descent import DescentProblem
from physode.training.shooting import InitialPrior

FIELDS: dict[str, Callable[[str, int], AbstractField]] = {
    "two layers": lambda activation, n_inputs: FirstOrderField(2, n_inputs, (5, 7), activation),
    "one layer": lambda activation, n_inputs: FirstOrderField(3, n_inputs, (4,), activation),
    "second order": lambda activation, n_inputs: SecondOrderField(2, n_inputs, (4, 3, 5), activation),
}


def random_field(kind: str, activation: str = "tanh", n_inputs: int = 0, dtype: torch.dtype = torch.float64) -> AbstractField:
    draws = torch.Generator().manual_seed(5)
    field = FIELDS[kind](activation, n_inputs).to(dtype)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=draws, dtype=torch.float64))
    return field


def observed_times(kind: str, n: int = 30) -> Tensor:
    time = 0.1 * torch.rand(3, n, generator=torch.Generator().manual_seed(6), dtype=torch.float64).cumsum(1)
    if kind == "own":
        time[1, 2 * n // 3 :] = math.nan
        return time
    return time[:1].expand(3, -1).clone()


def regular_times(kind: str) -> Tensor:
    """Observations that steps of 0.025 pass through without a rest."""
    time = 0.05 * torch.arange(12, dtype=torch.float64).expand(3, -1) + torch.tensor([[0.0], [0.4], [-1.0]], dtype=torch.float64)
    if kind == "own":
        time[1, 7:] = math.nan
    return time


def initial_states(field: AbstractField) -> Tensor:
    draws = torch.Generator().manual_seed(7)
    dtype = next(field.parameters()).dtype
    return torch.randn(3, field.n_states, generator=draws, dtype=torch.float64).to(dtype).requires_grad_()


def gradients(states: Tensor, initial: Tensor, field: AbstractField) -> list[Tensor]:
    weights = torch.cos(torch.arange(states.numel(), dtype=states.dtype)).view_as(states)
    return list(torch.autograd.grad((states * weights + states.square()).sum(), [initial, *field.parameters()]))


def in_torch(method: str, field: AbstractField, initial: Tensor, time: Tensor, max_step: float) -> Tensor:
    """The same steps and the same interpolation, by torch's operations."""
    tableau = RUNGE_KUTTA[method]
    plan = plan_steps(time, max_step, len(tableau.b), smooth=True)
    assert plan.dense
    step = plan.step[..., 0].T
    states = integrate_runge_kutta(tableau, field, initial, StepGrid(time[:, 0], step, torch.zeros(0)), no_inputs).states
    slopes = torch.stack([field(time[:, 0], z, z[:, :0]) * step[:, :1] for z in states.unbind(1)], dim=1)
    nodes = torch.stack([states, slopes], dim=2).permute(1, 2, 0, 3)
    weights, (batch, n) = torch.from_numpy(plan.weights.toarray()), initial.shape
    if plan.shared:
        return (weights @ nodes.reshape(-1, batch * n)).reshape(-1, batch, n).transpose(0, 1)
    return (weights @ nodes.reshape(-1, n)).reshape(batch, -1, n)


def assert_close(found: list[Tensor], expected: list[Tensor], rtol: float = 1e-10) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=rtol * float(other.abs().max()))


@pytest.mark.parametrize("times", ["own", "shared"])
@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("method", RUNGE_KUTTA)
def test_steps_at_the_observations_equal_autograd(method: str, kind: str, times: str) -> None:
    field, time, tableau = random_field(kind), regular_times(times), RUNGE_KUTTA[method]
    initial = initial_states(field)
    assert not plan_steps(time, 0.025, len(tableau.b), smooth=True).dense
    pair = [solver.integrate(field, initial, time, no_inputs, 0.025) for solver in (RolloutSolver(tableau), RungeKuttaSolver(tableau))]
    torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-12)
    assert_close(*(gradients(states, initial, field) for states in pair))


@pytest.mark.parametrize("times", ["own", "shared"])
@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense_output_equals_autograd(activation: str, kind: str, times: str) -> None:
    field, time = random_field(kind, activation), observed_times(times)
    initial = initial_states(field)
    found = RolloutSolver(RUNGE_KUTTA["rk5"]).integrate(field, initial, time, no_inputs, 0.3)
    expected = in_torch("rk5", field, initial, time, 0.3)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert_close(gradients(found, initial, field), gradients(expected, initial, field))


@pytest.mark.parametrize("kind", FIELDS)
def test_inputs_are_seen_at_every_stage(kind: str) -> None:
    field, time, tableau = random_field(kind, n_inputs=1), observed_times("own"), RUNGE_KUTTA["rk4"]
    initial = initial_states(field)
    pair = [solver.integrate(field, initial, time, sine_input, 0.3) for solver in (RolloutSolver(tableau), RungeKuttaSolver(tableau))]
    torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-12)
    assert_close(*(gradients(states, initial, field) for states in pair))


def test_what_makes_the_inputs_can_be_learned() -> None:
    field, time, tableau = random_field("one layer", n_inputs=1), observed_times("own"), RUNGE_KUTTA["rk4"]
    size, initial = torch.tensor(0.7, dtype=torch.float64, requires_grad=True), initial_states(field)

    def inputs(t: Tensor, inside: Tensor | None = None) -> Tensor:
        return size * sine_input(t, inside)

    found = [s.integrate(field, initial, time, inputs, 0.3) for s in (RolloutSolver(tableau), RungeKuttaSolver(tableau))]
    assert_close(*([torch.autograd.grad(states.sum(), size)[0]] for states in found))


def test_single_precision_is_kept() -> None:
    results = []
    for dtype in (torch.float32, torch.float64):
        field = random_field("two layers", dtype=dtype)
        initial = initial_states(field)
        states = RolloutSolver(RUNGE_KUTTA["rk5"]).integrate(field, initial, observed_times("shared").to(dtype), no_inputs, 0.3)
        assert states.dtype == dtype
        results.append([part.detach().double() for part in (states, *gradients(states, initial, field))])
    assert_close(*results, rtol=2e-5)


def test_a_second_reverse_pass_gives_the_same_gradient() -> None:
    field = random_field("two layers")
    initial = initial_states(field)
    states = RolloutSolver(RUNGE_KUTTA["rk5"]).integrate(field, initial, observed_times("shared"), no_inputs, 0.3)
    first = torch.autograd.grad(states.square().sum(), initial, retain_graph=True)[0]
    other = RolloutSolver(RUNGE_KUTTA["rk5"]).integrate(field, initial + 1, observed_times("shared"), no_inputs, 0.3)
    second = torch.autograd.grad(states.square().sum(), initial)[0]
    assert other.shape == states.shape
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_without_gradients_the_states_are_the_same() -> None:
    field, time, solver = random_field("two layers"), observed_times("own"), RolloutSolver(RUNGE_KUTTA["rk5"])
    initial = initial_states(field)
    with torch.no_grad():
        alone = solver.integrate(field, initial, time, no_inputs, 0.3)
    torch.testing.assert_close(alone, solver.integrate(field, initial, time, no_inputs, 0.3).detach(), rtol=0, atol=0)


class Counting(FirstOrderField):
    """Remembers how many evaluations were announced."""

    def perceptron(self, evaluations: int):  # type: ignore[no-untyped-def]
        self.announced = evaluations
        return super().perceptron(evaluations)


@pytest.mark.parametrize(("max_step", "n_inputs", "expected"), [(0.8, 0, 13 * 6 + 1), (0.05, 0, 200 * 6), (0.8, 1, 100 * 6)])
def test_long_steps_save_evaluations(max_step: float, n_inputs: int, expected: int) -> None:
    field = Counting(2, n_inputs, (4,), "tanh").double()
    time = torch.linspace(0, 10, 101, dtype=torch.float64).expand(2, -1)
    RolloutSolver(RUNGE_KUTTA["rk5"]).integrate(field, torch.ones(2, 2, dtype=torch.float64), time, sine_input, max_step)
    assert field.announced == expected


@pytest.mark.parametrize("n_inputs", [0, 1])
@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("method", sorted(RUNGE_KUTTA))
def test_the_stages_are_the_same_by_hand(method: str, kind: str, n_inputs: int) -> None:
    field, time = random_field(kind, n_inputs=n_inputs), observed_times("own")
    samples = torch.sin(time.nan_to_num(0.0))[..., None].expand(-1, -1, n_inputs)
    inputs, grid, start = SampledInputs(time, samples), step_grid(time, 0.04), initial_states(field)
    found, expected = (run(RUNGE_KUTTA[method], field, start, grid, inputs) for run in (run_by_hand, integrate_runge_kutta))
    for part in ("states", "inner", "time", "inputs"):
        torch.testing.assert_close(getattr(found, part), getattr(expected, part).detach(), rtol=1e-12, atol=1e-12)


def test_other_fields_and_solvers_are_left_to_torch() -> None:
    time = observed_times("own")
    initial = torch.tensor([[0.5, 0.1], [1.0, 0.0], [0.2, 0.3]], dtype=torch.float64)
    tableau = RUNGE_KUTTA["rk4"]
    found, expected = (s.integrate(Pendulum(), initial, time, no_inputs, 0.3) for s in (RolloutSolver(tableau), RungeKuttaSolver(tableau)))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert by_hand(get_solver("leapfrog")) is get_solver("leapfrog")
    assert by_hand(get_solver("rk4")) == RolloutSolver(tableau)


@pytest.mark.parametrize("n_nodes", [2, 3, 4])
def test_interpolation_is_exact_for_polynomials(n_nodes: int) -> None:
    position = np.linspace(-0.2, n_nodes - 0.8, 11)
    of_values, of_slopes = hermite_weights(position, n_nodes)
    nodes = np.arange(n_nodes)
    for degree in range(2 * n_nodes):
        found = of_values @ nodes**degree + of_slopes @ (degree * nodes ** max(degree - 1, 0))
        np.testing.assert_allclose(found, position**degree, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("method", ["rk4", "rk5"])
def test_interpolated_states_converge_as_the_steps_do(method: str) -> None:
    field, time = random_field("two layers").requires_grad_(False), torch.linspace(0, 6, 241, dtype=torch.float64).expand(3, -1)
    initial = 2 * initial_states(field).detach()
    exact = RungeKuttaSolver(RUNGE_KUTTA["rk5"]).integrate(field, initial, time, no_inputs, 0.025)
    solver = RolloutSolver(RUNGE_KUTTA[method])
    errors = [float((solver.integrate(field, initial, time, no_inputs, h) - exact).abs().max()) for h in (1.0, 0.5, 0.25, 0.125)]
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert min(orders[1:]) > RUNGE_KUTTA[method].order - 0.5, (errors, orders)


def test_activations_are_those_of_the_fields() -> None:
    assert set(SCALARS) == set(ACTIVATIONS)
    x = np.linspace(-3, 3, 13)
    for name, scalar in SCALARS.items():
        before, after = scalar.inner * x, np.empty_like(x)
        scalar.value(torch.from_numpy(before), out=torch.from_numpy(after))
        scalar.slope(before, after)
        of_torch, slope_of_torch, _ = ACTIVATIONS[name]
        value = of_torch(torch.from_numpy(x))
        np.testing.assert_allclose(scalar.outer * after + scalar.shift, value.numpy(), rtol=1e-13, atol=1e-14)
        slope = scalar.outer * scalar.inner * before
        np.testing.assert_allclose(slope, slope_of_torch(torch.from_numpy(x), value).numpy(), rtol=1e-13, atol=1e-14)


def test_descent_sees_the_same_loss_and_gradient_and_counts_evaluations() -> None:
    field, time = random_field("two layers"), observed_times("own")
    draws = torch.Generator().manual_seed(8)
    values = torch.randn(3, 30, 2, generator=draws, dtype=torch.float64)
    batch = Batch(time, torch.where(time.isfinite()[..., None], values, math.nan), SampledInputs(time, values[..., :0]))
    initial, tableau = initial_states(field).detach(), RUNGE_KUTTA["rk5"]
    found = []
    for solver in (by_hand(RungeKuttaSolver(tableau)), RungeKuttaSolver(tableau)):
        problem = DescentProblem(field, batch, (0, 1), InitialPrior(initial, torch.ones(3, 2).double()), solver, 0.2)
        squares, _ = problem.squares(initial, torch.arange(3))
        gradient = torch.autograd.grad(squares.sum(), list(field.parameters()))
        found.append((problem.n_evaluations, squares.detach(), torch.cat([part.reshape(-1) for part in gradient])))
    (calls, *mine), (many, *others) = found
    plan = plan_steps(time, 0.2, 6, smooth=True)
    assert calls == len(plan.step) * 6 + 1 < many / 2
    for one, other in zip(mine, others, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6 * float(other.abs().max()))


@pytest.mark.filterwarnings("error")
def test_a_field_that_runs_away_is_seen_by_its_states_alone() -> None:
    field = FirstOrderField(2, 0, (4,), "tanh").double()
    with torch.no_grad():
        field.net.linear.weight.copy_(300.0 * torch.eye(2))
    time = torch.arange(200, dtype=torch.float64)[None]
    states = by_hand(get_solver("rk4")).integrate(field, torch.ones(1, 2, dtype=torch.float64), time, no_inputs, 0.5)
    assert bool(states[:, 1].isfinite().all()) and not bool(states[:, -1].isfinite().any())
