"""Every way to take a gradient against finite differences and against each other, over patterns of observations."""

from __future__ import annotations

import math

import pytest
import torch
from known_fields import Pendulum, no_inputs
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from physode.errors import FitError, UnknownNameError
from physode.fields import FirstOrderField, SecondOrderField
from physode.fields.base import AbstractField
from physode.solvers import AbstractSolver, RolloutSolver, get_solver
from physode.solvers.adaptive import AdaptiveSolver
from physode.solvers.registry import GRADIENTS
from physode.solvers.runge_kutta import RUNGE_KUTTA
from physode.solvers.stored import StoredSolution
from physode.training.batch import SampledInputs

RTOL, ATOL = 1e-8, 1e-10
NAN = math.nan
PATTERNS: dict[str, tuple[list[float], list[float]]] = {
    "only the end": ([0.0, 2.0], [0, 1]),
    "only the start": ([0.0, 2.0], [1, 0]),
    "start and end": ([0.0, 2.0], [1, 1]),
    "every time": ([0.0, 0.5, 1.0, 1.5, 2.0], [1, 1, 1, 1, 1]),
    "inner times": ([0.0, 0.5, 1.0, 1.5, 2.0], [0, 0, 1, 1, 0]),
    "one inner time": ([0.0, 0.5, 1.0, 1.5, 2.0], [0, 0, 1, 0, 0]),
    "uneven times": ([0.0, 0.01, 0.02, 1.3, 1.9, 2.0], [1, 1, 0, 1, 1, 1]),
    "a late start": ([3.0, 3.5, 5.0], [1, 1, 1]),
    "before zero": ([-1.5, -0.5, 0.0, 0.5], [0, 1, 1, 1]),
    "close together": ([0.0, 1.0, 1.0 + 1e-6, 2.0], [1, 1, 1, 0]),
    "one time": ([0.7], [1]),
}
"""Times, and which of them the loss depends on."""
KINDS = {"first": FirstOrderField, "second": SecondOrderField}


def field_of(kind: str, n_inputs: int = 0) -> AbstractField:
    field = KINDS[kind](1 if kind == "second" else 2, n_inputs, (4,), "tanh").double()
    draws = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(0.6 * torch.randn(parameter.shape, generator=draws, dtype=torch.float64))
    return field


def inputs_at(time: Tensor, n_inputs: int) -> SampledInputs:
    values = torch.randn((*time.shape, n_inputs), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return SampledInputs(time, values)


def loss_of(field: AbstractField, solver: AbstractSolver, initial: Tensor, time: Tensor, counted: Tensor) -> Tensor:
    states = solver.integrate(field, initial, time, inputs_at(time, field.n_inputs), 0.005)
    weights = torch.tensor([0.7, -1.3], dtype=torch.float64)
    each = (states * weights).sum(-1) + 0.5 * states.square().sum(-1)
    return torch.where(counted > 0, each, 0.0).sum()


def gradient_of(field: AbstractField, gradient: str, initial: Tensor, time: Tensor, counted: Tensor, method: str = "dopri5") -> Tensor:
    solver, start = AdaptiveSolver(method, gradient, RTOL, ATOL), initial.clone().requires_grad_()
    loss = loss_of(field, solver, start, time, counted)
    parts = torch.autograd.grad(loss, [start, *field.parameters()], allow_unused=True)
    whole = [start, *field.parameters()]
    return torch.cat([(torch.zeros_like(like) if part is None else part).reshape(-1) for part, like in zip(parts, whole, strict=True)])


def finite_differences(field: AbstractField, initial: Tensor, time: Tensor, counted: Tensor) -> Tensor:
    """Central differences of fourth order, by the parameters along random directions beside each component of the initial state."""
    theta, solver = parameters_to_vector(field.parameters()).detach(), RolloutSolver(RUNGE_KUTTA["rk5"])

    @torch.no_grad()
    def moved(direction: Tensor, by: float) -> Tensor:
        vector_to_parameters(theta + by * direction[initial.numel() :], field.parameters())
        loss = loss_of(field, solver, initial + by * direction[: initial.numel()].view_as(initial), time, counted)
        vector_to_parameters(theta, field.parameters())
        return loss

    h = 1e-3
    steps = directions(initial.numel() + len(theta))
    return torch.stack([(8 * (moved(step, h) - moved(step, -h)) - (moved(step, 2 * h) - moved(step, -2 * h))) / (12 * h) for step in steps])


def directions(size: int) -> Tensor:
    return torch.randn(2, size, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def batch_of(times: list[float], counted: list[float]) -> tuple[Tensor, Tensor, Tensor]:
    initial = torch.tensor([[0.5, -0.2], [-0.8, 0.9]], dtype=torch.float64)
    return initial, torch.tensor(times, dtype=torch.float64).expand(2, -1), torch.tensor(counted, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_all_gradients_equal_finite_differences(pattern: str, kind: str) -> None:
    field = field_of(kind)
    initial, time, counted = batch_of(*PATTERNS[pattern])
    expected = finite_differences(field, initial, time, counted)
    gradients = [gradient for gradient in GRADIENTS if kind == "second" or gradient != "second-order-adjoint"]
    found = {gradient: gradient_of(field, gradient, initial, time, counted) for gradient in gradients}
    for gradient, value in found.items():
        along, size = directions(len(value)) @ value, float(expected.abs().max())
        assert float((along - expected).abs().max()) < 1e-6 * size, gradient
        assert float((value - found["backprop"]).abs().max()) < 1e-6 * float(found["backprop"].abs().max()), gradient


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_inputs_with_kinks_are_differentiated_through(gradient: str) -> None:
    field = field_of("second", 1)
    initial, time, counted = batch_of(*PATTERNS["uneven times"])
    expected = finite_differences(field, initial, time, counted)
    value = gradient_of(field, gradient, initial, time, counted)
    assert float((directions(len(value)) @ value - expected).abs().max()) < 1e-6 * float(expected.abs().max())


@pytest.mark.parametrize("gradient", ["interpolated-adjoint", "second-order-adjoint"])
def test_trajectories_of_unequal_length_share_a_batch(gradient: str) -> None:
    field = field_of("second")
    initial, time, counted = batch_of(*PATTERNS["every time"])
    time = time.clone()
    time[1, 3:] = NAN
    mask = counted * time.isfinite()
    together = gradient_of(field, gradient, initial, time, mask)
    alone = [
        gradient_of(field, "backprop", initial[k : k + 1], time[k : k + 1, :length], torch.ones(length)) for k, length in ((0, 5), (1, 3))
    ]
    expected = torch.cat([alone[0][:2], alone[1][:2], alone[0][2:] + alone[1][2:]])
    torch.testing.assert_close(together, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("size", [1e-9, 1e9])
def test_the_size_of_the_loss_does_not_matter(size: float) -> None:
    field = field_of("first")
    initial, time, counted = batch_of(*PATTERNS["every time"])
    value = gradient_of(field, "adjoint", initial, time, counted)
    solver, start = AdaptiveSolver("dopri5", "adjoint", RTOL, ATOL), initial.clone().requires_grad_()
    (scaled,) = torch.autograd.grad(size * loss_of(field, solver, start, time, counted), start)
    torch.testing.assert_close(scaled.reshape(-1) / size, value[: start.numel()], rtol=1e-12, atol=0)


@pytest.mark.parametrize("gradient", [name for name in GRADIENTS if name != "backprop"])
def test_a_parameter_without_effect_has_no_gradient(gradient: str) -> None:
    field = field_of("second")
    field.idle = nn.Parameter(torch.ones(2, dtype=torch.float64))
    initial, time, counted = batch_of(*PATTERNS["start and end"])
    value = gradient_of(field, gradient, initial, time, counted)
    names = [name for name, _ in field.named_parameters()]
    assert names[0] == "idle"
    assert value[initial.numel() : initial.numel() + 2].tolist() == [0.0, 0.0]
    assert float(value[initial.numel() + 2 :].abs().max()) > 0.01


@pytest.mark.parametrize("kinks", [False, True])
@pytest.mark.parametrize("method", ["dopri5", "dopri8"])
def test_the_stored_solution_holds_between_the_steps(method: str, kinks: bool) -> None:
    class Rate(nn.Module):
        def forward(self, t: Tensor, z: Tensor) -> Tensor:
            return torch.stack([z[:, 1], -z[:, 0]], dim=1)

    time = torch.tensor([0.0, 0.1, 2.5, 6.0], dtype=torch.float64)
    solution, states = StoredSolution.integrate(
        Rate(), torch.tensor([[0.0, 1.0]], dtype=torch.float64), time, method, 1e-9, 1e-11, kinks=kinks
    )
    torch.testing.assert_close(states[:, 0, 0], torch.sin(time), rtol=0, atol=1e-7)
    for t in torch.linspace(0, 6, 101, dtype=torch.float64):
        exact = torch.stack([torch.sin(t), torch.cos(t)])
        torch.testing.assert_close(solution(t)[0], exact, rtol=0, atol=1e-6 if method == "dopri8" else 1e-7)


def test_a_second_order_adjoint_of_another_field_is_refused() -> None:
    initial, time, _ = batch_of(*PATTERNS["every time"])
    solver = get_solver("dopri5", "second-order-adjoint")
    for field in (field_of("first"), Pendulum()):
        with pytest.raises(FitError, match=r"needs a field d2x/dt2 = f\(x, dx/dt\), as SecondOrderNeuralODE has, and this is a"):
            solver.integrate(field, initial, time, no_inputs, 1.0)


def test_an_adjoint_of_fixed_steps_is_refused() -> None:
    with pytest.raises(FitError, match="gradient='interpolated-adjoint' needs an adaptive solver"):
        get_solver("rk4", "interpolated-adjoint")
    with pytest.raises(UnknownNameError, match="second-order-adjoint"):
        get_solver("dopri5", "second-order")
